package dead_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/dead/check"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

func TestLetterTellsAll(t *testing.T) {
	js := natstest.Run(t)
	n := deadRecord(t, js, 7, purchase(7, "王"))
	desk := dead.NewDesk(js, stored(t), "li")
	b, err := desk.Get(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if b.Stage != "transform" || b.Flow != "to-bi" || b.Class != "data" || b.Reason != reason.Error() || b.Attempts != 1 || b.State() != "open" || b.Fault != "" ||
		b.Key != "7" || b.Version != 17 || b.Source != "receipts" || b.Kind != feedName || b.Schema != "" || time.Since(b.Time) > time.Hour ||
		b.Stream != topology.Raw || b.StreamSequence != 1 || b.RawSequence != 1 || b.Subject != topology.RawSubject("jushuitan", "receipts", "7") {
		t.Errorf("%+v", b)
	}
	if body, err := b.JSON(false); err != nil || string(body) != purchase(7, "王") {
		t.Errorf("body %s, %v", body, err)
	}
	if _, err := desk.Get(t.Context(), n+1); err == nil {
		t.Error("a letter that is not there was shown")
	}
}

func TestPersonalDataIsMasked(t *testing.T) {
	js := natstest.Run(t)
	msg := raw(t, js, 7, "jushuitan.otherin", `{"io_id":7,"receiver_name":"王小明","qty":1.50}`)
	people := bury(t, js, dead.Transform, 1, msg)
	address := deadTarget(t, js, 8, customer("C8", "人民路 1 号"))
	desk := dead.NewDesk(js, stored(t), "li")
	for n, secret := range map[uint64]string{people: "王小明", address: "人民路 1 号"} {
		b, err := desk.Get(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		masked, err := b.JSON(false)
		if err != nil || strings.Contains(string(masked), secret) || !strings.Contains(string(masked), `"***"`) || !json.Valid(masked) {
			t.Errorf("masked: %s, %v", masked, err)
		}
		if all, err := b.JSON(true); err != nil || !strings.Contains(string(all), secret) {
			t.Errorf("personal too: %s, %v", all, err)
		}
	}
}

func TestListFilters(t *testing.T) {
	js := natstest.Run(t)
	deadRecord(t, js, 7, purchase(7, ""))                                     // 1
	deadTarget(t, js, 8, receipt(8, "A"))                                     // 2
	deadRecord(t, js, 9, purchase(9, ""))                                     // 3
	for _, subject := range []string{topology.DeadSubject("sink", "other")} { // 4
		if _, err := js.Publish(t.Context(), subject, nil); err != nil {
			t.Fatal(err)
		}
	}
	third, err := open(t, js, topology.Dead).GetMsg(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	desk := dead.NewDesk(js, stored(t), "li")
	if err := desk.Drop(t.Context(), 1, "was a test"); err != nil { // 5
		t.Fatal(err)
	}
	tests := []struct {
		filter dead.Filter
		want   string
	}{
		{dead.Filter{}, "2 open, 3 open, 4 open"},
		{dead.Filter{All: true}, "1 dropped, 2 open, 3 open, 4 open"},
		{dead.Filter{Flow: "to-bi"}, "2 open, 3 open"},
		{dead.Filter{Flow: "to-bi", All: true}, "1 dropped, 2 open, 3 open"},
		{dead.Filter{Flow: "nobody"}, ""},
		{dead.Filter{Stage: "sink"}, "2 open, 4 open"},
		{dead.Filter{Stage: "sink", Flow: "to-bi"}, "2 open"},
		{dead.Filter{Class: "data"}, "2 open, 3 open"},
		{dead.Filter{Class: "other"}, ""},
		{dead.Filter{Key: "9"}, "3 open"},
		{dead.Filter{Since: third.Time}, "3 open, 4 open"},
		{dead.Filter{Until: third.Time, All: true}, "1 dropped, 2 open"},
		{dead.Filter{Since: time.Now().Add(time.Hour)}, ""},
	}
	for _, tt := range tests {
		if got := listed(t, js, tt.filter); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.filter, got, tt.want)
		}
	}
}

func TestListEndsWhereItsReaderEnds(t *testing.T) {
	js := natstest.Run(t)
	deadRecord(t, js, 7, purchase(7, ""))
	deadRecord(t, js, 8, purchase(8, ""))
	for b, err := range dead.List(t.Context(), js, dead.Filter{}) {
		if err != nil || b.Key != "7" {
			t.Errorf("first comes %s, %v", b.Key, err)
		}
		break
	}
	if err := js.DeleteStream(t.Context(), topology.Dead); err != nil {
		t.Fatal(err)
	}
	for _, err := range dead.List(t.Context(), js, dead.Filter{}) {
		refused(t, err, "provision")
	}
}

// TestForeignMessages puts on DEAD what nobody of erpstream buried.
func TestForeignMessages(t *testing.T) {
	js := natstest.Run(t)
	n := deadRecord(t, js, 7, purchase(7, ""))
	for _, subject := range []string{"dead.sink.to-bi", "dead.some.one", topology.DeadNoteSubject("to-bi")} {
		msg := nats.NewMsg(subject)
		for _, name := range []string{
			topology.HeaderDeadReason, topology.HeaderDeadClass, topology.HeaderDeadAttempts, topology.HeaderDeadRaw, topology.HeaderSubject,
			topology.HeaderRecordVersion, topology.HeaderDeadSettles, topology.HeaderDeadAction, topology.HeaderReplay, topology.HeaderDeadEdits,
		} {
			msg.Header.Set(name, "%zz\xff")
		}
		msg.Data = []byte("\xff\xfe")
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	if got := listed(t, js, dead.Filter{}); got != "1 open, 2 open, 3 open" {
		t.Errorf("listed %s", got)
	}
	desk := dead.NewDesk(js, stored(t), "li")
	b, err := desk.Get(t.Context(), n+1)
	if err != nil || !strings.Contains(b.Fault, topology.HeaderDeadReason) || b.Stage != "sink" || b.Flow != "to-bi" {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := b.JSON(true); err == nil {
		t.Error("a body that is nothing was shown")
	}
	refused(t, desk.Replay(t.Context(), n+1, dead.How{}), "envelope")
	refused(t, desk.Replay(t.Context(), n+2, dead.How{}), "no flow")
	_, err = desk.Edit(t.Context(), n+1, []byte(`{}`), "", check.Message)
	refused(t, err, "envelope")
	_, err = desk.Get(t.Context(), n+3) // a note is no letter
	refused(t, err, "there is no letter")
	if err := desk.Drop(t.Context(), n+1, "not ours"); err != nil {
		t.Error(err)
	}
}

// TestTooLargeForALetter buries a record that is as large as the server takes: it must die all the same.
func TestTooLargeForALetter(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, MaxPayload: 64 << 10})
	js := natstest.Connect(t, s)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	n := deadRecord(t, js, 7, purchase(7, strings.Repeat("x", 64<<10-600)))
	desk := dead.NewDesk(js, stored(t), "li")
	b, err := desk.Get(t.Context(), n)
	if err != nil || b.Left < 60<<10 || len(b.Body) != int(b.Left) {
		t.Fatalf("left %d, %d bytes, %v", b.Left, len(b.Body), err)
	}
	if err := desk.Replay(t.Context(), n, dead.How{}); err != nil {
		t.Error(err)
	}
	if msg := lastOf(t, js, topology.Parked); len(msg.Data) != int(b.Left) {
		t.Errorf("%d bytes go on, want %d", len(msg.Data), b.Left)
	}
	if err := open(t, js, topology.Raw).DeleteMsg(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	b, err = desk.Get(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.JSON(true)
	refused(t, err, "too large")
	if err := open(t, js, topology.Dead).Purge(t.Context(), jetstreamNotes()); err != nil {
		t.Fatal(err)
	}
	refused(t, dead.NewDesk(js, stored(t), "li").Replay(t.Context(), n, dead.How{}), "too large")
}

func TestLongReasonIsCut(t *testing.T) {
	js := natstest.Run(t)
	msg := raw(t, js, 7, feedName, purchase(7, ""))
	letter := dead.Letter{Stage: dead.Sink, Flow: "to-bi", RawSequence: 1, Message: msg, Reason: errors.New(strings.Repeat("错", 1<<20))}
	if err := dead.Bury(t.Context(), js, letter); err != nil {
		t.Fatal(err)
	}
	for b, err := range dead.List(t.Context(), js, dead.Filter{}) {
		if err != nil || b.Fault != "" || !strings.HasSuffix(b.Reason, "错…") || len(b.Reason) > 9<<10 {
			t.Errorf("%d bytes, fault %q, %v", len(b.Reason), b.Fault, err)
		}
	}
}

// BenchmarkList lists 100,000 letters, a tenth of them settled.
func BenchmarkList(b *testing.B) {
	js := natstest.Run(b)
	fill(b, js, 100_000)
	for b.Loop() {
		n := 0
		for _, err := range dead.List(b.Context(), js, dead.Filter{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 90_000 {
			b.Fatalf("%d letters", n)
		}
	}
}

// fill buries that many letters; every tenth is settled.
func fill(tb testing.TB, js jetstream.JetStream, n int) {
	tb.Helper()
	body := []byte(strings.Repeat("x", 1_000))
	for i := 1; i <= n; i++ {
		msg := nats.NewMsg(topology.DeadSubject("transform", "to-bi"))
		msg.Header = record.Envelope{ID: fmt.Sprint("receipts/", i), Source: "receipts", Type: feedName, Key: fmt.Sprint(i), Version: 17, Time: time.Now()}.Header()
		msg.Header.Set(topology.HeaderDeadStage, "transform")
		msg.Header.Set(topology.HeaderDeadFlow, "to-bi")
		msg.Header.Set(topology.HeaderDeadClass, "quality")
		msg.Header.Set(topology.HeaderDeadReason, record.Encode("质量规则: size(record.items) > 0"))
		msg.Header.Set(topology.HeaderDeadRaw, fmt.Sprint(i))
		msg.Data = body
		if _, err := js.PublishMsgAsync(msg); err != nil {
			tb.Fatal(err)
		}
		if i%1_000 == 0 {
			<-js.PublishAsyncComplete()
		}
		if i%10 > 0 {
			continue
		}
		note := nats.NewMsg(topology.DeadNoteSubject("to-bi"))
		note.Header.Set(topology.HeaderDeadSettles, fmt.Sprint(i+(i-1)/10))
		note.Header.Set(topology.HeaderDeadAction, dead.Dropped)
		if _, err := js.PublishMsgAsync(note); err != nil {
			tb.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
}
