package sink_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// publish puts n target messages into TARGET, with RAW sequences and keys from 1.
func publish(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	for i := 1; i <= n; i++ {
		e := record.Envelope{
			ID: fmt.Sprintf("src/%d/1/x/flow-a/1", i), Source: "src", Type: "sys.feed", Key: strconv.Itoa(i), Version: 1,
			Time: time.Now(), Schema: "erpstream.mysql.v1.PurchaseIn", Flow: "flow-a", FlowRevision: 1, RawSequence: uint64(i), Options: "mode=replace",
		}
		msg := nats.NewMsg(topology.TargetSubject("test", "conn", "flow-a", e.Key))
		msg.Header, msg.Data = e.Header(), []byte(e.Key)
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
}

// target is a sink in memory that can be told to fail.
type target struct {
	mu     sync.Mutex
	writes [][]string
	stored map[string]int
	fail   func(batch []sink.Message) error
}

func (s *target) Write(_ context.Context, batch []sink.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, m := range batch {
		keys = append(keys, m.Key)
	}
	s.writes = append(s.writes, keys)
	if s.fail != nil {
		if err := s.fail(batch); err != nil {
			return err
		}
	}
	for _, m := range batch {
		s.stored[m.Key]++
	}
	return nil
}

func (s *target) failWith(f func(batch []sink.Message) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *target) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.stored)
}

// start runs the loop until the test ends and waits for it then.
func start(t *testing.T, js jetstream.JetStream, s sink.Sink, opts sink.Options) (stop func()) {
	t.Helper()
	opts.Kind, opts.Connection, opts.Instance = "test", "conn", "i1"
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := sink.Run(ctx, js, s, opts); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v, want it to end with ctx", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

// outcomes waits until that many records have an outcome and returns them.
func outcomes(t *testing.T, js jetstream.JetStream, total int64) ledger.Outcomes {
	t.Helper()
	books := ledger.Open(js)
	natstest.Eventually(t, func() error {
		if err := books.Refresh(t.Context()); err != nil {
			return err
		}
		if got := books.Outcomes("flow-a"); got.Total() != total {
			return fmt.Errorf("outcomes %+v, want %d in total", got, total)
		}
		return nil
	})
	return books.Outcomes("flow-a")
}

// pending is what the consumer has not settled.
func pending(t *testing.T, js jetstream.JetStream) (int, uint64) {
	t.Helper()
	cons, err := js.Consumer(t.Context(), topology.Target, topology.SinkConsumer("test", "conn"))
	if err != nil {
		t.Fatal(err)
	}
	info := cons.CachedInfo()
	return info.NumAckPending, info.NumPending
}

func TestAllIsWrittenInBatchesAndBooked(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	publish(t, js, 250)
	start(t, js, s, sink.Options{Batch: 100})
	if got := outcomes(t, js, 250); got.Delivered != 250 {
		t.Errorf("outcomes = %+v, want 250 delivered", got)
	}
	if len(s.writes) > 5 || len(s.writes[0]) != 100 {
		t.Errorf("%d writes, the first of %d messages: not batched", len(s.writes), len(s.writes[0]))
	}
	natstest.Eventually(t, func() error {
		if ack, num := pending(t, js); ack != 0 || num != 0 {
			return fmt.Errorf("%d in hand and %d pending", ack, num)
		}
		return nil
	})
}

func TestReceiptsSayWhatTheSinkSaid(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 3)
	start(t, js, sink.Func(func(_ context.Context, batch []sink.Message) error {
		for i := range batch {
			switch batch[i].Key {
			case "1":
				batch[i].Outcome = sink.Superseded
			case "2":
				batch[i].ExternalID = "doc-2"
			}
			if batch[i].Options.Get("mode") != "replace" {
				return errors.New("the flow's options did not arrive")
			}
		}
		return nil
	}), sink.Options{})
	if got := outcomes(t, js, 3); got.Delivered != 2 || got.Superseded != 1 {
		t.Errorf("outcomes = %+v", got)
	}
	stream, _ := js.Stream(t.Context(), topology.Receipts)
	msg, err := stream.GetLastMsgForSubject(t.Context(), topology.ReceiptSubject("flow-a", "2"))
	if err != nil {
		t.Fatal(err)
	}
	all := new(ledgerv1.Receipts)
	if err := proto.Unmarshal(msg.Data, all); err != nil {
		t.Fatal(err)
	}
	if r := all.GetReceipts()[0]; r.GetExternalId() != "doc-2" || r.GetRawSequence() != 2 || r.GetFlowRevision() != 1 || all.GetInstance() != "i1" {
		t.Errorf("receipt %v", all)
	}
}

