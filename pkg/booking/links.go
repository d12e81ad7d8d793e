package booking

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/fault"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
)

// LinkKey is where the link of a record is kept: a target message of the given full name, booked
// for the record of that source and key at that connection. It does not know the flow, so a flow
// that is renamed books nothing twice.
func LinkKey(connection, message, source, key string) string {
	return strings.Join([]string{connection, message, source, token(key)}, ".")
}

// ownerKey is where the key of the link is kept that owns a document at the target.
func ownerKey(connection, message, id string) string {
	return strings.Join([]string{connection, message, "=owner", token(id)}, ".")
}

// longestToken bounds the length of a key's token; the server takes subjects of some kilobytes.
const longestToken = 256

// token writes any text in the letters that keys may have: others become = and two hex digits. A
// long one becomes its hash, which no escaped text can look like.
func token(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c == '-' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	if b.Len() > longestToken || b.Len() == 0 {
		sum := sha256.Sum256([]byte(s))
		return "=sha256=" + hex.EncodeToString(sum[:])
	}
	return b.String()
}

// errLost says that someone else changed a link meanwhile.
var errLost = errors.New("another replica changed the link meanwhile")

// lostPause is how long a message waits whose link was changed by someone else.
const lostPause = time.Second

// entry is a link in the bucket.
type entry struct {
	key      string
	value    []byte // nil: there is none
	revision uint64
}

// get reads an entry. A replica of the server may lag behind: what is read is a hint until it is
// changed by compare-and-set.
func (d *Desk) get(ctx context.Context, key string) (entry, error) {
	got, err := d.links.Get(ctx, key)
	switch {
	case errors.Is(err, jetstream.ErrKeyNotFound):
		return entry{key: key}, nil
	case err != nil:
		return entry{}, unreachable(ctx, fmt.Errorf("read link %s: %w", key, err))
	default:
		return entry{key: key, value: got.Value(), revision: got.Revision()}, nil
	}
}

// put replaces an entry, nil deletes it, and returns it as it is then. The error is errLost when
// it isn't as it was read any more.
func (d *Desk) put(ctx context.Context, e entry, value []byte) (entry, error) {
	var err error
	next := entry{key: e.key, value: value}
	switch {
	case value == nil && e.revision == 0:
		return e, nil
	case value == nil:
		err = d.links.Delete(ctx, e.key, jetstream.LastRevision(e.revision))
	case e.revision == 0:
		next.revision, err = d.links.Create(ctx, e.key, value)
	default:
		next.revision, err = d.links.Update(ctx, e.key, value, e.revision)
	}
	switch {
	case err == nil:
		return next, nil
	case errors.Is(err, jetstream.ErrKeyExists), errors.Is(err, jetstream.ErrKeyRevisionMismatch):
		return e, fault.Untried(fault.Busy("link", lostPause, fmt.Errorf("write link %s: %w", e.key, errLost)))
	default:
		return e, unreachable(ctx, fmt.Errorf("write link %s: %w", e.key, err))
	}
}

// insist is put after a call: what the target did is to be remembered, if it takes some seconds and
// though the work is to end. An attempt whose answer was lost counts when its value is there.
func (d *Desk) insist(ctx context.Context, e entry, value []byte) (entry, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), insistFor)
	defer cancel()
	var next entry
	var lost error
	err := consume.Insist(ctx, func() (err error) {
		if next, err = d.put(ctx, e, value); !errors.Is(err, errLost) {
			return err
		}
		lost = err
		if next, err = d.get(ctx, e.key); err == nil && bytes.Equal(next.value, value) {
			lost = nil
		}
		return err
	})
	if err == nil {
		err = lost
	}
	return next, err
}

// insistFor bounds how long insist keeps a service that stops.
const insistFor = 10 * time.Second

// own makes the link with the given key the owner of a document at the target. It reports whether
// it is, which it may have been before.
func (d *Desk) own(ctx context.Context, message, id, key string) (bool, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), insistFor)
	defer cancel()
	var owner entry
	err := consume.Insist(ctx, func() (err error) {
		owner, err = d.get(ctx, ownerKey(d.opts.Connection, message, id))
		if err == nil && owner.value == nil {
			owner, err = d.put(ctx, owner, []byte(key))
		}
		return err
	})
	return string(owner.value) == key, err
}

// owner returns the key of the link that owns a document at the target, "" when none does.
func (d *Desk) owner(ctx context.Context, message, id string) (string, error) {
	e, err := d.get(ctx, ownerKey(d.opts.Connection, message, id))
	return string(e.value), err
}

// disown forgets the owner of a document that was deleted. A failure is of no matter: ids are not
// given twice.
func (d *Desk) disown(ctx context.Context, message, id string) {
	if e, err := d.get(ctx, ownerKey(d.opts.Connection, message, id)); err == nil {
		_, _ = d.put(ctx, e, nil)
	}
}

// unreachable marks an error of the bucket. An ended context is nobody's fault.
func unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	return fault.Untried(fault.Busy("link", 0, err))
}

// decodeLink reads a link; no value is the empty link. One in a state that only a newer version knows is left to that.
func decodeLink(e entry) (*bookingv1.Link, error) {
	link := &bookingv1.Link{}
	if err := proto.Unmarshal(e.value, link); err != nil {
		return nil, fault.Permanent("link", fmt.Errorf("read link %s: %w", e.key, err))
	}
	if bookingv1.State_name[int32(link.GetState())] == "" {
		return nil, fault.Untried(fault.Busy("link", newerPause, fmt.Errorf("link %s is in state %d, which this version does not know: a newer one wrote it", e.key, link.GetState())))
	}
	return link, nil
}

// newerPause is how long a message waits for a replica of a newer version.
const newerPause = 10 * time.Second
