package sink_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestDeadTakesNothing lets messages die while DEAD is full, and while it is not there: they must come again,
// and die when there is room.
func TestDeadTakesNothing(t *testing.T) {
	tests := []struct {
		name       string
		shut, mend func(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig)
	}{
		{"full",
			func(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig) {
				config.MaxBytes = 1
				if _, err := js.UpdateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig) {
				if _, err := js.UpdateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			}},
		{"gone",
			func(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig) {
				if err := js.DeleteStream(t.Context(), config.Name); err != nil {
					t.Fatal(err)
				}
			},
			func(t *testing.T, js jetstream.JetStream, config jetstream.StreamConfig) {
				if _, err := js.CreateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			js, s := natstest.Run(t), &target{stored: map[string]int{}}
			stream, err := js.Stream(t.Context(), topology.Dead)
			if err != nil {
				t.Fatal(err)
			}
			config := stream.CachedInfo().Config
			tt.shut(t, js, config)
			s.fail = func(batch []sink.Message) error {
				for i, m := range batch {
					if m.Key == "2" {
						return &sink.BatchError{Errs: map[int]error{i: fault.Permanent("data", errors.New("refused"))}}
					}
				}
				return nil
			}
			publish(t, js, 3)
			start(t, js, s, sink.Options{Batch: 3})
			comesAgain(t, js)
			tt.mend(t, js, config)
			if got := outcomes(t, js, 3); got.Delivered != 2 || got.DeadSink != 1 {
				t.Errorf("outcomes = %+v, want 2 delivered and 1 dead", got)
			}
			natstest.Eventually(t, func() error {
				info, err := consumer(t, js).Info(t.Context())
				if err == nil && (info.NumAckPending > 0 || info.NumPending > 0) {
					err = fmt.Errorf("%d in hand and %d pending", info.NumAckPending, info.NumPending)
				}
				return err
			})
		})
	}
}

// comesAgain waits until exactly one message is in hand for the second time or more.
func comesAgain(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	natstest.Eventually(t, func() error {
		cons, err := js.Consumer(t.Context(), topology.Target, topology.SinkConsumer("test", "conn"))
		if err != nil {
			return err
		}
		if info := cons.CachedInfo(); info.NumRedelivered != 1 || info.NumAckPending != 1 {
			return fmt.Errorf("%d came again, %d in hand", info.NumRedelivered, info.NumAckPending)
		}
		return nil
	})
}

func consumer(t *testing.T, js jetstream.JetStream) jetstream.Consumer {
	t.Helper()
	cons, err := js.Consumer(t.Context(), topology.Target, topology.SinkConsumer("test", "conn"))
	if err != nil {
		t.Fatal(err)
	}
	return cons
}
