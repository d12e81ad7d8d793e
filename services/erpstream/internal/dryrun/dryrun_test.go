package dryrun_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/dryrun"
)

const documents = `connection: jst
system: jushuitan
endpoint: sandbox
---
connection: bi
system: mysql
endpoint: sandbox
---
connection: kd
system: kingdee
endpoint: sandbox
---
source: receipts
connection: jst
feed: jushuitan.otherin
every: 5m
start: 2026-01-01
---
flow: bills
from: receipts
where: record.status != "Open"
target: {kind: kingdee, connection: kd, message: erpstream.kingdee.v1.Customer}
map:
  number: string(record.io_id)
  name: lookup("kingdee.material", "number", record.so_id).name
  addr: record.receiver_address
`

func revision(t *testing.T, was, is string) dryrun.Revision {
	t.Helper()
	if !strings.Contains(documents, was) {
		t.Fatalf("no %q", was)
	}
	docs, err := flow.Parse("t.yaml", []byte(strings.Replace(documents, was, is, 1)))
	if err != nil {
		t.Fatal(err)
	}
	set := flow.Set{}.With(docs...)
	r, err := dryrun.NewRevision(set, set.Flows["bills"])
	if err != nil {
		t.Fatal(err)
	}
	r.Lookup = entries{"A": reference.NewEntry("1", map[string]string{"name": "甲"})}
	return r
}

// entries is master data by number.
type entries map[string]reference.Entry

func (e entries) Find(_, _, value string) []reference.Entry {
	if entry, ok := e[value]; ok {
		return []reference.Entry{entry}
	}
	return nil
}

func server(t *testing.T) jetstream.JetStream {
	t.Helper()
	js := natstest.Run(t)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	return js
}

// publish stores a version of a document in RAW.
func publish(t *testing.T, js jetstream.JetStream, source, key string, version int64) {
	t.Helper()
	body := fmt.Sprintf(`{"io_id":%q,"version":%d}`, key, version)
	e := record.Envelope{ID: record.NewID(source, key, version, []byte(body)), Source: source, Type: "jushuitan.otherin", Key: key, Version: version, Time: time.UnixMilli(version)}
	msg := nats.NewMsg(topology.RawSubject("jushuitan", source, key))
	msg.Header, msg.Data = e.Header(), []byte(body)
	if _, err := js.PublishMsgAsync(msg); err != nil {
		t.Fatal(err)
	}
}

