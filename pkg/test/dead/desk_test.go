package dead_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/dead"
	"github.com/erpstream/erpstream/pkg/dead/check"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	mysqlv1 "github.com/erpstream/erpstream/proto/gen/erpstream/mysql/v1"
)

func TestReplayRecord(t *testing.T) {
	js := natstest.Run(t)
	n := deadRecord(t, js, 7, purchase(7, "x"))
	desk := dead.NewDesk(js, stored(t), "王 li")
	if err := desk.Try(t.Context(), n, dead.How{}); err != nil {
		t.Fatal(err)
	}
	if last(t, js, topology.Parked) != 0 || last(t, js, topology.Dead) != 1 {
		t.Error("a dry run changed something")
	}
	if err := desk.Replay(t.Context(), n, dead.How{}); err != nil {
		t.Fatal(err)
	}
	msg := lastOf(t, js, topology.Parked)
	e, err := record.Parse(msg.Header)
	if err != nil || e.Key != "7" || e.Version != 17 || string(msg.Data) != purchase(7, "x") || msg.Subject != topology.ReplaySubject("to-bi") ||
		msg.Header.Get(topology.HeaderParkedRaw) != "1" || msg.Header.Get(topology.HeaderReplay) != "1" {
		t.Errorf("%s with %v: %s, %v", msg.Subject, msg.Header, msg.Data, err)
	}
	for name := range msg.Header {
		if strings.HasPrefix(name, topology.HeaderDeadPrefix) {
			t.Errorf("what goes on has the header %s of a letter", name)
		}
	}
	if note := lastOf(t, js, topology.Dead); note.Header.Get(topology.HeaderDeadSettles) != "1" || note.Header.Get(topology.HeaderDeadAction) != "replayed" ||
		note.Subject != topology.DeadNoteSubject("to-bi") || note.Header.Get(topology.HeaderDeadStage) != "" {
		t.Errorf("note %s %v", note.Subject, note.Header)
	}
	settledBefore(t, desk.Replay(t.Context(), n, dead.How{Dropped: true}), "replayed", "王 li")
	settledBefore(t, dead.NewDesk(js, stored(t), "other").Replay(t.Context(), n, dead.How{}), "replayed", "王 li")
	settledBefore(t, desk.Drop(t.Context(), n, "why"), "replayed", "王 li")
	if got := open(t, js, topology.Parked).CachedInfo().State.Msgs; got != 1 {
		t.Errorf("%d messages go on, want 1", got)
	}
}

