package batch_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// messages are so many for RAW, with ids from the first on.
func messages(first, n int) []*nats.Msg {
	msgs := make([]*nats.Msg, n)
	for i := range msgs {
		id := fmt.Sprint(first + i)
		msgs[i] = &nats.Msg{Subject: topology.RawSubject("jushuitan", "shops", id), Header: nats.Header{topology.HeaderMsgID: {id}}, Data: []byte(id)}
	}
	return msgs
}

// wantStored checks how many messages RAW has.
func wantStored(t *testing.T, js jetstream.JetStream, want uint64) {
	t.Helper()
	stream, err := js.Stream(t.Context(), topology.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != want {
		t.Errorf("%d messages are stored, want %d", got, want)
	}
}

func TestABatchIsStoredWhole(t *testing.T) {
	js := natstest.Run(t)
	stored := 0
	for _, n := range []int{1, 2, topology.BatchLimit} {
		last, err := batch.Publish(t.Context(), js, messages(stored, n))
		stored += n
		if err != nil || last != uint64(stored) {
			t.Errorf("%d messages: sequence %d, %v, want %d", n, last, err, stored)
		}
		wantStored(t, js, uint64(stored))
	}
	if _, err := batch.Publish(t.Context(), js, nil); err == nil {
		t.Error("no messages were published")
	}
}

func TestABatchIsStoredWholeOrNotAtAll(t *testing.T) {
	js := natstest.Run(t)
	if _, err := batch.Publish(t.Context(), js, messages(5, 1)); err != nil {
		t.Fatal(err)
	}
	fenced := messages(100, 3)
	fenced[2].Header.Set(jetstream.ExpectedLastSubjSeqHeader, "77")
	large := messages(200, 3)
	large[1].Data = make([]byte, js.Conn().MaxPayload()+1)
	tests := map[string]struct {
		msgs []*nats.Msg
		is   func(error) bool
	}{
		"one of it is known":      {messages(4, 3), batch.IsDuplicate},
		"the only one is known":   {messages(5, 1), batch.IsDuplicate},
		"somebody else is faster": {fenced, topology.IsFenced},
		"one alone is fenced":     {fenced[2:], topology.IsFenced},
		"one is too large":        {large, func(err error) bool { return errors.Is(err, nats.ErrMaxPayload) }},
		"more than the limit":     {messages(1000, topology.BatchLimit+1), func(err error) bool { return errors.As(err, new(*jetstream.APIError)) }},
	}
	for name, tt := range tests {
		if _, err := batch.Publish(t.Context(), js, tt.msgs); !tt.is(err) {
			t.Errorf("%s: %v", name, err)
		}
		wantStored(t, js, 1)
	}
}

// TestAfterARefusalMessagesGoAgain publishes those of a batch that was refused: in another one, and alone.
func TestAfterARefusalMessagesGoAgain(t *testing.T) {
	js := natstest.Run(t)
	if _, err := batch.Publish(t.Context(), js, messages(1, 1)); err != nil {
		t.Fatal(err)
	}
	msgs := messages(1, 4)
	if _, err := batch.Publish(t.Context(), js, msgs); !batch.IsDuplicate(err) {
		t.Fatal(err)
	}
	if _, err := batch.Publish(t.Context(), js, msgs[1:3]); err != nil {
		t.Error(err)
	}
	batch.Single(msgs[3])
	if _, err := js.PublishMsg(t.Context(), msgs[3]); err != nil {
		t.Error(err)
	}
	wantStored(t, js, 4)
}

func TestNoStreamIsAnError(t *testing.T) {
	js := natstest.Connect(t, natstest.Server(t))
	if _, err := batch.Publish(t.Context(), js, messages(1, 2)); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("Publish = %v, want that nobody answers", err)
	}
}

func TestWhatIsThereAlreadyIsLeftOut(t *testing.T) {
	for _, n := range []int{1, 3, 200} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			js := natstest.Run(t)
			if err := batch.Store(t.Context(), js, messages(0, n)); err != nil {
				t.Fatal(err)
			}
			wantStored(t, js, uint64(n))
			if err := batch.Store(t.Context(), js, messages(n/2, n)); err != nil { // half of them once more
				t.Fatal(err)
			}
			wantStored(t, js, uint64(n/2+n))
		})
	}
}

func TestWhatTheServerRefusesIsAnError(t *testing.T) {
	js := natstest.Run(t)
	fenced := messages(0, 2)
	fenced[1].Header.Set(jetstream.ExpectedLastSubjSeqHeader, "77")
	err := batch.Store(t.Context(), js, fenced)
	if refused, ok := errors.AsType[*jetstream.APIError](err); !ok || refused.ErrorCode != jetstream.JSErrCodeStreamWrongLastSequence {
		t.Errorf("Store = %v, want the server's refusal", err)
	}
}
