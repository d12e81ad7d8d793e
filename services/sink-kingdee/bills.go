package main

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/wire"
	"github.com/erpstream/erpstream/pkg/xingchen"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// Names of the wire that all bills share (documented).
const (
	operationKey = "operation_key"
	audited      = "C" // 已审核, a bill_status
)

// longestMarker is how many characters a remark may have (assumed).
const longestMarker = 255

// bills are documents with lines, which are audited.
type bills struct {
	client *xingchen.Client
	doc    *sinkv1.Document
	lines  string // the field with the lines
	// discards says that a bill that can't be audited is deleted again.
	discards bool
}

// Create saves a bill, and audits it where its operation_key says so: both in one call.
func (b bills) Create(ctx context.Context, doc booking.Document) (booking.Held, error) {
	body, err := b.body(doc)
	if err != nil {
		return booking.Held{}, booking.Unbooked(err)
	}
	saved, err := b.client.Save(ctx, b.doc.GetEndpoint(), body)
	switch {
	case err == nil:
		id := saved.IDs[0]
		return booking.Held{ID: id, Number: b.number(ctx, id, saved.Numbers[id])}, nil
	case b.mayLeaveDraft(doc, err):
		return b.leftover(ctx, doc, err)
	default:
		return booking.Held{}, verdict(err)
	}
}

// number returns a bill's number, which the answer to a save may lack (seen in use). It is for people;
// where it can't be had it stays empty.
func (b bills) number(ctx context.Context, id, said string) string {
	if said != "" {
		return said
	}
	at, err := b.read(ctx, "id", id)
	if err != nil {
		return ""
	}
	return at.number
}

// body returns what is sent for a document, its marker in its place.
func (b bills) body(doc booking.Document) (map[string]any, error) {
	body, err := wire.Object(doc.Message)
	if err != nil {
		return nil, fault.Permanent("data", err)
	}
	if utf8.RuneCountInString(doc.Clue.Marker) > longestMarker {
		return nil, fault.Permanent("data", fmt.Errorf("%s has more than %d characters, with the record's source and key after it", b.doc.GetMarker(), longestMarker))
	}
	if fd := doc.Message.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(b.doc.GetMarker())); fd != nil {
		body[wire.Name(fd)] = doc.Clue.Marker
	}
	return body, nil
}

// wanted reports whether a document is to be audited.
func wanted(body map[string]any) bool { return body[operationKey] == xingchen.Audit }

// mayLeaveDraft reports whether the refusal of a save may be that of its audit, with the bill saved
// (assumed: how Kingdee says so is not known).
func (b bills) mayLeaveDraft(doc booking.Document, err error) bool {
	body, wrong := wire.Object(doc.Message)
	return wrong == nil && wanted(body) && fault.IsPermanent(err) && !xingchen.Uncertain(err) && !errors.Is(err, xingchen.ErrExists)
}

// leftover looks for the bill that a refused save left as a draft.
func (b bills) leftover(ctx context.Context, doc booking.Document, refusal error) (booking.Held, error) {
	found, err := b.Find(ctx, doc, doc.Clue)
	if err != nil {
		return booking.Held{}, fmt.Errorf("%w; is there a draft? %w", refusal, err)
	}
	for _, held := range found {
		if !held.Draft || held.Differs {
			continue
		}
		free, err := doc.Free(ctx, held.ID)
		switch {
		case err != nil:
			return booking.Held{}, fmt.Errorf("%w; whose is the draft? %w", refusal, err)
		case free:
			return b.failed(ctx, held, refusal)
		}
	}
	return booking.Held{}, booking.Unbooked(refusal)
}

// failed says what became of a bill that is saved, but could not be audited.
func (b bills) failed(ctx context.Context, held booking.Held, refusal error) (booking.Held, error) {
	if !b.discards {
		return held, fault.Permanent("audit", fmt.Errorf("%s was saved and is kept as a draft, for its audit failed: %w", held, refusal))
	}
	if err := b.client.Operate(ctx, b.doc.GetEntity(), xingchen.Delete, held.ID); err != nil && !errors.Is(err, xingchen.ErrNotFound) {
		return held, fault.Permanent("audit", fmt.Errorf("%s was saved, and stays a draft: its audit failed: %w; deleting it failed, too: %w", held, refusal, err))
	}
	return booking.Held{}, booking.Unbooked(fault.Permanent("audit", fmt.Errorf("%s was saved and deleted again, for its audit failed: %w", held, refusal)))
}

