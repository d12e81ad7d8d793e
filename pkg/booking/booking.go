// Package booking books documents at systems that can't be asked to be idempotent, each once: it
// remembers in the bucket "links" what it is about to do before each call, and asks the target what
// became of a call whose answer never came before it makes another one.
//
// The protocol, per document:
//
//  1. The link is written as an intent, by compare-and-set.
//  2. The call is made, if the intent is still young enough.
//  3. The link is written with the id that the target gave.
//
// Who finds an intent waits until its call can't be under way any more, then looks for the document
// at the target: by its number, or by its marker. Only when it isn't there it is booked anew.
//
// A call has the deadline of its intent, and pkg/httpcall sends nothing of it afterwards, were the
// process stopped in between or the network away. What remains is a call that a proxy or the vendor's own
// gateway holds back for longer than Settle: it makes a second document, which nobody hears of unless the
// process that made the call gets the answer (class "duplicate").
package booking

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// System is what documents of one type are booked at. Its methods return when ctx is done; errors
// wear a kind of pkg/fault. One may serve several documents at once.
type System interface {
	// Find returns the documents at the target that the clue leads to, compared with doc. None is
	// no error: it says that the target has no such document for certain.
	Find(ctx context.Context, doc Document, clue Clue) ([]Held, error)
	// Create books doc as a new document. It makes the creating call once, and does not retry it.
	//
	// An error says with Unbooked or Exists that the target did not store the document. Any other
	// error leaves that open. An error with a Held says that the document is stored, though not
	// all that was to be done with it succeeded.
	Create(ctx context.Context, doc Document) (Held, error)
}

// Changer is a System that can change what it holds.
type Changer interface {
	// Change makes the document at the target hold doc's content, and finishes it where it is a
	// draft. It looks first how far an earlier try came, for it may be called again after any error.
	//
	// An error says with Unbooked that the document is as it was before, with Gone that it isn't
	// there. Any other error leaves that open. An error with a Held says how it was left.
	Change(ctx context.Context, held Held, doc Document) (Held, error)
}

// Remover is a System that can delete what it holds.
type Remover interface {
	// Remove deletes a document; one that is gone is no error. Errors are those of Change.
	Remove(ctx context.Context, held Held) error
}

// Held is a document as the target holds it.
type Held struct {
	// ID and Number are what the target calls it.
	ID, Number string
	// Draft says that it isn't audited although it is to be.
	Draft bool
	// Differs says that its content is not, or not known to be, that of the document.
	Differs bool
}

// Links is the bucket of links, a jetstream.KeyValue.
type Links interface {
	Get(ctx context.Context, key string) (jetstream.KeyValueEntry, error)
	Create(ctx context.Context, key string, value []byte, opts ...jetstream.KVCreateOpt) (uint64, error)
	Update(ctx context.Context, key string, value []byte, revision uint64) (uint64, error)
	Delete(ctx context.Context, key string, opts ...jetstream.KVDeleteOpt) error
}

// The usual times of Options.
const (
	UsualLongest = time.Minute
	UsualSettle  = 30 * time.Second
)

// Options say who books and how patiently. Zero times are replaced by the usual ones.
type Options struct {
	// Connection is the account that is booked at; documents of another one are others.
	Connection string
	// Instance names this replica in the links.
	Instance string
	// Longest is how long a booking may take from its intent to its answer; the call's context ends
	// then. It should be the same in all replicas.
	Longest time.Duration
	// Settle is how long the target may take to show what it was asked for, on top of Longest; the
	// difference of the replicas' clocks is part of it.
	Settle time.Duration
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Desk books the documents of one connection. It is safe for concurrent use; any number of replicas may
// have one.
type Desk struct {
	links Links
	opts  Options
	turns turns
}

// New returns a Desk that keeps its links in the given bucket.
func New(links Links, opts Options) *Desk {
	if opts.Longest == 0 {
		opts.Longest = UsualLongest
	}
	if opts.Settle == 0 {
		opts.Settle = UsualSettle
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Desk{links: links, opts: opts, turns: turns{taken: map[string]chan struct{}{}}}
}