func TestBadMessagesAreIsolatedByHalving(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	bad := []string{"17", "64"}
	s.fail = func(batch []sink.Message) error {
		for _, m := range batch {
			if slices.Contains(bad, m.Key) {
				return fault.Permanent("data", errors.New("column too long: 备注"))
			}
		}
		return nil
	}
	publish(t, js, 100)
	start(t, js, s, sink.Options{Batch: 100})
	if got := outcomes(t, js, 100); got.Delivered != 98 || got.DeadSink != 2 {
		t.Errorf("outcomes = %+v, want 98 delivered and 2 dead", got)
	}
	// 2·log₂ n extra calls for each bad one.
	if extra := len(s.writes) - 1; extra > 2*2*7 {
		t.Errorf("%d extra writes for 2 bad messages in 100", extra)
	}
	stream, _ := js.Stream(t.Context(), topology.Dead)
	letter, err := stream.GetLastMsgForSubject(t.Context(), topology.DeadSubject("sink", "flow-a"))
	if err != nil {
		t.Fatal(err)
	}
	reason, err := record.Decode(letter.Header.Get(topology.HeaderDeadReason))
	if err != nil || reason != "column too long: 备注" || letter.Header.Get(topology.HeaderDeadClass) != "data" {
		t.Errorf("reason %q, class %q, %v", reason, letter.Header.Get(topology.HeaderDeadClass), err)
	}
	if string(letter.Data) != letter.Header.Get(topology.HeaderSubject) || letter.Header.Get(topology.HeaderDeadSequence) == "" {
		t.Errorf("the letter is not whole: %q %v", letter.Data, letter.Header)
	}
}

// TestOneBadMessageInAThousand counts the writes that it takes to find it, wherever it is.
func TestOneBadMessageInAThousand(t *testing.T) {
	for _, bad := range []string{"1", "500", "501", "1000", "337"} {
		js, s := natstest.Run(t), &target{stored: map[string]int{}}
		s.fail = func(batch []sink.Message) error {
			if slices.ContainsFunc(batch, func(m sink.Message) bool { return m.Key == bad }) {
				return fault.Permanent("data", errors.New("column too long"))
			}
			return nil
		}
		publish(t, js, 1000)
		stop := start(t, js, s, sink.Options{Batch: 1000, Linger: 5 * time.Second})
		if got := outcomes(t, js, 1000); got.Delivered != 999 || got.DeadSink != 1 {
			t.Errorf("outcomes = %+v, want 999 delivered and 1 dead", got)
		}
		stop()
		// 2·log₂ n extra calls.
		if extra := len(s.writes) - 1; extra > 2*10 {
			t.Errorf("%d extra writes for message %s of 1000", extra, bad)
		}
	}
}

func TestABatchErrorNamesItsMessages(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	var busy sync.Map
	s.fail = func(batch []sink.Message) error {
		errs := map[int]error{}
		for i, m := range batch {
			if m.Key == "2" {
				errs[i] = fault.Permanent("data", errors.New("bad"))
			}
			if _, again := busy.LoadOrStore(m.Key, true); m.Key == "3" && !again {
				errs[i] = fault.Busy("lock", 10*time.Millisecond, errors.New("locked"))
			}
		}
		if len(errs) > 0 {
			return &sink.BatchError{Errs: errs}
		}
		return nil
	}
	publish(t, js, 5)
	start(t, js, s, sink.Options{})
	if got := outcomes(t, js, 5); got.Delivered != 4 || got.DeadSink != 1 {
		t.Errorf("outcomes = %+v, want 4 delivered and 1 dead", got)
	}
	if len(s.writes) != 2 || !slices.Equal(s.writes[1], []string{"3"}) {
		t.Errorf("writes = %v: only the busy message is to come again", s.writes)
	}
}

