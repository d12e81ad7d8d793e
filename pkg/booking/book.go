package booking

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/sink"
	bookingv1 "github.com/erpstream/erpstream/proto/gen/erpstream/booking/v1"
)

// Book books one message at s and notes in it what became of it: committed, superseded by a newer
// version that is booked, or unchanged, with the id that the target gave.
//
// Its error is busy with a wait where the outcome of a call is open, or another replica was at
// work: the message is to come again. An error of s goes on as it is where the target has said no;
// then nothing is remembered of the try. An ended ctx is returned without a kind.
func (d *Desk) Book(ctx context.Context, m *sink.Message, s System, policy policy.Policy) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	doc, err := read(m, policy)
	if err != nil {
		return err
	}
	key := LinkKey(d.opts.Connection, m.Schema, m.Source, m.Key)
	doc.free = func(ctx context.Context, id string) (bool, error) {
		owner, err := d.owner(ctx, m.Schema, id)
		return owner == "" || owner == key, err
	}
	t := &task{desk: d, system: s, policy: policy, m: m, doc: doc}
	leave, err := t.begin(ctx, key)
	if err != nil {
		return err
	}
	defer leave()
	if t.link.GetState() == bookingv1.State_STATE_INTENT {
		if err := t.resolve(ctx); err != nil {
			return err
		}
	}
	return t.act(ctx)
}

// begin reads the link, and keeps out all other bookings of this process until leave is called that could
// take this document for theirs: of the same record, or with a clue that leads to the same bills.
func (t *task) begin(ctx context.Context, key string) (leave func(), err error) {
	names := []string{key}
	if t.doc.Clue != (Clue{}) {
		names = append(names, t.name(t.doc.Clue.encode()))
	}
	for {
		if leave, err = t.desk.turns.take(ctx, names...); err != nil {
			return nil, err
		}
		if t.at, err = t.desk.get(ctx, key); err == nil {
			t.link, err = decodeLink(t.at)
		}
		if err == nil && t.mayHaveMore() {
			t.link, err = t.doubted(ctx)
		}
		if err != nil {
			leave()
			return nil, err
		}
		t.was = t.at.value
		// An intent of an earlier version of the record may look for another clue.
		intended := t.name(t.link.GetClue())
		if t.link.GetClue() == "" || slices.Contains(names, intended) {
			return leave, nil
		}
		leave()
		names = append(names, intended)
	}
}

// name is that of a clue's turn, its own for each type of document.
func (t *task) name(clue string) string { return t.m.Schema + "?" + clue }

// task is one booking.
type task struct {
	desk   *Desk
	system System
	policy policy.Policy
	m      *sink.Message
	doc    Document

	// link is what is known of the document, at the entry that holds it, and was the value that the
	// entry gets back when the target refuses.
	link *bookingv1.Link
	at   entry
	was  []byte

	// recovered says that the call of this or an earlier try was found to have succeeded, removing
	// that the document may be deleted already.
	recovered, removing bool
}

// act does what the message asks for, now that no outcome is open.
func (t *task) act(ctx context.Context) error {
	booked := t.link.GetState() == bookingv1.State_STATE_BOOKED
	switch {
	case !t.m.Newer(t.link.GetVersion(), t.link.GetRawSequence()):
		t.m.Outcome, t.m.ExternalID = sink.Superseded, t.link.GetExternalId()
		return nil
	case t.doc.Message == nil:
		return t.remove(ctx)
	case t.link.GetExternalId() == "":
		return t.create(ctx)
	case booked && bytes.Equal(t.link.GetContent(), t.doc.Content):
		return t.keep(ctx)
	default:
		return t.change(ctx)
	}
}

// keep makes no call: the target has what it is to have. Only the link's version moves on.
func (t *task) keep(ctx context.Context) error {
	t.m.ExternalID = t.link.GetExternalId()
	if !t.recovered {
		t.m.Outcome = sink.Unchanged
	}
	if t.link.GetVersion() == t.m.Version && t.link.GetRawSequence() == t.m.RawSequence {
		return nil
	}
	next := proto.CloneOf(t.link)
	next.Version, next.RawSequence = proto.Int64(t.m.Version), proto.Uint64(t.m.RawSequence)
	return t.write(ctx, next)
}

// create books the document, unless the target turns out to have it.
func (t *task) create(ctx context.Context) error {
	if t.policy.Search {
		found, _, err := t.find(ctx, t.doc.Clue)
		if err != nil {
			return err
		}
		if found.ID != "" {
			return t.adopt(ctx, found, nil)
		}
	}
	// Until the target gives a number, the link's holds the clue: a later version of the record may
	// have another one.
	if err := t.intend(ctx, &bookingv1.Link{Content: t.doc.Content, Clue: proto.String(t.doc.Clue.encode())}); err != nil {
		return err
	}
	held, err := t.call(ctx, func(ctx context.Context) (Held, error) { return t.system.Create(ctx, t.doc) })
	if verdictOf(err) == exists && held.ID == "" {
		return t.meet(ctx, err)
	}
	return t.finish(ctx, held, err)
}

