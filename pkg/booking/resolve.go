package booking

import (
	"bytes"
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/seam"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
)

// resolve finds out what became of the call of an intent that was left behind: by a crash, a lost
// answer, or a replica that is still at it. After it t.link says what the target holds.
func (t *task) resolve(ctx context.Context) error {
	intent := t.link
	if wait := t.patience(); wait > 0 {
		return fault.Untried(fault.Busy("unsettled", wait, fmt.Errorf("a call of %s may still be under way", intent.GetInstance())))
	}
	if intent.GetExternalId() != "" {
		return t.resume(intent)
	}
	clue, err := decodeClue(intent.GetClue())
	if err != nil {
		return fault.Permanent("link", err)
	}
	found, _, err := t.find(ctx, clue)
	if err != nil {
		return err
	}
	if found.ID == "" {
		t.link, t.was = &bookingv1.Link{}, nil
		return nil
	}
	seam.Reach(seam.BookingFound)
	if err := t.claim(ctx, found); err != nil {
		return err
	}
	link := t.linkTo(found)
	link.Version, link.RawSequence, link.Instance = intent.Version, intent.RawSequence, intent.Instance
	// What was found is compared with this message; of another one its intent knows the content.
	if !bytes.Equal(intent.GetContent(), t.doc.Content) {
		link.Content = intent.Content
	}
	t.recovered = true
	return t.write(ctx, link)
}

// resume takes up a change or a removal: both can be done again, whatever came of them.
func (t *task) resume(intent *bookingv1.Link) error {
	t.removing = len(intent.GetContent()) == 0
	t.link = proto.CloneOf(intent)
	t.link.State, t.link.Content, t.link.Intended = bookingv1.State_STATE_BOOKED.Enum(), nil, nil
	was, err := proto.Marshal(t.link)
	if err != nil {
		return fmt.Errorf("write link %s: %w", t.at.key, err)
	}
	t.was = was
	return nil
}

// find returns the document that the clue leads to and that no other record's link owns, one that
// holds the same content first. Where only others' are there it returns the owner of one.
func (t *task) find(ctx context.Context, clue Clue) (found Held, other string, err error) {
	candidates, err := t.system.Find(ctx, t.doc, clue)
	if err != nil {
		return Held{}, "", fmt.Errorf("look for the document at the target: %w", err)
	}
	for _, held := range candidates {
		owner, err := t.desk.owner(ctx, t.m.Schema, held.ID)
		switch {
		case err != nil:
			return Held{}, "", err
		case owner != "" && owner != t.at.key:
			other = owner
		case found.ID == "" || found.Differs && !held.Differs:
			found = held
		}
	}
	return found, other, nil
}