func TestAnErrorThatNobodyClassifiedHoldsUpNoOther(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	s.fail = func(batch []sink.Message) error {
		for _, m := range batch {
			if m.Key == "7" && m.Attempt < 5 {
				return errors.New("something odd")
			}
		}
		return nil
	}
	publish(t, js, 30)
	start(t, js, s, sink.Options{})
	if got := outcomes(t, js, 30); got.Delivered != 30 {
		t.Errorf("outcomes = %+v, want 30 delivered", got)
	}
	for _, keys := range s.writes[4:] {
		if len(keys) > 15 {
			t.Errorf("%d messages were written together after the third delivery", len(keys))
		}
	}
}

func TestAnOpenBreakerFetchesNothing(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	down := fault.Down("table", errors.New("table is missing"))
	s.failWith(func([]sink.Message) error { return down })
	publish(t, js, 50)
	var states sync.Map
	start(t, js, s, sink.Options{
		Batch: 10, ProbeAfter: 100 * time.Millisecond, AckWait: time.Second,
		Report: func(err error) { states.Store(fmt.Sprint(err), true) },
	})
	events, _ := js.Stream(t.Context(), topology.Events)
	natstest.Eventually(t, func() error {
		_, err := events.GetLastMsgForSubject(t.Context(), topology.EventSubject("critical", "breaker-open"))
		return err
	})
	// Longer than AckWait: what is in hand is kept alive, and nothing else is taken.
	publish(t, js, 1)
	probes := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.writes) }
	seen := probes()
	natstest.Eventually(t, func() error {
		if probes() < seen+15 {
			return errors.New("still probing")
		}
		return nil
	})
	if ack, _ := pending(t, js); ack != 10 {
		t.Errorf("%d messages in hand while the breaker is open, want the first batch of 10", ack)
	}
	s.mu.Lock()
	for i, keys := range s.writes[3:] {
		if len(keys) != 1 {
			t.Errorf("probe %d had %d messages, want 1", i, len(keys))
		}
	}
	s.mu.Unlock()
	s.failWith(nil)
	if got := outcomes(t, js, 50); got.Delivered != 50 {
		t.Errorf("outcomes = %+v, want 50 delivered", got)
	}
	if _, ok := states.Load("table is missing"); !ok {
		t.Error("the state never said why")
	}
	// No message was delivered twice for it.
	info, _ := js.Stream(t.Context(), topology.Receipts)
	cons, err := info.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for range info.CachedInfo().State.Msgs {
		msg, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		all := new(ledgerv1.Receipts)
		if err := proto.Unmarshal(msg.Data(), all); err != nil {
			t.Fatal(err)
		}
		for _, r := range all.GetReceipts() {
			if r.GetAttempts() != 1 {
				t.Errorf("key %s was delivered %d times", r.GetKey(), r.GetAttempts())
			}
		}
	}
}

func TestAMessageWithoutEnvelopeIsADeadLetter(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	if _, err := js.Publish(t.Context(), topology.TargetSubject("test", "conn", "flow-b", "1"), []byte("x")); err != nil {
		t.Fatal(err)
	}
	publish(t, js, 1)
	start(t, js, s, sink.Options{})
	outcomes(t, js, 1)
	dead, _ := js.Stream(t.Context(), topology.Dead)
	natstest.Eventually(t, func() error {
		_, err := dead.GetLastMsgForSubject(t.Context(), topology.DeadSubject("sink", "flow-b"))
		return err
	})
	if s.count() != 1 {
		t.Errorf("%d stored, want the good one", s.count())
	}
}

func TestStoppingFinishesWhatIsInHand(t *testing.T) {
	js := natstest.Run(t)
	publish(t, js, 10)
	began, finish := make(chan struct{}), make(chan struct{})
	stop := start(t, js, sink.Func(func(ctx context.Context, batch []sink.Message) error {
		close(began)
		<-finish
		return ctx.Err()
	}), sink.Options{})
	<-began
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Fatal("Run returned with a batch in hand")
	case <-time.After(100 * time.Millisecond):
	}
	close(finish)
	<-stopped
	if got := outcomes(t, js, 10); got.Delivered != 10 {
		t.Errorf("outcomes = %+v: the batch in hand was not settled", got)
	}
}
