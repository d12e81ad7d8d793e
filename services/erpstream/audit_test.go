package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// lose publishes a window of n records, which the transformer takes without anything coming of it.
func lose(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		key := strconv.Itoa(1000 + i)
		e := record.Envelope{ID: key, Source: "receipts", Type: "jushuitan.purchasein", Key: key, Version: 1, Time: at}
		if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: topology.RawSubject("jushuitan", "receipts", key), Header: e.Header()}); err != nil {
			t.Fatal(err)
		}
	}
	count := proto.Int64(int64(n))
	window, err := proto.Marshal(&ledgerv1.Window{
		Source: proto.String("receipts"), From: timestamppb.New(at), To: timestamppb.New(at.Add(time.Hour)), Cursor: timestamppb.New(at.Add(time.Hour)),
		Closed: proto.Bool(true), TotalBefore: count, TotalAfter: count, Distinct: count, Published: count,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), topology.WindowSubject("receipts"), window); err != nil {
		t.Fatal(err)
	}
	transformer, err := js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{
		Durable: topology.TransformerConsumer("jst-purchasein-to-mysql"), FilterSubject: topology.RawFilter("jushuitan", "receipts"), AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		msg, err := transformer.Next()
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAuditNamesWhatIsMissing(t *testing.T) {
	url, js := natsURL(t)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	path := write(t, "all.yaml", goodConnections+"---\n"+goodSource+"---\n"+shippedFlow(t))
	if code, _, stderr := run(t, "apply", path, "--nats", url); code != 0 {
		t.Fatal(stderr)
	}
	code, stdout, _ := run(t, "audit", "--nats", url)
	if code != 0 || !strings.Contains(stdout, "source receipts was never polled") {
		t.Errorf("exit code %d of a source that was never polled:\n%s", code, stdout)
	}
	lose(t, js, 25)
	code, stdout, stderr := run(t, "audit", "--nats", url)
	for _, want := range []string{
		"NO", "Missing of window 2026-01-01T08:00:00+08:00 to 2026-01-01T09:00:00+08:00",
		"key 1000, RAW sequence 1, last seen in RAW", "key 1019,", "and 5 more: --json names all",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the audit does not say %q:\n%s", want, stdout)
		}
	}
	if code != 1 || !strings.Contains(stderr, "does not balance: jst-purchasein-to-mysql (25 missing)") || strings.Contains(stdout, "key 1020") {
		t.Errorf("exit code %d, %s\n%s", code, stderr, stdout)
	}
	code, stdout, _ = run(t, "audit", "--nats", url, "--json")
	var report ledger.Report
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != 1 {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if report.Balanced || len(report.Flows[0].Windows[0].Records) != 25 || !strings.Contains(stdout, `"in_flight": 0`) {
		t.Errorf("report %s", stdout)
	}
}

func TestAuditAndRecountRefuseWhatMakesNoSense(t *testing.T) {
	url, js := natsURL(t)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	path := write(t, "all.yaml", goodConnections+"---\n"+goodSource)
	if code, _, stderr := run(t, "apply", path, "--nats", url); code != 0 {
		t.Fatal(stderr)
	}
	tests := []struct {
		args []string
		code int
		says string
	}{
		{[]string{"audit", "--from", "soon"}, 2, `--from "soon" is no time`},
		{[]string{"audit", "--from", "2026-02-01", "--to", "2026-01-01"}, 2, "--from 2026-02-01 is not before --to 2026-01-01"},
		{[]string{"audit", "--flow", "none"}, 1, `no flow "none" is stored`},
		{[]string{"source", "recount", "receipts"}, 1, "source receipts was never polled"},
		{[]string{"source", "recount", "none"}, 1, `no source "none" is stored`},
	}
	for _, tt := range tests {
		code, _, stderr := run(t, append(tt.args, "--nats", url)...)
		if code != tt.code || !strings.Contains(stderr, tt.says) {
			t.Errorf("%v: exit code %d, %s, want %d, %s", tt.args, code, stderr, tt.code, tt.says)
		}
	}
}