// meet takes up the document whose number the target has already: it is ours if it holds the same,
// for an answer may have been lost longer than anyone waited.
func (t *task) meet(ctx context.Context, refusal error) error {
	found, owner, err := t.find(ctx, t.doc.Clue)
	switch {
	case err != nil:
		return errors.Join(err, t.restore(ctx))
	case found.ID == "" && owner != "":
		refusal = fmt.Errorf("it belongs to the link %s: %w", owner, refusal)
		return t.refuse(ctx, fault.Permanent("exists", refusal))
	case found.ID == "":
		return t.refuse(ctx, fault.Permanent("exists", refusal))
	default:
		return t.adopt(ctx, found, refusal)
	}
}

// adopt takes over a document that was there before, and changes it where it differs. refusal is
// what the target said to a second one, nil when none was tried.
func (t *task) adopt(ctx context.Context, found Held, refusal error) error {
	if found.Differs && (!t.policy.Change || !t.policy.Search) {
		err := fmt.Errorf("%s is there with another content, and was not booked for this record", found)
		if refusal != nil {
			err = fmt.Errorf("%w: %w", err, refusal)
		}
		return t.refuse(ctx, fault.Permanent("exists", err))
	}
	if err := t.claim(ctx, found); err != nil {
		return err
	}
	if err := t.write(ctx, t.linkTo(found)); err != nil {
		return err
	}
	if found.Differs || found.Draft {
		return t.change(ctx)
	}
	t.m.Outcome, t.m.ExternalID = sink.Unchanged, found.ID
	return nil
}

// change makes the document at the target what the record is by now.
func (t *task) change(ctx context.Context) error {
	held := Held{ID: t.link.GetExternalId(), Number: t.link.GetNumber(), Draft: t.link.GetState() == bookingv1.State_STATE_DRAFT}
	held.Differs = !bytes.Equal(t.link.GetContent(), t.doc.Content)
	changer, able := t.system.(Changer)
	switch {
	case held.Differs && !t.policy.Change:
		return fault.Permanent("change", fmt.Errorf("%s is booked, and its record has changed: on_change is refuse", held))
	case !able:
		return fault.Permanent("change", fmt.Errorf("%s is booked, and the system can't change documents: on_change must be refuse", held))
	}
	err := t.intend(ctx, &bookingv1.Link{Content: t.doc.Content, ExternalId: proto.String(held.ID), Number: proto.String(held.Number)})
	if err != nil {
		return err
	}
	after, err := t.call(ctx, func(ctx context.Context) (Held, error) { return changer.Change(ctx, held, t.doc) })
	switch {
	case err == nil && after.ID == "":
		after = Held{ID: held.ID, Number: held.Number}
	case verdictOf(err) == gone && (t.removing || held.Draft):
		// It was to go, or was never finished: somebody deleted the draft.
		t.link, t.was = &bookingv1.Link{}, nil
		return t.create(ctx)
	case verdictOf(err) == gone:
		return t.refuse(ctx, fault.Permanent("gone", fmt.Errorf("%s was deleted at the target: %w", held, err)))
	}
	return t.finish(ctx, after, err)
}

// remove deletes what is booked for a record that is gone, or keeps it; the version of the removal
// is remembered either way, so that an older message does not bring the document back.
func (t *task) remove(ctx context.Context) error {
	held := Held{ID: t.link.GetExternalId(), Number: t.link.GetNumber()}
	none := &bookingv1.Link{Version: &t.m.Version, RawSequence: &t.m.RawSequence}
	switch {
	case held.ID == "":
		t.m.Outcome = sink.Unchanged
		return t.write(ctx, none)
	case !t.policy.Remove && !t.removing:
		return t.keep(ctx)
	}
	remover, able := t.system.(Remover)
	if !able {
		return fault.Permanent("change", fmt.Errorf("%s is booked, and the system can't delete documents: on_removed must be keep", held))
	}
	if err := t.intend(ctx, &bookingv1.Link{ExternalId: &held.ID, Number: &held.Number}); err != nil {
		return err
	}
	_, err := t.call(ctx, func(ctx context.Context) (Held, error) { return Held{}, remover.Remove(ctx, held) })
	if err != nil && verdictOf(err) != gone {
		return t.finish(ctx, Held{}, err)
	}
	t.m.ExternalID = held.ID
	if err := t.write(ctx, none); err != nil {
		return err
	}
	t.desk.disown(context.WithoutCancel(ctx), t.m.Schema, held.ID)
	return nil
}

// String names the document as people know it.
func (h Held) String() string {
	if h.Number == "" {
		return "document with id " + h.ID
	}
	return fmt.Sprintf("document %s (id %s)", h.Number, h.ID)
}

// intend writes that a call is about to be made.
func (t *task) intend(ctx context.Context, link *bookingv1.Link) error {
	link.State = bookingv1.State_STATE_INTENT.Enum()
	link.Version, link.RawSequence = &t.m.Version, &t.m.RawSequence
	link.Intended, link.Instance = timestamppb.New(t.desk.opts.Now()), &t.desk.opts.Instance
	value, err := proto.Marshal(link)
	if err != nil {
		return fmt.Errorf("write link %s: %w", t.at.key, err)
	}
	at, err := t.desk.put(ctx, t.at, value)
	if err != nil {
		return err
	}
	t.at, t.link = at, link
	seam.Reach(seam.BookingIntended)
	return nil
}

