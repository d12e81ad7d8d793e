// Package personal masks personal data for display: in records at the fields that their feed names, in
// target messages at those that their contract marks.
package personal

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
	sinkv1 "github.com/erpstream/erpstream/proto/gen/erpstream/sink/v1"
)

// Mask stands for a value that is not shown. Values that are empty are shown as they are, for that
// tells nothing of a person and often why a record died.
const Mask = "***"

// everything is the path that every value is below.
const everything = ""

// Record returns the JSON of a record with its personal data masked. kind is its ce-type, the name of
// its feed. Where that is not a feed of this release nobody knows what is personal, so every value is
// masked. All else stays as it was: order, names, the digits of numbers. A body that is not JSON is an
// error that tells nothing of it; an empty body, a tombstone's, is returned as it is.
func Record(kind string, body []byte) ([]byte, error) { return JSON(body, RecordPaths(kind)) }

// RecordPaths returns the dotted paths of the personal data in records of that ce-type; an empty path
// stands for all of a record.
func RecordPaths(kind string) []string {
	if described, err := feed.Get(feedName(kind)); err == nil {
		return described.Personal
	}
	return []string{everything}
}

// feedName is the feed that a ce-type names.
func feedName(kind string) string {
	return strings.TrimSuffix(strings.TrimSuffix(kind, record.RemovedSuffix), record.UnreadableSuffix)
}

// Message returns a target message as JSON, with the names of its .proto, and with the fields masked
// that the contract marks. kind is its ce-type, the name of the feed that it was made from: the fields
// of master data have names of the flow's choice, so where the feed has personal data all are masked.
func Message(kind string, m proto.Message) ([]byte, error) {
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write %s as JSON: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	return JSON(body, MessagePaths(kind, m.ProtoReflect().Descriptor()))
}

// MessagePaths returns the dotted paths of the personal data in a target message that was made of records
// of that ce-type.
func MessagePaths(kind string, md protoreflect.MessageDescriptor) []string {
	if !contract.IsReference(md) {
		return Paths(md)
	}
	if described, err := feed.Get(feedName(kind)); err == nil && len(described.Personal) == 0 {
		return Paths(md)
	}
	return append(Paths(md), "fields")
}

// Paths returns the dotted paths of the fields of a message that its contract marks as personal, in the
// order of the contract.
func Paths(md protoreflect.MessageDescriptor) []string {
	return paths(md, map[protoreflect.FullName]bool{})
}

// paths leaves out messages that it is inside of already: they hold no more than they do there.
func paths(md protoreflect.MessageDescriptor, inside map[protoreflect.FullName]bool) []string {
	if inside[md.FullName()] {
		return nil
	}
	inside[md.FullName()] = true
	defer delete(inside, md.FullName())
	var found []string
	for i := range md.Fields().Len() {
		field := md.Fields().Get(i)
		name := string(field.Name())
		if marked, _ := proto.GetExtension(field.Options(), sinkv1.E_Personal).(bool); marked {
			found = append(found, name)
			continue
		}
		if field.Message() == nil || field.IsMap() {
			continue
		}
		for _, below := range paths(field.Message(), inside) {
			found = append(found, name+"."+below)
		}
	}
	return found
}
