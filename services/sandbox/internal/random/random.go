// Package random makes the tokens and secrets that an imitated vendor gives away.
package random

import (
	"crypto/rand"
	"encoding/hex"
)

// Token returns 32 hex digits that nobody can guess.
func Token() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
