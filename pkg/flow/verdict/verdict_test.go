package verdict_test

import (
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
)

const documents = `connection: jst
system: jushuitan
endpoint: sandbox
---
connection: kd
system: kingdee
endpoint: sandbox
---
source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: bills
from: receipts
where: record.type != "x"
quality:
  - {rule: record.status != "Delete", else: drop}
  - {rule: record.status != "Archive", else: park}
  - {rule: record.status != "Broken", else: dead}
target: {kind: kingdee, connection: kd, message: erpstream.kingdee.v1.Customer}
map:
  number: lookup("kingdee.material", "number", record.no).id
  name: record.name
`

type noEntries struct{}

func (noEntries) Find(string, string, string) []reference.Entry { return nil }

type oneEntry struct{}

func (oneEntry) Find(string, string, string) []reference.Entry {
	return []reference.Entry{reference.NewEntry("31", nil)}
}

func judge(t *testing.T) verdict.Judge {
	t.Helper()
	docs, err := flow.Parse("t.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	set := flow.Set{}.With(docs...)
	j, err := verdict.New(set, set.Flows["bills"])
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestVerdicts(t *testing.T) {
	j := judge(t)
	const feed = "jushuitan.purchasein"
	tests := []struct {
		kind, body string
		want       verdict.Kind
		why        string
	}{
		{feed, `{"no":"A","name":"n"}`, verdict.Mapped, ""},
		{feed + record.RemovedSuffix, ``, verdict.Removed, ""},
		{feed, `{"type":"x"}`, verdict.Filtered, ""},
		{feed, `{"status":"Delete"}`, verdict.Dropped, `record.status != "Delete"`},
		{feed, `{"status":"Archive"}`, verdict.Parked, `record.status != "Archive"`},
		{feed, `{"status":"Broken"}`, verdict.Dead, `quality: record.status != "Broken"`},
		{feed, `{"no":"A"}`, verdict.Dead, "validation: name"},
		{feed, `{"no":`, verdict.Dead, "json: "},
		{feed + record.UnreadableSuffix, `{"no":"A"}`, verdict.Dead, "unreadable: "},
	}
	for _, tt := range tests {
		v := j.Of(record.Envelope{Key: "1", Type: tt.kind}, []byte(tt.body), oneEntry{})
		if v.Kind != tt.want || !strings.Contains(v.Why(), tt.why) {
			t.Errorf("%s: %s, %q, want %s, %q", tt.body, v.Kind, v.Why(), tt.want, tt.why)
		}
		if v.Kind == verdict.Dead && !fault.IsPermanent(v.Err) {
			t.Errorf("%s: %v is not permanent", tt.body, v.Err)
		}
		if (v.Kind == verdict.Mapped) != (len(v.Result.Body) > 0) {
			t.Errorf("%s: %s with %d bytes", tt.body, v.Kind, len(v.Result.Body))
		}
	}
	v := j.Of(record.Envelope{Key: "1", Type: feed}, []byte(`{"no":"A","name":"n"}`), noEntries{})
	if v.Kind != verdict.Parked || v.Missing == nil || v.Why() != `kingdee.material has no entry with number "A"` {
		t.Errorf("%+v", v)
	}
}

func TestEnvelopeOfASample(t *testing.T) {
	j := judge(t)
	e := j.Envelope([]byte(`{"io_id": 7, "ts": 12, "modified": "2026-10-01 08:00:00"}`))
	if e.Key != "7" || e.Version != 12 || e.Time.Unix() != 1790812800 || e.Source != "receipts" || e.Type != "jushuitan.purchasein" {
		t.Errorf("%+v", e)
	}
	if e := j.Envelope([]byte(`{}`)); e.Key != "test" || e.Time.IsZero() {
		t.Errorf("%+v", e)
	}
}

func TestNewNamesWhatIsMissing(t *testing.T) {
	docs, err := flow.Parse("t.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	set := flow.Set{}.With(docs...)
	_, err = verdict.New(set.Without(flow.KindSource, "receipts"), set.Flows["bills"])
	if err == nil || !strings.Contains(err.Error(), "t.yaml:16:7: from: flow bills reads source receipts, which is not there") {
		t.Errorf("New = %v", err)
	}
}
