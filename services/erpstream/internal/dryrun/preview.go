package dryrun

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/personal"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/proto/contract"
	"github.com/erpstream/erpstream/services/erpstream/internal/fields"
)

// Revision is one revision of a flow, ready to try.
type Revision struct {
	Flow   flow.Flow
	Judge  verdict.Judge
	Lookup mapping.Lookup
	// Personal shows personal data.
	Personal bool

	mt protoreflect.MessageType
}

// NewRevision compiles a flow with the documents that it refers to. Its faults are *flow.Error.
func NewRevision(set flow.Set, f flow.Flow) (Revision, error) {
	judge, err := verdict.New(set, f)
	if err != nil {
		return Revision{}, err
	}
	mt, err := contract.Message(f.Target.Message)
	if err != nil {
		return Revision{}, f.Fault("target.message", "%v", err)
	}
	return Revision{Flow: f, Judge: judge, mt: mt}, nil
}

// Row is what a flow would make of one record.
type Row struct {
	Key     string `json:"key"`
	Version int64  `json:"version"`
	// RawSequence is the record's in RAW; 0 for one from a file.
	RawSequence uint64    `json:"raw_sequence,omitempty"`
	Modified    time.Time `json:"modified"`
	// Verdict is what would become of it, Why the reason where no message is made.
	Verdict  verdict.Kind `json:"verdict"`
	Why      string       `json:"why,omitempty"`
	Warnings []string     `json:"warnings,omitempty"`
	// References are the master data that was found.
	References []record.Reference `json:"references,omitempty"`
	// Record is the record, Message the target message as protobuf's JSON. A record that is no JSON is a text.
	Record  json.RawMessage `json:"record,omitempty"`
	Message json.RawMessage `json:"message,omitempty"`

	// shown is the message for people, set where there is one.
	shown []byte
	got   protoreflect.Message
}

// Preview says what the flow would make of a record.
func (r Revision) Preview(rec Record) (Row, error) {
	v := r.Judge.Of(rec.Envelope, rec.Body, r.Lookup)
	row := Row{
		Key: rec.Envelope.Key, Version: rec.Envelope.Version, RawSequence: rec.Sequence, Modified: rec.Envelope.Time,
		Verdict: v.Kind, Why: v.Why(), Warnings: v.Result.Warnings, References: v.Result.References,
		Record: r.record(rec),
	}
	if v.Kind != verdict.Mapped {
		return row, nil
	}
	var err error
	if row.got, err = fields.Decode(r.mt, v.Result.Body); err != nil {
		return row, err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(row.got.Interface())
	if err != nil {
		return row, err
	}
	row.Message, row.shown = text, fields.JSON(row.got, r.zone())
	if paths := r.hidden(rec); len(paths) > 0 {
		if row.Message, err = personal.JSON(row.Message, paths); err != nil {
			return row, err
		}
		row.shown, err = personal.JSON(row.shown, paths)
	}
	return row, err
}

func (r Revision) zone() *time.Location { return r.Judge.Feed.Location() }

// hidden are the paths of the message that are not to be shown.
func (r Revision) hidden(rec Record) []string {
	if r.Personal {
		return nil
	}
	return personal.MessagePaths(rec.Envelope.Type, r.mt.Descriptor())
}

// record is the record as it may be shown.
func (r Revision) record(rec Record) json.RawMessage {
	if len(rec.Body) == 0 {
		return nil
	}
	body := rec.Body
	if !r.Personal {
		masked, err := personal.Record(rec.Envelope.Type, body)
		if err != nil {
			return quoted(err.Error())
		}
		body = masked
	}
	if !json.Valid(body) {
		return quoted(string(body))
	}
	return body
}

func quoted(text string) json.RawMessage {
	out, _ := json.Marshal(text) // a text can always be written
	return out
}

// Tally counts verdicts, in the order of their importance.
func Tally(rows []Row) string {
	counts := map[verdict.Kind]int{}
	for _, row := range rows {
		counts[row.Verdict]++
	}
	var parts []string
	for _, kind := range []verdict.Kind{verdict.Mapped, verdict.Removed, verdict.Filtered, verdict.Dropped, verdict.Parked, verdict.Dead} {
		if counts[kind] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[kind], kind))
		}
	}
	return strings.Join(parts, ", ")
}