// call makes a call that is over by the deadline of the intent. It isn't begun after that: a
// process that was stopped for long must not do what another replica has taken over.
func (t *task) call(ctx context.Context, do func(context.Context) (Held, error)) (Held, error) {
	// The wall clock alone goes on while a virtual machine is paused.
	left := t.link.GetIntended().AsTime().Add(t.desk.opts.Longest).Sub(t.desk.opts.Now().Round(0))
	if left <= 0 {
		return Held{}, Unbooked(fault.Untried(fault.Busy("link", lostPause, errors.New("the intent is too old for its call: this replica was stopped for a while"))))
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	held, err := do(ctx)
	seam.Reach(seam.BookingCalled)
	return held, err
}

// finish remembers what a call did. err is what it said.
func (t *task) finish(ctx context.Context, held Held, err error) error {
	switch {
	case held.ID != "":
		return t.settle(ctx, held, err)
	case verdictOf(err) != 0:
		return t.refuse(ctx, err)
	case err == nil:
		err = errors.New("the target named no document in its answer")
	}
	if ctx.Err() != nil { // nobody's fault, whatever kind the call's error has; the intent stays
		return fmt.Errorf("%w: the outcome of the call is open: %s", ctx.Err(), err.Error())
	}
	err = fmt.Errorf("the outcome of the call is open, the target is asked in a while: %w", err)
	return fault.Unanswered(fault.Busy("unsettled", t.patience(), err))
}

// settle writes the link to a document that a call made, changed, or left as a draft with err.
func (t *task) settle(ctx context.Context, held Held, err error) error {
	if lost := t.claim(ctx, held); lost != nil {
		return lost
	}
	if lost := t.write(ctx, t.linkTo(held)); lost != nil {
		return t.second(ctx, held, lost)
	}
	if err == nil {
		t.m.ExternalID = held.ID
	}
	return err
}

// second finds out what it means that the link was changed while its call was made: another replica
// has found the same document, or has booked one more.
func (t *task) second(ctx context.Context, held Held, lost error) error {
	if !errors.Is(lost, errLost) {
		return lost
	}
	now, err := t.desk.get(context.WithoutCancel(ctx), t.at.key)
	if err != nil {
		return err
	}
	link, err := decodeLink(now)
	// Our own intent is there still where the server's replica that was asked lags behind.
	if err != nil || link.GetExternalId() == held.ID || proto.Equal(link, t.link) {
		return errors.Join(lost, err)
	}
	return fault.Permanent("duplicate", fmt.Errorf(
		"%s came after another replica had taken over: compare it with what link %s leads to, and delete one of them", held, t.at.key))
}

// refuse takes the intent back, where there is one, and returns why.
func (t *task) refuse(ctx context.Context, why error) error {
	seam.Reach(seam.BookingRefused)
	return errors.Join(why, t.restore(ctx))
}

// restore gives the entry the value that it had before the intent.
func (t *task) restore(ctx context.Context) error {
	if bytes.Equal(t.at.value, t.was) {
		return nil
	}
	_, err := t.desk.insist(ctx, t.at, t.was)
	return err
}

// claim makes the link the owner of a document at the target.
func (t *task) claim(ctx context.Context, held Held) error {
	ours, err := t.desk.own(ctx, t.m.Schema, held.ID, t.at.key)
	if err == nil && !ours {
		err = fault.Busy("link", t.patience(), fmt.Errorf("%s was taken for another record's meanwhile", held))
	}
	seam.Reach(seam.BookingClaimed)
	return err
}

// linkTo returns the link to a document at the target.
func (t *task) linkTo(held Held) *bookingv1.Link {
	link := &bookingv1.Link{
		State: bookingv1.State_STATE_BOOKED.Enum(), Version: &t.m.Version, RawSequence: &t.m.RawSequence,
		ExternalId: &held.ID, Number: &held.Number, Instance: &t.desk.opts.Instance, Content: t.doc.Content,
	}
	if held.Draft {
		link.State = bookingv1.State_STATE_DRAFT.Enum()
	}
	if held.Differs {
		link.Content = nil
	}
	return link
}

// write writes a link that no call depends on any more.
func (t *task) write(ctx context.Context, link *bookingv1.Link) error {
	value, err := proto.Marshal(link)
	if err != nil {
		return fmt.Errorf("write link %s: %w", t.at.key, err)
	}
	at, err := t.desk.insist(ctx, t.at, value)
	if err != nil {
		return err
	}
	t.at, t.link, t.was = at, link, value
	seam.Reach(seam.BookingLinked)
	return nil
}

// patience returns how long it takes until the target can be asked about the call of the intent.
func (t *task) patience() time.Duration {
	settled := t.link.GetIntended().AsTime().Add(t.desk.opts.Longest + t.desk.opts.Settle)
	return max(settled.Sub(t.desk.opts.Now().Round(0)), 0)
}
