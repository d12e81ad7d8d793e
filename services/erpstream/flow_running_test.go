package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/replay"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/vitals"
)

const (
	theFlow   = "jst-purchasein-to-mysql"
	smallFlow = `flow: jst-purchasein-to-mysql
from: receipts
target: {kind: mysql, connection: bi, message: erpstream.mysql.v1.PurchaseIn}
map:
  io_id: record.io_id
  rows:
    each: record.items
    map:
      id: string(record.io_id) + "-" + string(item.ioi_id)
      io_id: record.io_id
      modified: datetime(record.modified)
      status: record.status
      items_ioi_id: item.ioi_id
      items_qty: item.qty
`
	withRemark = smallFlow + "      remark: record.remark\n"
	withNumber = withRemark + "      so_id: record.so_id\n"
)

// withFlow is a server with one flow applied in several texts, one after the other.
func withFlow(t *testing.T, texts ...string) (url string, js jetstream.JetStream) {
	t.Helper()
	url, js = natsURL(t)
	does(t, 0, "", "provision", "--nats", url)
	for _, text := range texts {
		does(t, 0, "", "apply", "--nats", url, write(t, "all.yaml", goodConnections+"---\n"+goodSource+"---\n"+text))
	}
	if t.Failed() {
		t.FailNow()
	}
	return url, js
}

