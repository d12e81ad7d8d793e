package sink_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// receipts returns everything on RECEIPTS, in order.
func receipts(t *testing.T, js jetstream.JetStream) []*ledgerv1.Receipt {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Receipts)
	if err != nil {
		t.Fatal(err)
	}
	var told []*ledgerv1.Receipt
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		all := new(ledgerv1.Receipts)
		if err := proto.Unmarshal(msg.Data, all); err != nil {
			t.Fatal(err)
		}
		told = append(told, all.GetReceipts()...)
	}
	return told
}

// events counts the events of a severity and kind.
func events(t *testing.T, js jetstream.JetStream, severity, kind string) uint64 {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Events)
	if err != nil {
		t.Fatal(err)
	}
	subject := topology.EventSubject(severity, kind)
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(subject))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Subjects[subject]
}

// TestFailedAttemptsAreTold lets a message fail twice: RECEIPTS tell why, in the batch of the others,
// and the accounts count its outcome alone.
func TestFailedAttemptsAreTold(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	s.fail = func(batch []sink.Message) error {
		for i, m := range batch {
			if m.Key == "2" && m.Attempt < 3 {
				return &sink.BatchError{Errs: map[int]error{i: fault.Busy("lock", time.Millisecond, errors.New(strings.Repeat("锁", 1000)))}}
			}
		}
		return nil
	}
	publish(t, js, 3)
	start(t, js, s, sink.Options{})
	if got := outcomes(t, js, 3); got.Delivered != 3 {
		t.Errorf("outcomes = %+v, want 3 delivered", got)
	}
	var story []string
	for _, r := range receipts(t, js) {
		if r.GetRawSequence() != 2 {
			continue
		}
		story = append(story, fmt.Sprintf("%d %s %s", r.GetAttempts(), r.GetOutcome(), r.GetErrorClass()))
		if text := r.GetError(); r.GetOutcome() == ledgerv1.Outcome_OUTCOME_RETRIED && (len(text) < 1000 || len(text) > 1024 || !utf8.ValidString(text)) {
			t.Errorf("the error has %d bytes: %q", len(text), text)
		}
	}
	if got := strings.Join(story, ", "); got != "1 OUTCOME_RETRIED lock, 2 OUTCOME_RETRIED lock, 3 OUTCOME_COMMITTED " {
		t.Errorf("the story of the message: %q", got)
	}
}

// TestATargetThatDoesNotAnswerOpensTheBreaker lets every call end without an answer: after five of
// them the breaker opens and the probes get rarer; one answer closes it.
func TestATargetThatDoesNotAnswerOpensTheBreaker(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	s.failWith(func([]sink.Message) error {
		return fault.Unanswered(fault.Busy("unsettled", time.Hour, errors.New("the outcome of the call is open")))
	})
	const messages, probe = 40, 40 * time.Millisecond
	publish(t, js, messages)
	start(t, js, s, sink.Options{Batch: 1, MaxAckPending: messages, ProbeAfter: probe})
	natstest.Eventually(t, func() error {
		if events(t, js, "critical", "breaker-open") == 0 {
			return errors.New("the breaker is closed")
		}
		return nil
	})
	opened := time.Now()
	writes := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.writes) }
	natstest.Eventually(t, func() error {
		if time.Since(opened) < 40*probe {
			return errors.New("waiting for probes")
		}
		return nil
	})
	// Probes after 1, 2, 4, 8, 12, 12 … times the wait: 7 fit into 40 of them; without growth 40 would.
	if n := writes(); n < 6 || n > 5+10 {
		t.Errorf("%d calls without an answer, want 5 and some rare probes", n)
	}
	s.mu.Lock()
	s.fail = nil
	silent := len(s.writes) // nobody writes these again within the hour
	s.mu.Unlock()
	if got := outcomes(t, js, int64(messages-silent)); got.Delivered != int64(messages-silent) {
		t.Errorf("outcomes = %+v after %d calls without an answer", got, silent)
	}
	if n := events(t, js, "info", "breaker-closed"); n != 1 {
		t.Errorf("%d events say that the breaker closed, want 1", n)
	}
}

// TestNeutralErrorsLeaveTheBreakerAlone sends errors that say nothing bad of the target, many in a row.
func TestNeutralErrorsLeaveTheBreakerAlone(t *testing.T) {
	for name, err := range map[string]error{
		"refused":                   fault.Permanent("data", errors.New("refused")),
		"not tried":                 fault.Untried(fault.Busy("unsettled", time.Millisecond, errors.New("a call may still be under way"))),
		"cancelled":                 fmt.Errorf("call: %w", context.Canceled),
		"one of many has no answer": fault.Unanswered(fault.Busy("unsettled", time.Millisecond, errors.New("open"))),
	} {
		t.Run(name, func(t *testing.T) {
			js, s := natstest.Run(t), &target{stored: map[string]int{}}
			calls := 0
			s.fail = func([]sink.Message) error {
				calls++
				if calls > 24 || fault.IsUnanswered(err) && calls%4 == 0 {
					return nil
				}
				return err
			}
			publish(t, js, 30)
			start(t, js, s, sink.Options{Batch: 1})
			outcomes(t, js, 30)
			if n := events(t, js, "critical", "breaker-open"); n != 0 {
				t.Errorf("the breaker opened %d times", n)
			}
		})
	}
}

// TestAProbeIsNotWrittenAgain lets an outage end: of the batch in hand the probe is written once.
func TestAProbeIsNotWrittenAgain(t *testing.T) {
	js, s := natstest.Run(t), &target{stored: map[string]int{}}
	s.failWith(func([]sink.Message) error { return fault.Down("connection", errors.New("no connection")) })
	publish(t, js, 20)
	start(t, js, s, sink.Options{Batch: 20, ProbeAfter: 50 * time.Millisecond})
	natstest.Eventually(t, func() error {
		if events(t, js, "critical", "breaker-open") == 0 {
			return errors.New("the breaker is closed")
		}
		return nil
	})
	s.failWith(nil)
	outcomes(t, js, 20)
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.stored {
		if n != 1 {
			t.Errorf("message %s was written %d times", key, n)
		}
	}
}
