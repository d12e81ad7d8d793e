package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/history"
	"github.com/erpstream/erpstream/pkg/receipt"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

// traced starts a server with a flow and one record that came to its end, in two versions.
func traced(t *testing.T) (url string) {
	t.Helper()
	url, js := natsURL(t)
	if code, _, stderr := run(t, "provision", "--nats", url); code != 0 {
		t.Fatal(stderr)
	}
	files := []string{write(t, "connections.yaml", goodConnections), write(t, "source.yaml", goodSource), write(t, "flow.yaml", shippedFlow(t))}
	if code, _, stderr := run(t, append([]string{"apply", "--nats", url}, files...)...); code != 0 {
		t.Fatal(stderr)
	}
	for version := range int64(2) {
		book(t, js, 100+version)
	}
	return url
}

// book stores a version of the record with key 2204001, its target message and its receipts.
func book(t *testing.T, js jetstream.JetStream, version int64) {
	t.Helper()
	const key, flow = "2204001", "jst-purchasein-to-mysql"
	e := record.Envelope{
		ID: record.NewID("receipts", key, version, nil), Source: "receipts", Type: "jushuitan.purchasein", Key: key, Version: version,
		Time: time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC),
	}
	msg := nats.NewMsg(topology.RawSubject("jushuitan", "receipts", key))
	msg.Header, msg.Data = e.Header(), []byte(`{"io_id":2204001,"remark":"盘盈"}`)
	ack, err := js.PublishMsg(t.Context(), msg)
	if err != nil {
		t.Fatal(err)
	}
	e.ID, e.Schema, e.Flow, e.FlowRevision, e.RawSequence = record.TargetID(e.ID, flow, 3, ack.Sequence), "erpstream.mysql.v1.PurchaseIn", flow, 3, ack.Sequence
	e.References = record.WriteReferences([]record.Reference{{Collection: "kingdee.material", Field: "number", Value: "A1", ID: "31"}, {Collection: "kingdee.customer", Field: "mobile", ID: "8"}})
	msg = nats.NewMsg(topology.TargetSubject("mysql", "bi", flow, key))
	msg.Header = e.Header()
	if msg.Data, err = proto.Marshal(&mysqlv1.PurchaseIn{IoId: proto.Int64(2204001)}); err != nil {
		t.Fatal(err)
	}
	msg.Header.Set(topology.HeaderParkedCollection, "kingdee.material")
	msg.Header.Set(topology.HeaderParkedField, "number")
	msg.Header.Set(topology.HeaderParkedValue, "A1")
	msg.Header.Set(topology.HeaderParkedSince, time.Now().Add(-time.Minute).Format(time.RFC3339Nano))
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	retried := &ledgerv1.Receipt{RawSequence: &ack.Sequence, Key: proto.String(key), Version: &version, Outcome: ledgerv1.Outcome_OUTCOME_RETRIED.Enum(), Attempts: proto.Int32(1), Error: proto.String("Lock wait timeout exceeded"), ErrorClass: proto.String("lock")}
	done := &ledgerv1.Receipt{RawSequence: &ack.Sequence, Key: proto.String(key), Version: &version, Outcome: ledgerv1.Outcome_OUTCOME_COMMITTED.Enum(), Attempts: proto.Int32(2), ExternalId: proto.String("77")}
	for _, r := range []*ledgerv1.Receipt{retried, done} {
		if err := receipt.NewBook(js, "sink-mysql", "i1").Publish(t.Context(), map[string][]*ledgerv1.Receipt{flow: {r}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTraceTellsTheStory(t *testing.T) {
	url := traced(t)
	code, out, stderr := run(t, "trace", "jst-purchasein-to-mysql", "2204001", "--nats", url)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %q", code, stderr)
	}
	rest := out
	for _, want := range []string{
		"key 2204001 of source receipts", "version 100, RAW sequence 1: committed",
		"parked     waits for kingdee.material with number \"A1\"", "read       jushuitan.purchasein, changed at the source", "RAW has no window for it",
		"released   after 1m0", "mapped     by revision 3 to erpstream.mysql.v1.PurchaseIn for bi (TARGET sequence 1)",
		`kingdee.material with number "A1" is 31`, `kingdee.customer with mobile "***" is 8`, `"io_id": "2204001"`,
		"retried    at attempt 1 by sink-mysql (i1)", "lock: Lock wait timeout exceeded", "committed  at attempt 2", "external id 77",
		"version 101, RAW sequence 2: committed",
	} {
		at := strings.Index(rest, want)
		if at < 0 {
			t.Fatalf("no %q, or not in its place, in\n%s", want, out)
		}
		rest = rest[at:]
	}
	if strings.Contains(out, "盘盈") {
		t.Errorf("the record is shown unasked:\n%s", out)
	}
	_, out, _ = run(t, "trace", "jst-purchasein-to-mysql", "2204001", "--nats", url, "--latest", "--record")
	if !strings.Contains(out, "盘盈") || strings.Contains(out, "version 100") || !strings.Contains(out, "version 101") {
		t.Errorf("--latest --record:\n%s", out)
	}
	code, out, stderr = run(t, "trace", "jst-purchasein-to-mysql", "2204001", "--nats", url, "--json")
	var h history.History
	if err := json.Unmarshal([]byte(out), &h); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v, %s%s", code, err, out, stderr)
	}
	if len(h.Versions) != 2 || len(h.Events()) != 12 || h.Versions[1].Standing != history.Committed || !strings.Contains(out, `"modified": "2026-01-01T08:00:00Z"`) {
		t.Errorf("%s", out)
	}
}

func TestTraceOfNothing(t *testing.T) {
	url := traced(t)
	code, out, stderr := run(t, "trace", "jst-purchasein-to-mysql", "1", "--nats", url)
	if code != 1 || out != "" {
		t.Errorf("exit code %d, %q", code, out)
	}
	for _, want := range []string{"raw.jushuitan.receipts." + topology.Partition("1"), "PARKED", "TARGET", "RECEIPTS", "DEAD", `io_id, such as "2204001"`, "erpstream source poll receipts", "30 days"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("standard error lacks %q:\n%s", want, stderr)
		}
	}
	if code, out, _ := run(t, "trace", "jst-purchasein-to-mysql", "1", "--nats", url, "--json"); code != 1 || !strings.Contains(out, `"versions": []`) {
		t.Errorf("--json: exit code %d, %s", code, out)
	}
	if code, _, stderr := run(t, "trace", "jst-purchasin-to-mysql", "1", "--nats", url); code != 1 || !strings.Contains(stderr, "jst-purchasein-to-mysql") {
		t.Errorf("unknown flow: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, "trace", "jst-purchasein-to-mysql"); code != 2 || !strings.Contains(stderr, "trace FLOW KEY") {
		t.Errorf("no key: exit code %d, %q", code, stderr)
	}
}

func TestDoctorExits(t *testing.T) {
	url := traced(t)
	code, out, stderr := run(t, "doctor", "--nats", url)
	if code != 1 || !strings.Contains(out, "R1: a lost disk loses records") || !strings.Contains(stderr, "see what fails") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	code, out, stderr = run(t, "doctor", "--nats", url, "--allow-r1", "--json")
	var findings []struct{ Check, State, Text string }
	if err := json.Unmarshal([]byte(out), &findings); err != nil || code != 0 || len(findings) < 10 {
		t.Errorf("exit code %d, %v, %s%s", code, err, out, stderr)
	}
	if code, _, stderr := run(t, "doctor", "--nats", url, "--service", "polar"); code != 2 || !strings.Contains(stderr, "there is no service polar: it is one of poller-jushuitan") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
