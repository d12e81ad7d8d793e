package dead

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/personal"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
)

// JSON returns the body for people to read: a record as the vendor said it, a target message with the
// names of its .proto. Personal data is masked but where the caller may see it. It is empty where the
// document was removed, an error where the body can't be read.
func (b Buried) JSON(personalToo bool) (json.RawMessage, error) {
	switch {
	case len(b.Body) == 0 && b.Left > 0:
		return nil, fmt.Errorf("the body of %d bytes was too large for a letter, and is not at sequence %d of stream %s any more", b.Left, b.StreamSequence, b.Stream)
	case len(b.Body) == 0:
		return nil, nil
	case b.Stage == Sink:
		return b.messageJSON(personalToo)
	case !json.Valid(b.Body):
		return nil, errors.New("the record is not JSON")
	case personalToo:
		return b.Body, nil
	default:
		return personal.Record(b.Kind, b.Body)
	}
}

func (b Buried) messageJSON(personalToo bool) (json.RawMessage, error) {
	m, err := b.message()
	if err != nil {
		return nil, err
	}
	var body []byte
	if personalToo {
		body, err = protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	} else {
		body, err = personal.Message(b.Kind, m)
	}
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", b.Schema, err)
	}
	return compact(body)
}

// message reads the target message.
func (b Buried) message() (proto.Message, error) {
	mt, err := contract.Message(b.Schema)
	if err != nil {
		return nil, err
	}
	m := mt.New().Interface()
	if err := proto.Unmarshal(b.Body, m); err != nil {
		return nil, fmt.Errorf("the body is no %s: %w", b.Schema, err)
	}
	return m, nil
}

func compact(body []byte) ([]byte, error) {
	var out bytes.Buffer
	if err := json.Compact(&out, body); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// rewrite returns the letter's body for an edited one in JSON, and its envelope, which is another one
// only where the poller could not read the old body.
func (b Buried) rewrite(edited []byte, valid func(proto.Message) error) ([]byte, record.Envelope, error) {
	e, err := record.Parse(b.Header)
	if err != nil {
		return nil, e, fmt.Errorf("its envelope can't be read, which no edited body mends: %w", err)
	}
	switch {
	case e.Removed():
		return nil, e, errors.New("it says that a document was removed, so it has no body")
	case b.Stage == Sink:
		body, err := b.rewriteMessage(edited, valid)
		return body, e, err
	default:
		return b.rewriteRecord(e, edited)
	}
}

var errMasked = fmt.Errorf("a field with personal data is %q: that is how it is shown, not what it is; take the body with personal data", personal.Mask)

func (b Buried) rewriteRecord(e record.Envelope, edited []byte) ([]byte, record.Envelope, error) {
	if personal.Masked(edited, personal.RecordPaths(b.Kind)) {
		return nil, e, errMasked
	}
	body, err := compact(edited)
	if err != nil {
		return nil, e, fmt.Errorf("the edited record is not JSON: %w", err)
	}
	if old, err := compact(b.Body); err == nil && bytes.Equal(old, body) {
		return nil, e, errSame
	}
	if e.Unreadable() {
		e, err = readable(e, body)
		return body, e, err
	}
	if !slices.Contains(feed.Names(), e.Type) {
		return body, e, nil // a feed of another team; what its key is nobody here knows
	}
	described, err := feed.Get(e.Type)
	if err != nil {
		return nil, e, err
	}
	id, err := described.Identify(body)
	switch {
	case err != nil:
		return nil, e, fmt.Errorf("the edited record: %w", err)
	case id.Key != e.Key:
		return nil, e, fmt.Errorf("the edited record has the key %q, the letter %q: the key may not change", id.Key, e.Key)
	case !described.Snapshot && id.Version != e.Version:
		return nil, e, fmt.Errorf("the edited record has the version %d, the letter %d: the version may not change", id.Version, e.Version)
	}
	return body, e, nil
}

var errSame = errors.New("nothing in it was changed")

// readable returns the envelope of a record that the poller could not read and that can be read now.
func readable(e record.Envelope, body []byte) (record.Envelope, error) {
	name := e.Type[:len(e.Type)-len(record.UnreadableSuffix)]
	described, err := feed.Get(name)
	if err != nil {
		return e, err
	}
	id, err := described.Identify(body)
	if err != nil {
		return e, fmt.Errorf("the poller could not read it, and it still can't be read: %w", err)
	}
	e.Type, e.Key = name, id.Key
	if !described.Snapshot {
		e.Version, e.Time = id.Version, id.Modified
	}
	e.ID = record.NewID(e.Source, e.Key, e.Version, body)
	return e, nil
}

func (b Buried) rewriteMessage(edited []byte, valid func(proto.Message) error) ([]byte, error) {
	mt, err := contract.Message(b.Schema)
	if err != nil {
		return nil, err
	}
	if personal.Masked(edited, personal.MessagePaths(b.Kind, mt.Descriptor())) {
		return nil, errMasked
	}
	m := mt.New().Interface()
	if err := protojson.Unmarshal(edited, m); err != nil {
		return nil, fmt.Errorf("the edited message is no %s: %w", b.Schema, err)
	}
	if err := valid(m); err != nil {
		return nil, fmt.Errorf("the edited message: %w", err)
	}
	if old, err := b.message(); err == nil {
		if proto.Equal(old, m) {
			return nil, errSame
		}
		if err := sameDocument(old.ProtoReflect(), m.ProtoReflect()); err != nil {
			return nil, err
		}
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// sameDocument refuses a message for a table that is about another document than the old one.
func sameDocument(old, edited protoreflect.Message) error {
	table := contract.Table(old.Descriptor())
	field := old.Descriptor().Fields().ByName(protoreflect.Name(table.GetDocument()))
	if field == nil || old.Get(field).Equal(edited.Get(field)) {
		return nil
	}
	return fmt.Errorf("the edited message has the %s %v, the letter %v: the key may not change", field.Name(), edited.Get(field), old.Get(field))
}
