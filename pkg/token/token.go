// Package token keeps values that all replicas of an account share, such as access tokens: encrypted,
// in one place, renewed by one replica at a time.
//
// The vendors make that necessary: some let a token be asked for twice a minute, some give a new
// refresh token with each use of the old one, and lock out whoever still holds that.
//
//	store, err := token.Open(ctx, js) // nil instead: a process that shares nothing
//	session, err := token.New(token.Config[Session]{Store: store, Name: "kd-main", Secret: secret, Refresh: login})
//	held, err := session.Get(ctx)
//
// Shared is for values that are renewed by rule, Box for those whose owner has rules of its own.
package token

import (
	"context"
	"errors"
)

// ErrConflict says that an entry is not of the revision that was expected: another replica wrote it.
var ErrConflict = errors.New("another replica was first")

// Store keeps small entries by name, each with a revision that grows whenever it is written. Its
// methods may be called at once, and end with ctx.
type Store interface {
	// Load returns an entry; revision 0 says that there is none.
	Load(ctx context.Context, name string) (data []byte, revision uint64, err error)
	// Save writes an entry that is of that revision (0: not there), and returns the new revision.
	// The error is ErrConflict when it is not; after any other the entry may have been written.
	Save(ctx context.Context, name string, data []byte, revision uint64) (uint64, error)
	// Wait blocks until the entry is of a revision above the given one.
	Wait(ctx context.Context, name string, revision uint64) error
}