func settled(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	select {
	case <-js.PublishAsyncComplete():
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

// The records of one source lie among many of another, so that the stream is read in several steps.
func TestNewest(t *testing.T) {
	js := server(t)
	for i := range 30 {
		publish(t, js, "receipts", strconv.Itoa(i%10), int64(i))
	}
	for i := range 2500 {
		publish(t, js, "others", strconv.Itoa(i), 1)
		if i%1000 == 0 {
			settled(t, js)
		}
	}
	publish(t, js, "receipts", "3", 100)
	settled(t, js)
	steps := 0
	find := func(s dryrun.Sampling) string {
		t.Helper()
		s.System, s.Source = "jushuitan", "receipts"
		s.Progress = func(passed, all uint64) {
			if steps++; passed > all {
				t.Errorf("%d of %d messages passed", passed, all)
			}
		}
		records, err := dryrun.Newest(t.Context(), js, s)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, r := range records {
			found = append(found, r.Envelope.Key+"/"+strconv.FormatInt(r.Envelope.Version, 10))
			if want := fmt.Sprintf(`{"io_id":%q,"version":%d}`, r.Envelope.Key, r.Envelope.Version); string(r.Body) != want {
				t.Errorf("body = %s, want %s", r.Body, want)
			}
		}
		return strings.Join(found, " ")
	}
	if got := find(dryrun.Sampling{Last: 4}); got != "3/100 9/29 8/28 7/27" {
		t.Errorf("last 4: %s", got)
	}
	if steps < 2 {
		t.Errorf("%d steps: the test has one block of messages only", steps)
	}
	if got := find(dryrun.Sampling{Last: 100}); len(strings.Fields(got)) != 10 || !strings.HasSuffix(got, " 0/20") {
		t.Errorf("all: %s", got)
	}
	if got := find(dryrun.Sampling{Last: 9, Keys: []string{"5", "3", "none"}}); got != "3/100 5/25" {
		t.Errorf("by key: %s", got)
	}
	if got := find(dryrun.Sampling{Last: 9, Since: time.Now().Add(time.Hour)}); got != "" {
		t.Errorf("since: %s", got)
	}
	if got := find(dryrun.Sampling{Last: 1}); got != "3/100" {
		t.Errorf("last 1: %s", got)
	}
}

func TestNewestOfNothing(t *testing.T) {
	js := server(t)
	records, err := dryrun.Newest(t.Context(), js, dryrun.Sampling{System: "jushuitan", Source: "receipts", Last: 5})
	if err != nil || len(records) != 0 {
		t.Errorf("%v, %v", records, err)
	}
}

const samples = `{"io_id": 1, "so_id": "A", "receiver_address": "杭州", "modified": "2026-10-01 08:00:00"}
[{"io_id": 2, "so_id": "B", "modified": "2026-10-01 08:00:00"}, {"io_id": 3, "status": "Open"}]
{"io_id": 4, "so_id": "A", "receiver_address": 7, "modified": "2026-10-01 08:00:00"} {"io_id": 5}`

func records(t *testing.T, r dryrun.Revision) []dryrun.Record {
	t.Helper()
	all, err := dryrun.Samples(strings.NewReader(samples), r.Judge)
	if err != nil || len(all) != 5 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	return all
}

func TestPreviewMasksAndTellsWhy(t *testing.T) {
	r := revision(t, "flow: bills", "flow: bills")
	var rows []dryrun.Row
	for _, rec := range records(t, r) {
		row, err := r.Preview(rec)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	if err := dryrun.WriteRows(&b, rows, time.UTC, 100); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"MAPPED  key 1, version 1790812800000, changed 2026-10-01 00:00:00 +00:00\n",
		"  \"io_id\": 1,                                    |   \"number\": \"1\",\n",
		"PARKED  key 2", `kingdee.material has no entry with number "B"`, "FILTERED  key", "DEAD  key", "lookup", "5 records: 2 mapped, 1 filtered, 1 parked, 1 dead\n",
		`kingdee.material with number "A" is 1`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "杭州") || strings.Contains(string(rows[0].Message)+string(rows[0].Record), "杭州") {
		t.Errorf("personal data is shown:\n%s", b.String())
	}
	r.Personal = true
	row, err := r.Preview(records(t, r)[0])
	if err != nil || !strings.Contains(string(row.Message), "杭州") || !strings.Contains(string(row.Record), "杭州") {
		t.Errorf("%s, %s, %v", row.Message, row.Record, err)
	}
}

func TestCompare(t *testing.T) {
	before := revision(t, "flow: bills", "flow: bills")
	d, err := dryrun.Compare(before, before, records(t, before))
	if err != nil || !d.Same() || d.Records != 5 || d.Unchanged != 5 {
		t.Errorf("%+v, %v", d, err)
	}
	after := revision(t, `"Open"
target:`, `"Opened" && record.io_id != 2
target:`)
	d, err = dryrun.Compare(before, after, records(t, before))
	if err != nil || d.Same() || d.Changed != 2 || d.Verdicts["parked → filtered"] != 1 || d.Verdicts["filtered → dead"] != 1 || d.Rows[0].OldWhy == "" {
		t.Errorf("%+v, %v", d, err)
	}
	after = revision(t, `"Open"
target:`, `"Open" && record.io_id != 1
target:`)
	if d, err = dryrun.Compare(before, after, records(t, before)); err != nil || d.Changed != 1 || d.Verdicts["mapped → filtered"] != 1 {
		t.Errorf("%+v, %v", d, err)
	}
	after = revision(t, "  addr: record.receiver_address", "  remark: '\"from \" + coalesce(record.so_id, \"none\")'")
	if d, err = dryrun.Compare(before, after, records(t, before)); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := dryrun.WriteDiff(&b, d); err != nil {
		t.Fatal(err)
	}
	const want = `key 1, version 1790812800000
  - addr: "***"
  + remark: "from A"
key 4, version 1790812800000
  - addr: "***"
  + remark: "from A"
5 records: 3 unchanged, 2 changed
fields: addr 2, remark 2
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	after = revision(t, "connection: kd, message", "connection: kd, options: {on_removed: keep}, message")
	if d, err = dryrun.Compare(before, after, records(t, before)); err != nil || d.Same() || d.Changed != 0 || len(d.Target) != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestSamplesAreRefused(t *testing.T) {
	r := revision(t, "flow: bills", "flow: bills")
	_, err := dryrun.Samples(strings.NewReader(`{"io_id": 1} {"io_id":`), r.Judge)
	if err == nil || !strings.Contains(err.Error(), "record 2: ") {
		t.Errorf("Samples = %v", err)
	}
	if row, err := r.Preview(dryrun.Record{Envelope: record.Envelope{Type: "jushuitan.otherin"}, Body: []byte("{")}); err != nil || row.Verdict != verdict.Dead {
		t.Errorf("%+v, %v", row, err)
	}
}
