package record_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

func TestEnvelopeSurvivesHeaders(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	want := record.Envelope{
		ID: "jst-purchasein/2204001/17/00ff", Source: "jst-purchasein", Type: "jushuitan.purchasein",
		Key: `采购 "单" 100%`, Version: 9007199254740993, Time: time.Date(2025, 1, 1, 11, 5, 0, 0, shanghai),
		Schema: "erpstream.mysql.v1.PurchaseIn", Flow: "jst-purchasein-to-mysql", FlowRevision: 7, RawSequence: 42,
		Options: "mode=replace", References: "kis.unit\tname\t千克\t7", TraceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	}
	header := want.Header()
	if got := header.Get(topology.HeaderSubject); got != "%E9%87%87%E8%B4%AD%20%22%E5%8D%95%22%20100%25" {
		t.Errorf("ce-subject = %q", got)
	}
	if header.Get(topology.HeaderMsgID) != want.ID {
		t.Errorf("Nats-Msg-Id = %q, want the id", header.Get(topology.HeaderMsgID))
	}
	got, err := record.Parse(header)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Time.Equal(want.Time) || got.Time.Format(time.RFC3339) != "2025-01-01T11:05:00+08:00" {
		t.Errorf("time = %v, want %v with its zone", got.Time, want.Time)
	}
	got.Time = want.Time
	if got != want {
		t.Errorf("Parse(Header()) = %+v, want %+v", got, want)
	}
}

func TestParseNamesTheWrongHeader(t *testing.T) {
	tests := []struct{ header, value string }{
		{topology.HeaderSpecVersion, ""},
		{topology.HeaderSpecVersion, "0.3"},
		{topology.HeaderID, ""},
		{topology.HeaderSubject, "%4"},
		{topology.HeaderSubject, "%ff%fe"},
		{topology.HeaderRecordVersion, "1.5"},
		{topology.HeaderTime, "yesterday"},
		{topology.HeaderFlowRevision, "-1"},
	}
	for _, tt := range tests {
		h := record.Envelope{ID: "a/b/1/c", Source: "a", Type: "s.f", Key: "b", Version: 1, Time: time.Now()}.Header()
		h.Set(tt.header, tt.value)
		if _, err := record.Parse(h); err == nil || !strings.Contains(err.Error(), tt.header) {
			t.Errorf("%s = %q: error = %v, want one that names it", tt.header, tt.value, err)
		}
	}
	if _, err := record.Parse(nats.Header{}); err == nil {
		t.Error("no headers at all were taken for a record")
	}
}

func TestPercentEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		encoded := record.Encode(text)
		if strings.ContainsFunc(encoded, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' }) {
			t.Fatalf("Encode(%q) = %q holds what a header may not", text, encoded)
		}
		if got, err := record.Decode(encoded); err != nil || got != text {
			t.Fatalf("Decode(Encode(%q)) = %q, %v", text, got, err)
		}
	})
}

func TestIDFollowsTheContent(t *testing.T) {
	a := record.NewID("s", "k", 1, []byte(`{"a":1}`))
	if a != record.NewID("s", "k", 1, []byte(`{"a":1}`)) {
		t.Error("the same document has two ids")
	}
	for _, b := range []string{record.NewID("s", "k", 1, []byte(`{"a":2}`)), record.NewID("s", "k", 2, []byte(`{"a":1}`)), record.NewID("s", "l", 1, []byte(`{"a":1}`))} {
		if a == b {
			t.Errorf("two documents share the id %s", a)
		}
	}
}

func TestReferencesSurviveTheHeader(t *testing.T) {
	want := []record.Reference{
		{Collection: "kingdee.material", Field: "number", Value: "采购/A1 100%", ID: "31"},
		{Collection: "kingdee.store", Field: "number", Value: "", ID: "5"},
		{Collection: "kis.unit", Field: "name", Value: "+3", ID: "+"},
	}
	got, more, err := record.ReadReferences(record.WriteReferences(want))
	if err != nil || more != 0 || !slices.Equal(got, want) {
		t.Errorf("read %+v and %d more, %v, want %+v", got, more, err, want)
	}
	if got := record.WriteReferences(nil); got != "" {
		t.Errorf("none are written as %q", got)
	}
	torn := []record.Reference{{Collection: "c", Field: "f", Value: "a\tb\nc", ID: "1"}}
	if got, _, err := record.ReadReferences(record.WriteReferences(torn)); err != nil || len(got) != 1 || got[0].Value != "a b c" {
		t.Errorf("read %+v, %v", got, err)
	}
	for _, bad := range []string{"a\tb\tc", "+x", "a\tb\tc\td\n"} {
		if _, _, err := record.ReadReferences(bad); err == nil {
			t.Errorf("%q was taken for references", bad)
		}
	}
}

func TestReferencesFitInAKilobyte(t *testing.T) {
	var many []record.Reference
	for i := range 1000 {
		many = append(many, record.Reference{Collection: "kingdee.material", Field: "number", Value: "物料" + strconv.Itoa(i), ID: strconv.Itoa(i)})
	}
	text := record.WriteReferences(many)
	if size := len(record.Encode(text)); size > 1040 {
		t.Errorf("the header has %d bytes", size)
	}
	got, more, err := record.ReadReferences(text)
	if err != nil || len(got) < 10 || len(got)+more != 1000 {
		t.Errorf("%d are named and %d are not, %v", len(got), more, err)
	}
}
