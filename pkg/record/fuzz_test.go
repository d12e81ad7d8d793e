package record_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// An envelope comes back from its headers as it was.
func FuzzEnvelope(f *testing.F) {
	f.Add("s/1/2/3", "2204001", int64(17), int64(1), "jst-purchasein", "jushuitan.purchasein", uint64(1), uint64(2), "a\tb\tc\td")
	f.Add("%", "采购/\x00\r\n:", int64(-1), int64(1e18), " ", "x.removed", uint64(0), uint64(1<<63), "+1")
	f.Fuzz(func(t *testing.T, id, key string, version, unix int64, source, kind string, revision, sequence uint64, references string) {
		at := time.Unix(unix, version).UTC()
		e := record.Envelope{
			ID: id, Source: source, Type: kind, Key: key, Version: version, Time: at,
			FlowRevision: revision, RawSequence: sequence, References: references, Flow: source, Options: id,
		}
		for _, text := range []string{id, key, source, kind, references} {
			if !utf8.ValidString(text) {
				return
			}
		}
		got, err := record.Parse(e.Header())
		if id == "" || key == "" || source == "" || kind == "" || at.Year() > 9999 || at.Year() < 0 {
			if err == nil {
				t.Errorf("%+v is an envelope", e)
			}
			return
		}
		if err != nil || got != e {
			t.Errorf("%+v\n%+v, %v", e, got, err)
		}
	})
}

// Headers come from outside: whatever they say, what was read is written the same again.
func FuzzParse(f *testing.F) {
	f.Add("s%2F1", "2", "2026-01-01T00:00:00+08:00", "a", "7", "%E4%B8")
	f.Add("%zz", "+2", "2026-01-01", "", "-7", "%00")
	f.Fuzz(func(t *testing.T, id, version, at, key, revision, flow string) {
		h := nats.Header{}
		for name, value := range map[string]string{
			topology.HeaderSpecVersion: "1.0", topology.HeaderID: id, topology.HeaderSource: id, topology.HeaderType: id,
			topology.HeaderSubject: key, topology.HeaderRecordVersion: version, topology.HeaderTime: at,
			topology.HeaderFlow: flow, topology.HeaderFlowRevision: revision,
		} {
			h.Set(name, value)
		}
		e, err := record.Parse(h)
		if err != nil {
			return
		}
		again, err := record.Parse(e.Header())
		if !again.Time.Equal(e.Time) {
			t.Errorf("%v becomes %v", e.Time, again.Time)
		}
		again.Time = e.Time
		if err != nil || again != e {
			t.Errorf("%+v becomes %+v, %v", e, again, err)
		}
	})
}

// What is encoded is plain text for a header, and comes back as it was.
func FuzzEncode(f *testing.F) {
	for _, seed := range []string{"", "a b", "采购", "100%", "\r\n", "\xff", "~\x7f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded := record.Encode(text)
		for _, c := range []byte(encoded) {
			if c <= ' ' || c > '~' {
				t.Errorf("%q is encoded as %q", text, encoded)
			}
		}
		if back, err := record.Decode(encoded); utf8.ValidString(text) && (err != nil || back != text) {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
	})
}

// References that were written are read as they were, but for tabs and line breaks.
func FuzzReferences(f *testing.F) {
	f.Add("kis.material\tF_103\tSKU-1\t17\n+3")
	f.Add("+")
	f.Add("a\tb\tc\td\na\tb\tc")
	f.Fuzz(func(t *testing.T, text string) {
		references, more, err := record.ReadReferences(text)
		if err != nil || !utf8.ValidString(text) {
			return
		}
		again, left, err := record.ReadReferences(record.WriteReferences(references))
		if err != nil || len(again)+left != len(references) {
			t.Errorf("%d references and %d more become %d and %d, %v", len(references), more, len(again), left, err)
		}
	})
}
