package reference

import (
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// State is what the bucket has under a key. An entry is a message with the bare protobuf as its
// value; the version is in its headers, so that any NATS client can read the bucket. A document that
// was removed leaves the bucket's own delete marker, with the headers too: an older version that comes
// late is known to be older.
type State struct {
	// Version and RawSequence are those of the record that the entry was made of.
	Version     int64
	RawSequence uint64
	// Body is erpstream.reference.v1.Entry; empty where the document was removed.
	Body []byte
	// Revision is the sequence in the bucket; 0 where there is nothing.
	Revision uint64
}

// The header that marks a deletion in a bucket, and its values.
const (
	headerOperation = "KV-Operation"
	operationDelete = "DEL"
)

// Message returns the message that puts s under a key that is still at s.Revision in the bucket.
func (s State) Message(key string) *nats.Msg {
	msg := nats.NewMsg(Subject(key))
	msg.Header.Set(topology.HeaderRecordVersion, strconv.FormatInt(s.Version, 10))
	msg.Header.Set(topology.HeaderRawSequence, strconv.FormatUint(s.RawSequence, 10))
	msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(s.Revision, 10))
	msg.Data = s.Body
	if len(s.Body) == 0 {
		msg.Header.Set(headerOperation, operationDelete)
	}
	return msg
}

// Read returns what a message of the bucket says. What a person put there or deleted by hand has no
// version: it is older than any record.
func Read(msg *jetstream.RawStreamMsg) (State, error) {
	s := State{Revision: msg.Sequence}
	if !removed(msg.Header) {
		s.Body = msg.Data
	}
	version := msg.Header.Get(topology.HeaderRecordVersion)
	if version == "" {
		return s, nil
	}
	var err error
	if s.Version, err = strconv.ParseInt(version, 10, 64); err != nil {
		return s, fmt.Errorf("header %s of %s: %w", topology.HeaderRecordVersion, msg.Subject, err)
	}
	if s.RawSequence, err = strconv.ParseUint(msg.Header.Get(topology.HeaderRawSequence), 10, 64); err != nil {
		return s, fmt.Errorf("header %s of %s: %w", topology.HeaderRawSequence, msg.Subject, err)
	}
	return s, nil
}

// removed reports whether a message of the bucket deletes its key.
func removed(h nats.Header) bool { return h.Get(headerOperation) != "" }