// reports is what a replica of a service says of a unit.
func reports(t *testing.T, js jetstream.JetStream, e status.Entry) {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), topology.BucketStatus)
	if err != nil {
		t.Fatal(err)
	}
	e.Since = time.Now()
	value, err := json.Marshal(e)
	if err == nil {
		_, err = kv.Put(t.Context(), e.Service+"."+e.Instance+"."+e.Unit, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func revisionOf(t *testing.T, js jetstream.JetStream) uint64 {
	t.Helper()
	stored, err := flow.Load(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return stored.Revision(flow.KindFlow, theFlow)
}

func TestPauseAndResume(t *testing.T) {
	url, js := withFlow(t, smallFlow)
	does(t, 0, "month end; no transformer runs it now", "flow", "pause", theFlow, "--reason", "month end", "--by", "li", "--nats", url)
	does(t, 0, "paused since", "flow", "list", "--nats", url)
	holds, err := hold.All(t.Context(), js)
	if h := holds[theFlow]; err != nil || h.By != "li" || h.Reason != "month end" || !h.Until.IsZero() {
		t.Errorf("%+v, %v", h, err)
	}
	reports(t, js, status.Entry{Service: "transformer", Instance: "t1", Unit: theFlow, State: status.Paused, Revision: revisionOf(t, js)})
	does(t, 0, "confirmed by t1", "flow", "pause", theFlow, "--for", "2h", "--by", "wang", "--nats", url)
	does(t, 1, "by wang", "flow", "status", theFlow, "--nats", url) // its sink is not there
	reports(t, js, status.Entry{Service: "transformer", Instance: "t1", Unit: theFlow, State: status.Running, Revision: revisionOf(t, js)})
	does(t, 0, "resumed; it was paused", "flow", "resume", theFlow, "--nats", url)
	does(t, 0, "was not paused", "flow", "resume", theFlow, "--nats", url)
	if out := does(t, 0, theFlow, "flow", "list", "--nats", url); strings.Contains(out, "paused") {
		t.Error(out)
	}
	does(t, 1, `no flow "x" is stored`, "flow", "pause", theFlow, "x", "--nats", url)
	if holds, err := hold.All(t.Context(), js); err != nil || len(holds) > 0 {
		t.Errorf("half of it was done: %v, %v", holds, err)
	}
	for _, wrong := range []string{"--for=0s", "--for=-1h", "--for=soon"} {
		does(t, 2, "--for", "flow", "pause", theFlow, wrong, "--nats", url)
	}
	does(t, 2, "requires at least 1 arg", "flow", "pause", "--nats", url)
}

func TestStatus(t *testing.T) {
	url, js := withFlow(t, smallFlow, withRemark)
	does(t, 1, "failing: no transformer says that it runs the flow", "flow", "status", "--nats", url)
	now := revisionOf(t, js)
	reports(t, js, status.Entry{Service: "sink-mysql", Instance: "s1", Unit: "bi", State: status.Running, Revision: 1})
	reports(t, js, status.Entry{Service: "transformer", Instance: "t1", Unit: theFlow, State: status.Running, Revision: now})
	does(t, 0, "1 of 1", "flow", "status", "--nats", url)
	reports(t, js, status.Entry{Service: "transformer", Instance: "t2", Unit: theFlow, State: status.Running, Revision: now - 1})
	does(t, 0, "updating", "flow", "status", theFlow, "--nats", url)
	reports(t, js, status.Entry{Service: "transformer", Instance: "t2", Unit: theFlow, State: status.Failed, Revision: now, Error: "it can't\x1b[2J"})
	out := does(t, 1, "transformer t2: it can't", "flow", "status", theFlow, "--nats", url)
	if strings.Contains(out, "\x1b") {
		t.Error("an error moves the cursor")
	}
	reports(t, js, status.Entry{Service: "transformer", Instance: "t2", Unit: theFlow, State: status.Running, Revision: now})
	reports(t, js, status.Entry{Service: "sink-mysql", Instance: "s1", Unit: "bi", State: status.Open, Revision: 1, Error: "no route"})
	does(t, 1, "no sink writes to connection bi: no route", "flow", "status", "--nats", url)

	if _, err := js.Publish(t.Context(), topology.RawSubject("jushuitan", "receipts", "1"), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{
		Durable: topology.TransformerConsumer(theFlow), FilterSubject: topology.RawFilter("jushuitan", "receipts"), AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := js.Publish(t.Context(), topology.ParkedSubject(theFlow, "kingdee.material", "x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	does(t, 0, "asked for", "flow", "replay", theFlow, "--key", "1", "--detach", "--nats", url)
	var flows []vitals.Flow
	if err := json.Unmarshal([]byte(does(t, 1, "", "flow", "status", "--json", "--nats", url)), &flows); err != nil || len(flows) != 1 {
		t.Fatalf("%+v, %v", flows, err)
	}
	f := flows[0]
	if f.Revision != now || f.Unmapped.Pending != 1 || f.Unmapped.Oldest.IsZero() || f.Parked["kingdee_material"] != 2 || len(f.Replays) != 1 ||
		f.LastError == nil || f.LastError.Text != "no route" || len(f.Transformers) != 2 || !f.Transformers[1].Confirmed || f.State != vitals.Failing {
		t.Errorf("%+v", f)
	}
	does(t, 1, `no flow "x" is stored`, "flow", "status", "x", "--nats", url)
	does(t, 2, "--every", "flow", "status", "--watch", "--every", "0s", "--nats", url)
}

func TestHistoryAndRollback(t *testing.T) {
	url, js := withFlow(t, smallFlow, withRemark, withNumber)
	var rows []revisionRow
	if err := json.Unmarshal([]byte(does(t, 0, "", "flow", "history", theFlow, "--json", "--nats", url)), &rows); err != nil || len(rows) != 3 {
		t.Fatalf("%+v, %v", rows, err)
	}
	if !rows[0].Current || rows[1].Current || rows[0].Added != 1 || rows[0].Removed != 0 || rows[0].Number <= rows[1].Number {
		t.Errorf("%+v", rows)
	}
	does(t, 0, "+       so_id: record.so_id", "flow", "history", theFlow, "--diff", "--nats", url)
	does(t, 0, "+1 −0 lines", "flow", "rollback", theFlow, "--list", "--nats", url)

	does(t, 2, "--yes", "flow", "rollback", theFlow, "--nats", url)
	if revisionOf(t, js) != rows[0].Number {
		t.Error("it was rolled back without a yes")
	}
	does(t, 0, "-       so_id: record.so_id", "flow", "rollback", theFlow, "--yes", "--nats", url)
	does(t, 0, "remark: record.remark", "flow", "show", theFlow, "--nats", url)
	var done rolledBack
	out := does(t, 0, "", "flow", "rollback", theFlow, "--to", fmt.Sprint(rows[2].Number), "--yes", "--json", "--nats", url)
	if err := json.Unmarshal([]byte(out), &done); err != nil || done.To != rows[2].Number || done.Revision != revisionOf(t, js) || done.Removed != 1 {
		t.Errorf("%+v, %v", done, err)
	}
	if shown := does(t, 0, "", "flow", "show", theFlow, "--nats", url); strings.Contains(shown, "remark") {
		t.Errorf("it has the text of another revision:\n%s", shown)
	}
	does(t, 2, "has the text that the flow has now", "flow", "rollback", theFlow, "--to", fmt.Sprint(rows[2].Number), "--yes", "--nats", url)
	does(t, 2, "no revision 99999", "flow", "rollback", theFlow, "--to", "99999", "--yes", "--nats", url)
	does(t, 1, "no flow", "flow", "rollback", "x", "--nats", url)
}

// TestRollbackToWhatDoesNotFit goes back to a revision that maps to a connection which is another system by now.
func TestRollbackToWhatDoesNotFit(t *testing.T) {
	url, js := withFlow(t, smallFlow)
	kv, err := js.KeyValue(t.Context(), topology.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	// As an earlier release, with a field that there is no more, may have stored it.
	old, err := kv.PutString(t.Context(), "flow."+theFlow, smallFlow+"      gone: record.remark\n")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.PutString(t.Context(), "flow."+theFlow, smallFlow); err != nil {
		t.Fatal(err)
	}
	before := revisionOf(t, js)
	for _, args := range [][]string{{}, {"--to", fmt.Sprint(old)}} {
		out := does(t, 2, "flow/"+theFlow+":15:7", append([]string{"flow", "rollback", theFlow, "--yes", "--nats", url}, args...)...)
		if revisionOf(t, js) != before || strings.Contains(out, "is at revision") {
			t.Errorf("something was stored: %s", out)
		}
	}
}

// TestAppliedMeanwhile applies another text between the look of a rollback and its write.
func TestAppliedMeanwhile(t *testing.T) {
	url, js := withFlow(t, smallFlow, withRemark)
	stored, err := flow.Load(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	does(t, 0, "", "apply", "--nats", url, write(t, "all.yaml", withNumber))
	doc, err := flow.ParseStored(flow.KindFlow, theFlow, []byte(smallFlow))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.ApplyOver(t.Context(), js, stored, []flow.Document{doc}, func(flow.Set) error { return nil }); err == nil || !strings.Contains(err.Error(), "somebody else") {
		t.Errorf("what was applied meanwhile is gone: %v", err)
	}
}

// TestReplayIsFollowed plays the transformer: the command shows how far it is, and ends with the replay.
func TestReplayIsFollowed(t *testing.T) {
	url, js := withFlow(t, smallFlow)
	for _, tt := range []struct {
		state replay.State
		died  uint64
		code  int
		want  string
	}{
		{replay.Finished, 0, 0, "done, 100 % of RAW seen, 7 records mapped"},
		{replay.Finished, 2, 1, "2 records became dead letters"},
		{replay.Failed, 0, 1, "did not get to its end: failed"},
	} {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			natstest.Eventually(t, func() error {
				all, err := replay.List(t.Context(), js, theFlow)
				if err != nil || len(all) == 0 || !all[len(all)-1].State.Open() {
					return fmt.Errorf("no replay is open: %w", err)
				}
				e := all[len(all)-1]
				e.State, e.Mapped, e.Died = tt.state, 7, tt.died
				_, err = replay.Note(t.Context(), js, e)
				return err
			})
		}()
		does(t, tt.code, tt.want, "flow", "replay", theFlow, "--from", "24h", "--nats", url)
		<-ended
	}
	does(t, 0, "done", "flow", "replay", theFlow, "--list", "--nats", url)
	does(t, 0, "no replays", "flow", "replay", "other", "--list", "--nats", url)
}

func TestReplayIsAskedAndCancelled(t *testing.T) {
	url, js := withFlow(t, smallFlow)
	var row replayRow
	out := does(t, 0, "", "flow", "replay", theFlow, "--from", "2026-01-01", "--to", "2026-01-02T12:00:00+08:00", "--rate", "7.5", "--key", "a", "--key", "b", "--by", "li", "--detach", "--json", "--nats", url)
	if err := json.Unmarshal([]byte(out), &row); err != nil {
		t.Fatal(err)
	}
	want := time.Date(2025, 12, 31, 16, 0, 0, 0, time.UTC)
	if row.Flow != theFlow || row.ID != 1 || row.Source != "receipts" || row.System != "jushuitan" || !row.From.Equal(want) || !row.To.Equal(want.Add(36*time.Hour)) ||
		row.Rate != 7.5 || row.AtLeast != revisionOf(t, js) || len(row.Keys) != 2 || row.By != "li" || row.State != replay.Queued {
		t.Errorf("%+v", row)
	}
	does(t, 0, "cancelled by li", "flow", "replay", theFlow, "--cancel", "1", "--by", "li", "--nats", url)
	if e, err := replay.Get(t.Context(), js, theFlow, 1); err != nil || e.State != replay.Cancelled {
		t.Errorf("%+v, %v", e, err)
	}
	does(t, 1, "no replay 2", "flow", "replay", theFlow, "--cancel", "2", "--nats", url)
	for want, args := range map[string][]string{
		"--from is missing":  {theFlow},
		"is no time":         {theFlow, "--from", "yesterday"},
		"is not before":      {theFlow, "--from", "2026-01-02", "--to", "2026-01-02"},
		"--rate 0":           {theFlow, "--from", "1h", "--rate", "0"},
		"--list, or":         {theFlow, "--from", "1h", "--list"},
		"no number":          {theFlow, "--cancel", "0"},
		"accepts 1 arg":      {theFlow, "other", "--from", "1h"},
		"invalid argument":   {theFlow, "--cancel", "x"},
		"--rate 1e+09 is no": {theFlow, "--from", "1h", "--rate", "1e9"},
	} {
		does(t, 2, want, append([]string{"flow", "replay", "--nats", url}, args...)...)
	}
	does(t, 1, `no flow "x" is stored`, "flow", "replay", "x", "--from", "1h", "--nats", url)
	if all, err := replay.List(t.Context(), js, ""); err != nil || len(all) != 1 {
		t.Errorf("%d replays, %v: what was misused did something", len(all), err)
	}
}
