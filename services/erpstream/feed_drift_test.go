package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/shape"
	"github.com/erpstream/erpstream/pkg/topology"
)

func TestFeedDrift(t *testing.T) {
	url, js := natsURL(t)
	run(t, "provision", "--nats", url)
	if code, _, errOut := run(t, "apply", "--nats", url, write(t, "a.yaml", goodConnections+"---\n"+goodSource)); code != 0 {
		t.Fatal(errOut)
	}
	if code, out, _ := run(t, "feed", "drift", "--nats", url); code != 0 || !strings.Contains(out, "is the watchdog running?") {
		t.Errorf("nothing known: %d, %s", code, out)
	}
	if code, _, errOut := run(t, "feed", "drift", "receipts", "--nats", url); code != exitFailed || !strings.Contains(errOut, "shape of source receipts: no record") {
		t.Errorf("nothing known of one: %d, %s", code, errOut)
	}
	_, err := shape.Update(t.Context(), js, "receipts", func(s *shape.Shape) {
		for i, body := range []string{`{"a":1,"items":[{"qty":1}]}`, `{"a":"x","items":[],"phone":"138"}`} {
			_ = s.Learn(shape.Record{Body: []byte(body), Key: "k", Time: time.Date(2026, 1, 2, 0, 0, i, 0, time.UTC)}, shape.Rules{Records: 1})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	code, out, errOut := run(t, "feed", "drift", "receipts", "--nats", url)
	for _, want := range []string{"a            number, text  all", "items[].qty  number        all", `field appeared  phone  text            "999"   k`, "2026-01-02 08:00:01 +08:00  type changed    a      number -> text"} {
		if !strings.Contains(out, want) {
			t.Errorf("%d: %s%s\nwant %q", code, out, errOut, want)
		}
	}
	if code, out, _ := run(t, "feed", "drift", "--nats", url); code != 0 || !strings.Contains(out, "2      ") || !strings.Contains(out, "type changed") {
		t.Errorf("all: %d, %s", code, out)
	}
	if code, _, _ := run(t, "feed", "drift", "--accept", "--nats", url); code != exitMisused {
		t.Errorf("accept what: %d", code)
	}
	if code, _, errOut := run(t, "feed", "drift", "receits", "--nats", url); code != exitMisused || !strings.Contains(errOut, "did you mean receipts?") {
		t.Errorf("misspelt: %d, %s", code, errOut)
	}
	code, out, _ = run(t, "feed", "drift", "receipts", "--accept", "--json", "--nats", url)
	var shapes []shape.Shape
	if err := json.Unmarshal([]byte(out), &shapes); err != nil || code != 0 || len(shapes) != 1 || len(shapes[0].Changes) > 0 || shapes[0].Fields["phone"] == nil {
		t.Errorf("accepted: %d, %v, %s", code, err, out)
	}
	if s, err := shape.Load(t.Context(), js, "receipts"); err != nil || len(s.Changes) > 0 {
		t.Errorf("stored: %+v, %v", s, err)
	}
}

func TestParked(t *testing.T) {
	url, js := natsURL(t)
	run(t, "provision", "--nats", url)
	if code, _, errOut := run(t, "apply", "--nats", url, write(t, "a.yaml", goodConnections+"---\n"+goodSource+"---\n"+shippedFlow(t))); code != 0 {
		t.Fatal(errOut)
	}
	const name = "jst-purchasein-to-mysql"
	if code, out, _ := run(t, "parked", "list", "--nats", url); code != 0 || !strings.Contains(out, "No record waits.") {
		t.Errorf("none: %d, %s", code, out)
	}
	msg := nats.NewMsg(topology.QualitySubject(name, "数量"))
	msg.Header = record.Envelope{ID: "x", Source: "receipts", Type: "jushuitan.purchasein", Key: "7", Version: 1, Time: time.Now()}.Header()
	for header, value := range map[string]string{
		topology.HeaderParkedRule: record.Encode("数量"), topology.HeaderParkedWhy: record.Encode("it is 7"), topology.HeaderParkedRaw: "5",
		topology.HeaderParkedRevision: "3", topology.HeaderParkedSince: time.Now().Format(time.RFC3339Nano),
	} {
		msg.Header.Set(header, value)
	}
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := run(t, "parked", "list", name, "--rule", "数量", "--nats", url); code != 0 || !strings.Contains(out, `rule "数量": it is 7`) {
		t.Errorf("list: %d, %s", code, out)
	}
	for _, wrong := range [][]string{{"parked", "release", name}, {"parked", "release", "nobody", "--rule", "x"}, {"parked", "list", "nobody"}, {"parked", "release", "--rule", "x"}} {
		if code, _, errOut := run(t, append(wrong, "--nats", url)...); code != exitMisused || errOut == "" {
			t.Errorf("%v: %d, %s", wrong, code, errOut)
		}
	}
	if code, out, _ := run(t, "parked", "release", name, "--rule", "数量", "--dry-run", "--nats", url); code != 0 || !strings.Contains(out, "it is 7") {
		t.Errorf("dry run: %d, %s", code, out)
	}
	if code, out, _ := run(t, "parked", "release", name, "--rule", "数量", "--key", "8", "--json", "--nats", url); code != 0 || strings.TrimSpace(out) != `{"released":0}` {
		t.Errorf("another key: %d, %s", code, out)
	}
	if code, out, _ := run(t, "parked", "release", name, "--rule", "数量", "--key", "7", "--nats", url); code != 0 || !strings.HasPrefix(out, "1 records of flow "+name) {
		t.Errorf("release: %d, %s", code, out)
	}
	stream, err := js.Stream(t.Context(), topology.Parked)
	if err != nil {
		t.Fatal(err)
	}
	got, err := stream.GetLastMsgForSubject(t.Context(), topology.ReplaySubject(name))
	if err != nil || got.Header.Get(topology.HeaderWaived) != record.Encode("数量") || got.Header.Get(topology.HeaderParkedRaw) != "5" || stream.CachedInfo().State.Msgs != 1 {
		t.Errorf("released as %+v, %v", got, err)
	}
}