// TestReplayDiedBeforeItsNote replays a letter whose first replay was cut off.
func TestReplayDiedBeforeItsNote(t *testing.T) {
	js := natstest.Run(t)
	for _, n := range []uint64{deadRecord(t, js, 7, purchase(7, "")), deadTarget(t, js, 8, receipt(8, "A"))} {
		for range 2 {
			if err := dead.NewDesk(js, stored(t), "li").Replay(t.Context(), n, dead.How{}); err != nil {
				t.Fatal(err)
			}
			// The note is lost.
			if err := open(t, js, topology.Dead).Purge(t.Context(), jetstreamNotes()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if parked, targets := last(t, js, topology.Parked), last(t, js, topology.Target); parked != 1 || targets != 2 {
		t.Errorf("%d records and %d target messages, want 1, and 2 with the one that died", parked, targets)
	}
}

func TestReplayTarget(t *testing.T) {
	js := natstest.Run(t)
	n := deadTarget(t, js, 7, receipt(7, "A"))
	first := lastOf(t, js, topology.Target)
	desk := dead.NewDesk(js, stored(t), "li")
	if err := desk.Replay(t.Context(), n, dead.How{}); err != nil {
		t.Fatal(err)
	}
	again := lastOf(t, js, topology.Target)
	was, err := record.Parse(first.Header)
	if err != nil {
		t.Fatal(err)
	}
	is, err := record.Parse(again.Header)
	if err != nil || again.Sequence == first.Sequence || again.Subject != first.Subject || string(again.Data) != string(first.Data) ||
		is.ID != was.ID+fmt.Sprintf("/replay/%d", n) || again.Header.Get(topology.HeaderMsgID) != again.Header.Get(topology.HeaderID) {
		t.Errorf("%s with %v, %v", again.Subject, again.Header, err)
	}
	if is.ID = was.ID; !is.Time.Equal(was.Time) {
		t.Errorf("time %v, want %v", is.Time, was.Time)
	}
	if is.Time = was.Time; is != was {
		t.Errorf("envelope %+v, want %+v", is, was)
	}

	// It dies again: a letter of its own, whose id does not grow when that is replayed.
	second := bury(t, js, dead.Sink, was.RawSequence, published(t, js, topology.Target, &nats.Msg{Subject: again.Subject, Data: again.Data, Header: withoutID(again.Header)}))
	if got := listed(t, js, dead.Filter{}); got != fmt.Sprintf("%d open", second) {
		t.Errorf("listed %s", got)
	}
	if b, err := desk.Get(t.Context(), second); err != nil || b.ReplayOf != n {
		t.Errorf("%+v, %v", b, err)
	}
	if err := desk.Replay(t.Context(), second, dead.How{}); err != nil {
		t.Fatal(err)
	}
	if e, err := record.Parse(lastOf(t, js, topology.Target).Header); err != nil || e.ID != was.ID+fmt.Sprintf("/replay/%d", second) {
		t.Errorf("id %s, %v", e.ID, err)
	}
}

// TestDiesAgain buries a record, and the same one again when it was replayed, all within the time in which
// the server remembers ids.
func TestDiesAgain(t *testing.T) {
	js := natstest.Run(t)
	msg := raw(t, js, 7, feedName, purchase(7, ""))
	first := bury(t, js, dead.Transform, 1, msg)
	if again := bury(t, js, dead.Transform, 1, msg); again != first {
		t.Errorf("buried twice there is a letter %d beside %d", again, first)
	}
	msg.Headers().Set(topology.HeaderReplay, fmt.Sprint(first))
	second := bury(t, js, dead.Transform, 1, msg)
	if second == first {
		t.Error("what died again was taken for what died before")
	}
	if again := bury(t, js, dead.Transform, 1, msg); again != second {
		t.Errorf("buried twice there is a letter %d beside %d", again, second)
	}
}

func TestReplayIsRefused(t *testing.T) {
	js := natstest.Run(t)
	rec, tgt := deadRecord(t, js, 7, purchase(7, "")), deadTarget(t, js, 8, receipt(8, "A"))
	lost := bury(t, js, dead.Transform, 0, raw(t, js, 9, feedName, purchase(9, "")))
	tests := []struct {
		name    string
		letter  uint64
		how     dead.How
		replace []string
		want    string
	}{
		{"no such letter", 99, dead.How{}, nil, "there is no letter 99"},
		{"flow is gone", rec, dead.How{}, []string{"flow: to-bi", "flow: other"}, `no flow "to-bi"`},
		{"flow of the target is gone", tgt, dead.How{}, []string{"flow: to-bi", "flow: other"}, `no flow "to-bi"`},
		{"other source", rec, dead.How{}, []string{"source: receipts", "source: others", "from: receipts", "from: others"}, "reads others now"},
		{"other connection", tgt, dead.How{}, []string{"connection: bi\n", "connection: bi2\n", "connection: bi,", "connection: bi2,"}, "writes to bi2 (mysql) now"},
		{"other message", tgt, dead.How{}, []string{"v1.PurchaseIn}", "v1.AfterSalesRefund}"}, "--remap"},
		{"no record", lost, dead.How{}, nil, "which record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			desk := dead.NewDesk(js, stored(t, tt.replace...), "li")
			refused(t, desk.Replay(t.Context(), tt.letter, tt.how), tt.want)
			refused(t, desk.Try(t.Context(), tt.letter, tt.how), tt.want)
		})
	}
	if last(t, js, topology.Parked) > 0 || last(t, js, topology.Target) != 1 || last(t, js, topology.Dead) != 3 {
		t.Error("what was refused left something behind")
	}
}

func TestRemap(t *testing.T) {
	js := natstest.Run(t)
	n := deadTarget(t, js, 7, receipt(7, "A"))
	other, gone := deadTarget(t, js, 8, receipt(8, "A")), deadTarget(t, js, 9, receipt(9, "A"))
	desk := dead.NewDesk(js, stored(t, "v1.PurchaseIn}", "v1.AfterSalesRefund}"), "li")
	if err := desk.Replay(t.Context(), n, dead.How{Remap: true}); err != nil {
		t.Fatal(err)
	}
	msg := lastOf(t, js, topology.Parked)
	if msg.Subject != topology.ReplaySubject("to-bi") || string(msg.Data) != purchase(7, "") || msg.Header.Get(topology.HeaderParkedRaw) != "1" || msg.Header.Get(topology.HeaderDataSchema) != "" {
		t.Errorf("%s with %v: %s", msg.Subject, msg.Header, msg.Data)
	}
	if err := open(t, js, topology.Raw).DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	refused(t, desk.Replay(t.Context(), gone, dead.How{Remap: true}), "backfill")
	b, err := desk.Get(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	stranger := nats.NewMsg(topology.DeadSubject("sink", "to-bi"))
	stranger.Header = b.Header
	stranger.Header.Del(topology.HeaderMsgID)
	stranger.Header.Set(topology.HeaderDeadRaw, "1")
	ack, err := js.PublishMsg(t.Context(), stranger)
	if err != nil {
		t.Fatal(err)
	}
	refused(t, desk.Replay(t.Context(), ack.Sequence, dead.How{Remap: true}), "another record")
}

func TestDrop(t *testing.T) {
	js := natstest.Run(t)
	n := deadRecord(t, js, 7, purchase(7, ""))
	desk := dead.NewDesk(js, stored(t), "li")
	refused(t, desk.Drop(t.Context(), n, " "), "reason")
	if err := desk.Drop(t.Context(), n, "一个测试"); err != nil {
		t.Fatal(err)
	}
	b, err := desk.Get(t.Context(), n)
	if err != nil || b.State() != "dropped" || b.Note.Why != "一个测试" || b.Note.By != "li" || b.Note.Time.Before(b.Time) {
		t.Errorf("%+v, %v", b.Note, err)
	}
	settledBefore(t, desk.Drop(t.Context(), n, "again"), "dropped", "li")
	settledBefore(t, desk.Replay(t.Context(), n, dead.How{}), "dropped", "li")
	if err := desk.Replay(t.Context(), n, dead.How{Dropped: true}); err != nil {
		t.Error(err)
	}
	if got := listed(t, js, dead.Filter{All: true}); got != "1 replayed" {
		t.Errorf("listed %s", got)
	}
}

func TestEditRecord(t *testing.T) {
	js := natstest.Run(t)
	n := deadRecord(t, js, 7, purchase(7, "x"))
	desk := dead.NewDesk(js, stored(t), "li")
	for body, want := range map[string]string{
		purchase(7, "x"): "nothing in it", purchase(8, "y"): "key may not change", `{"io_id":7,`: "not JSON", `[]`: "not a JSON object", "": "not JSON",
		strings.Replace(purchase(7, "y"), `"ts":17`, `"ts":18`, 1): "version may not change", strings.Replace(purchase(7, "y"), `"ts":17,`, ``, 1): "ts is not",
	} {
		_, err := desk.Edit(t.Context(), n, []byte(body), "", check.Message)
		refused(t, err, want)
	}
	edited, err := desk.Edit(t.Context(), n, []byte(strings.ReplaceAll(purchase(7, "y"), ",", ",\n ")), "quantity", check.Message)
	if err != nil {
		t.Fatal(err)
	}
	b, err := desk.Get(t.Context(), edited)
	if err != nil || b.Edits != n || b.State() != "open" || string(b.Body) != purchase(7, "y") || b.Reason != reason.Error() || b.RawSequence != 1 || b.Key != "7" || b.Stage != "transform" {
		t.Errorf("%+v with %s, %v", b, b.Body, err)
	}
	if was, err := desk.Get(t.Context(), n); err != nil || string(was.Body) != purchase(7, "x") || was.State() != "edited" || was.Note.Why != "quantity" {
		t.Errorf("the original is %+v with %s, %v", was.Note, was.Body, err)
	}
	settledBefore(t, desk.Replay(t.Context(), n, dead.How{Dropped: true}), "edited", "li")
	_, err = dead.NewDesk(js, stored(t), "other").Edit(t.Context(), n, []byte(purchase(7, "z")), "", check.Message)
	settledBefore(t, err, "edited", "li")
	if err := desk.Replay(t.Context(), edited, dead.How{}); err != nil {
		t.Fatal(err)
	}
	if msg := lastOf(t, js, topology.Parked); string(msg.Data) != purchase(7, "y") || msg.Header.Get(topology.HeaderReplay) != fmt.Sprint(edited) {
		t.Errorf("%v: %s", msg.Header, msg.Data)
	}
	if got := listed(t, js, dead.Filter{All: true}); got != "1 edited, 2 replayed" {
		t.Errorf("listed %s", got)
	}
}

func TestMaskedBodyIsRefused(t *testing.T) {
	js := natstest.Run(t)
	body := `{"io_id":7,"ts":17,"modified":"2026-01-02 03:04:05","receiver_name":"王小明","qty":1}`
	n := bury(t, js, dead.Transform, 1, raw(t, js, 7, "jushuitan.otherin", body))
	address := deadTarget(t, js, 8, customer("C8", "人民路 1 号"))
	desk := dead.NewDesk(js, stored(t), "li")
	_, err := desk.Edit(t.Context(), n, []byte(strings.Replace(body, "王小明", "***", 1)), "", check.Message)
	refused(t, err, "personal data")
	_, err = desk.Edit(t.Context(), address, []byte(`{"number":"C8","name":"C","addr":"***"}`), "", check.Message)
	refused(t, err, "personal data")
}

// TestEditUnreadable mends a record of which the poller could read neither key nor version.
func TestEditUnreadable(t *testing.T) {
	js := natstest.Run(t)
	broken := strings.Replace(purchase(7, "x"), "2026-01-02", "2026-91-02", 1)
	n := bury(t, js, dead.Transform, 1, raw(t, js, 4711, feedName+record.UnreadableSuffix, broken))
	desk := dead.NewDesk(js, stored(t), "li")
	refused(t, desk.Replay(t.Context(), n, dead.How{}), "edit it")
	_, err := desk.Edit(t.Context(), n, []byte(strings.Replace(broken, `"x"`, `"y"`, 1)), "", check.Message)
	refused(t, err, "modified")
	edited, err := desk.Edit(t.Context(), n, []byte(purchase(7, "x")), "", check.Message)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := desk.Get(t.Context(), edited); err != nil || b.Key != "7" || b.Version != 17 || b.Kind != feedName || b.Reason != reason.Error() || b.RawSequence != 1 || b.Fault != "" {
		t.Errorf("%+v, %v", b, err)
	}
	if err := desk.Replay(t.Context(), edited, dead.How{}); err != nil {
		t.Fatal(err)
	}
	if e, err := record.Parse(lastOf(t, js, topology.Parked).Header); err != nil || e.Unreadable() || e.Key != "7" {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestEditTarget(t *testing.T) {
	js := natstest.Run(t)
	n := deadTarget(t, js, 7, receipt(7, strings.Repeat("x", 50)))
	desk := dead.NewDesk(js, stored(t), "li")
	b, err := desk.Get(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	body, err := b.JSON(true)
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, edited string) []byte { return []byte(strings.ReplaceAll(string(body), old, edited)) }
	for _, tt := range []struct{ body, want string }{
		{string(body), "must be at most 40"}, // the contract is asked first
		{string(change(`"warehouse"`, `"wharehouse"`)), "wharehouse"},
		{string(change(strings.Repeat("x", 50), strings.Repeat("y", 41))), "must be at most 40"},
		{strings.Replace(string(change(strings.Repeat("x", 50), "A")), `"7"`, `"8"`, 1), "key may not change"},
		{`{}`, "io_id"},
	} {
		_, err := desk.Edit(t.Context(), n, []byte(tt.body), "", check.Message)
		refused(t, err, tt.want)
	}
	edited, err := desk.Edit(t.Context(), n, change(strings.Repeat("x", 50), "A"), "", check.Message)
	if err != nil {
		t.Fatal(err)
	}
	_, err = desk.Edit(t.Context(), edited, change(strings.Repeat("x", 50), "A"), "", check.Message)
	refused(t, err, "nothing in it")
	refused(t, desk.Replay(t.Context(), edited, dead.How{Remap: true}), "edited form of letter")
	if err := desk.Replay(t.Context(), edited, dead.How{}); err != nil {
		t.Fatal(err)
	}
	got := new(mysqlv1.PurchaseIn)
	msg := lastOf(t, js, topology.Target)
	if err := proto.Unmarshal(msg.Data, got); err != nil || !proto.Equal(got, receipt(7, "A")) || msg.Header.Get(topology.HeaderDeadEdits) != "" {
		t.Errorf("%v, %v, %v", got, msg.Header, err)
	}
}

// TestTwoEditsAtOnce lets two people edit one letter that both saw open: one of them succeeds.
func TestTwoEditsAtOnce(t *testing.T) {
	js := natstest.Run(t)
	n := deadRecord(t, js, 7, purchase(7, "x"))
	errs := make(chan error)
	for i := range 8 {
		go func() {
			desk := dead.NewDesk(js, stored(t), fmt.Sprint("person-", i))
			_, err := desk.Edit(t.Context(), n, []byte(purchase(7, fmt.Sprint("y", i))), "", check.Message)
			errs <- err
		}()
	}
	done := 0
	for range 8 {
		if err := <-errs; err == nil {
			done++
		} else if !strings.Contains(err.Error(), "was edited by person-") {
			t.Error(err)
		}
	}
	if got := listed(t, js, dead.Filter{}); done != 1 || got != "2 open" {
		t.Errorf("%d edits succeeded, listed %s", done, got)
	}
}

func TestTombstoneIsReplayedAndNotEdited(t *testing.T) {
	js := natstest.Run(t)
	n := bury(t, js, dead.Transform, 1, raw(t, js, 7, feedName+record.RemovedSuffix, ""))
	desk := dead.NewDesk(js, stored(t), "li")
	_, err := desk.Edit(t.Context(), n, []byte(`{}`), "", check.Message)
	refused(t, err, "removed")
	if err := desk.Replay(t.Context(), n, dead.How{}); err != nil {
		t.Fatal(err)
	}
	if msg := lastOf(t, js, topology.Parked); len(msg.Data) > 0 || msg.Header.Get(topology.HeaderType) != feedName+record.RemovedSuffix {
		t.Errorf("%v", msg.Header)
	}
}
