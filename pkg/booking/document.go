package booking

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/booking/policy"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/wire"
	"github.com/erpstream/erpstream/proto/contract"
)

// Document is a target message as it is booked.
type Document struct {
	// Message is the target message, nil when the record was removed.
	Message proto.Message
	// Content stands for what the message says: the SHA-256 of its JSON.
	Content []byte
	// Clue is what the document is found again by.
	Clue Clue

	free func(ctx context.Context, id string) (bool, error)
}

// Free reports whether a document that was found at the target may be this one: no other record's
// link owns it. A System asks before it makes anything of what it found by itself.
func (d Document) Free(ctx context.Context, id string) (bool, error) { return d.free(ctx, id) }

// Clue is what a document is found again by at the target: its number, or where it has none the
// marker within its date.
type Clue struct {
	Number, Marker, Date string
	// MadeFrom and MadeTo, where they are set, are when the document was made at the target, by its clock. Then its
	// date there may be another one: a later version of the record may have been booked since.
	MadeFrom, MadeTo time.Time
}

// read returns the document that a message carries. Its errors are permanent.
func read(m *sink.Message, policy policy.Policy) (Document, error) {
	if m.Removed() || len(m.Body) == 0 {
		return Document{}, nil
	}
	msg, err := m.Decode()
	if err != nil {
		return Document{}, err
	}
	options := contract.Document(msg.ProtoReflect().Descriptor())
	if options == nil {
		return Document{}, fault.Permanent("schema", fmt.Errorf("%s says with no document option how it is booked", m.Schema))
	}
	body, err := wire.JSON(msg)
	if err != nil {
		return Document{}, fault.Permanent("data", fmt.Errorf("write %s as JSON: %w", m.Schema, err))
	}
	sum := sha256.Sum256(body)
	doc := Document{Message: msg, Content: sum[:], Clue: Clue{
		Number: text(msg, options.GetNumber()), Marker: text(msg, options.GetMarker()), Date: text(msg, options.GetDate()),
	}}
	if policy.Append && options.GetMarker() != "" {
		doc.Clue.Marker = strings.TrimSpace(fmt.Sprintf("%s [%s/%s]", doc.Clue.Marker, m.Source, m.Key))
	}
	if doc.Clue.Number == "" && doc.Clue.Marker == "" {
		return Document{}, fault.Permanent("data", fmt.Errorf("%s has neither number nor marker, so it could not be found again", m.Schema))
	}
	return doc, nil
}

// text returns the text at a path of fields with dots between, "" for no path.
func text(msg proto.Message, path string) string {
	m := msg.ProtoReflect()
	names := strings.Split(path, ".")
	for i, name := range names {
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(name))
		switch {
		case fd == nil:
			return ""
		case i == len(names)-1:
			return m.Get(fd).String()
		case fd.Message() == nil:
			return ""
		}
		m = m.Get(fd).Message()
	}
	return ""
}

// encode returns the clue as text, for the link of an intent to create.
func (c Clue) encode() string {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("number", c.Number)
	set("marker", c.Marker)
	set("date", c.Date)
	if !c.MadeFrom.IsZero() {
		set("made_from", c.MadeFrom.Format(time.RFC3339))
		set("made_to", c.MadeTo.Format(time.RFC3339))
	}
	return values.Encode()
}

// decodeClue reads what encode wrote.
func decodeClue(s string) (Clue, error) {
	values, err := url.ParseQuery(s)
	c := Clue{Number: values.Get("number"), Marker: values.Get("marker"), Date: values.Get("date")}
	if err == nil && values.Has("made_from") {
		var errTo error
		c.MadeFrom, err = time.Parse(time.RFC3339, values.Get("made_from"))
		c.MadeTo, errTo = time.Parse(time.RFC3339, values.Get("made_to"))
		err = errors.Join(err, errTo)
	}
	if err != nil {
		return Clue{}, fmt.Errorf("read the clue of an intent: %w", err)
	}
	return c, nil
}