// Change makes a bill what the document says: it is unaudited, saved with its id and those of its
// lines, compared, and audited again. The bill itself says how far an earlier try came.
func (b bills) Change(ctx context.Context, held booking.Held, doc booking.Document) (booking.Held, error) {
	at, err := b.read(ctx, "id", held.ID)
	switch {
	case errors.Is(err, xingchen.ErrNotFound):
		return booking.Held{}, booking.Gone(err)
	case err != nil:
		return booking.Held{}, booking.Unbooked(err)
	}
	body, err := b.body(doc)
	if err != nil {
		return booking.Held{}, booking.Unbooked(err)
	}
	audit := wanted(body) || at.audited()
	after := booking.Held{ID: at.id, Number: at.number}
	if held.Differs {
		if err := b.rewrite(ctx, at, body); err != nil {
			return b.halfway(ctx, at, err)
		}
		if at, err = b.verify(ctx, at.id, doc); err != nil {
			after.Draft, after.Differs = true, true
			return after, err
		}
	}
	if !audit || at.audited() {
		return after, nil
	}
	return b.audit(ctx, after, held)
}

// rewrite takes a bill's audit back and saves it with new content. Lines keep the ids of those that
// were in their places; lines without one are new (documented), and those that are left out go
// (assumed: verify sees to it).
func (b bills) rewrite(ctx context.Context, at bill, body map[string]any) error {
	if at.audited() {
		if err := b.client.Operate(ctx, b.doc.GetEntity(), xingchen.Unaudit, at.id); err != nil {
			return fmt.Errorf("take the audit of bill %s back: %w", at.number, err)
		}
	}
	delete(body, operationKey)
	body["id"] = at.id
	lines, _ := body[b.lines].([]any)
	for i := range min(len(lines), len(at.lines)) {
		if line, ok := lines[i].(map[string]any); ok {
			line["id"] = at.lines[i].id
		}
	}
	if _, err := b.client.Save(ctx, b.doc.GetEndpoint(), body); err != nil {
		return fmt.Errorf("save bill %s: %w", at.number, err)
	}
	return nil
}

// halfway leaves a bill as it was before a change that was refused: audited, if it was.
func (b bills) halfway(ctx context.Context, was bill, refusal error) (booking.Held, error) {
	if xingchen.Uncertain(refusal) {
		return booking.Held{}, refusal
	}
	now, err := b.read(ctx, "id", was.id)
	if err == nil && was.audited() && !now.audited() {
		err = b.client.Operate(ctx, b.doc.GetEntity(), xingchen.Audit, was.id)
	}
	if err == nil {
		return booking.Held{}, booking.Unbooked(refusal)
	}
	held := booking.Held{ID: was.id, Number: was.number, Draft: true, Differs: true}
	left := fmt.Errorf("%s is left without its audit: auditing it again: %w, after %w", held, err, refusal)
	if fault.IsPermanent(err) {
		left = fault.Permanent("audit", left)
	}
	return held, left
}

// verify reads a bill that was saved again, and compares its lines with the document's.
func (b bills) verify(ctx context.Context, id string, doc booking.Document) (bill, error) {
	at, err := b.read(ctx, "id", id)
	if err != nil {
		return at, fmt.Errorf("verify bill %s: %w", id, err)
	}
	same, err := b.same(at, doc)
	if err == nil && !same {
		err = fault.Permanent("lines", fmt.Errorf("bill %s holds other lines or another date than were sent, and is not audited: compare it with the record", at.number))
	}
	return at, err
}

// audit audits a bill. before is what was known of it: a draft that was never finished may be
// discarded, a bill that was changed may not.
func (b bills) audit(ctx context.Context, after, before booking.Held) (booking.Held, error) {
	err := b.client.Operate(ctx, b.doc.GetEntity(), xingchen.Audit, after.ID)
	switch {
	case err == nil:
		return after, nil
	case xingchen.Uncertain(err):
		return booking.Held{}, err
	}
	after.Draft = true
	if !fault.IsPermanent(err) {
		return after, err
	}
	b.discards = b.discards && before.Draft && !before.Differs
	return b.failed(ctx, after, err)
}

// Remove deletes a bill, after taking its audit back.
func (b bills) Remove(ctx context.Context, held booking.Held) error {
	at, err := b.read(ctx, "id", held.ID)
	switch {
	case errors.Is(err, xingchen.ErrNotFound):
		return nil
	case err != nil:
		return booking.Unbooked(err)
	}
	if at.audited() {
		if err := b.client.Operate(ctx, b.doc.GetEntity(), xingchen.Unaudit, at.id); err != nil {
			return verdict(fmt.Errorf("take the audit of bill %s back: %w", at.number, err))
		}
	}
	err = b.client.Operate(ctx, b.doc.GetEntity(), xingchen.Delete, at.id)
	if err == nil || errors.Is(err, xingchen.ErrNotFound) {
		return nil
	}
	held, err = b.halfway(ctx, at, fmt.Errorf("delete bill %s: %w", at.number, err))
	if held.ID != "" {
		err = booking.Unbooked(err) // it is there; that it has no audit is in the text
	}
	return err
}
