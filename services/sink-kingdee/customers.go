package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/tolerant"
	"github.com/erpstream/erpstream/pkg/wire"
	"github.com/erpstream/erpstream/pkg/xingchen"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// customers are base data with a number: created without an id, changed with one (seen in use).
type customers struct {
	client *xingchen.Client
	doc    *sinkv1.Document
}

// Find asks for the customer with the clue's number.
func (c customers) Find(ctx context.Context, doc booking.Document, clue booking.Clue) ([]booking.Held, error) {
	fields, err := detail(ctx, c.client, c.doc.GetEndpoint(), "number", clue.Number)
	switch {
	case errors.Is(err, xingchen.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	differs, err := c.differs(fields, doc)
	return []booking.Held{{ID: fields.Text("id"), Number: fields.Text("number"), Differs: differs}}, err
}

// differs compares what can be compared: personal fields come back encrypted, and lists and custom
// fields in another shape (documented), so a customer with any of those set counts as different.
func (customers) differs(at tolerant.Object, doc booking.Document) (bool, error) {
	if doc.Message == nil {
		return false, nil
	}
	object, err := wire.Object(doc.Message)
	if err != nil {
		return false, err
	}
	descriptors := doc.Message.ProtoReflect().Descriptor().Fields()
	for i := range descriptors.Len() {
		fd := descriptors.Get(i)
		want, set := object[wire.Name(fd)]
		text, plain := want.(string)
		switch {
		case !set || fd.Name() == "ignore_warn": // says how to save, and is not kept
		case !plain || personal(fd) || at.Text(wire.Name(fd)) != text:
			return true, nil
		}
	}
	return false, nil
}

func personal(fd protoreflect.FieldDescriptor) bool {
	is, _ := proto.GetExtension(fd.Options(), sinkv1.E_Personal).(bool)
	return is
}

// Create saves a customer without an id.
func (c customers) Create(ctx context.Context, doc booking.Document) (booking.Held, error) {
	return c.save(ctx, doc, "")
}

// Change saves a customer with its id.
func (c customers) Change(ctx context.Context, held booking.Held, doc booking.Document) (booking.Held, error) {
	after, err := c.save(ctx, doc, held.ID)
	if errors.Is(err, xingchen.ErrNotFound) { // the customer, or something that it names
		if _, lost := detail(ctx, c.client, c.doc.GetEndpoint(), "id", held.ID); errors.Is(lost, xingchen.ErrNotFound) {
			return after, booking.Gone(err)
		}
	}
	return after, err
}

func (c customers) save(ctx context.Context, doc booking.Document, id string) (booking.Held, error) {
	body, err := wire.Object(doc.Message)
	if err != nil {
		return booking.Held{}, booking.Unbooked(fault.Permanent("data", err))
	}
	if id != "" {
		body["id"] = id
	}
	saved, err := c.client.Save(ctx, c.doc.GetEndpoint(), body)
	if err != nil {
		return booking.Held{}, verdict(err)
	}
	return booking.Held{ID: saved.IDs[0], Number: doc.Clue.Number}, nil
}

// Remove deletes a customer, which Kingdee refuses once bills name it.
func (c customers) Remove(ctx context.Context, held booking.Held) error {
	err := c.client.Operate(ctx, c.doc.GetEntity(), xingchen.Delete, held.ID)
	if errors.Is(err, xingchen.ErrNotFound) {
		return nil
	}
	return verdict(err)
}

// detail asks for one document by its id or number; the detail's path is that of the save with _detail
// after it (documented; of 其他入库单 assumed).
func detail(ctx context.Context, client *xingchen.Client, endpoint, by, value string) (tolerant.Object, error) {
	path := endpoint + "_detail"
	data, err := client.Get(ctx, path, url.Values{by: {value}})
	if err != nil {
		return nil, err
	}
	return answer(path, data)
}

// answer reads an object of an answer. One that can't be read may be another time.
func answer(path string, data json.RawMessage) (tolerant.Object, error) {
	fields, err := tolerant.Parse(data)
	if err == nil && fields.Text("id") == "" {
		err = errors.New("no id")
	}
	if err != nil {
		return nil, fault.Busy("answer", 0, fmt.Errorf("read the answer of %s: %w", path, err))
	}
	return fields, nil
}

// verdict says of a write's error what it means for the document: refused, refused because it is
// there, or open.
func verdict(err error) error {
	switch {
	case err == nil, xingchen.Uncertain(err):
		return err
	case errors.Is(err, xingchen.ErrExists):
		return booking.Exists(err)
	default:
		return booking.Unbooked(err)
	}
}
