package topology_test

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestWhoIsTooLateIsFenced: a message, and a batch, that expects an older last message is refused by
// one server and by three in words that we know.
func TestWhoIsTooLateIsFenced(t *testing.T) {
	t.Run("one server", func(t *testing.T) { tooLate(t, natstest.Run(t)) })
	t.Run("three servers", func(t *testing.T) {
		program, err := natstest.BuildServer(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		js := natstest.StartCluster(t, program, t.TempDir()).Connect()
		if _, err := topology.Provision(t.Context(), js, natstest.Servers); err != nil {
			t.Fatal(err)
		}
		tooLate(t, js)
	})
}

func tooLate(t *testing.T, js jetstream.JetStream) {
	window := func(expected string) *nats.Msg {
		msg := nats.NewMsg(topology.WindowSubject("jst-shops"))
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, expected)
		return msg
	}
	if _, err := js.PublishMsg(t.Context(), window("0")); err != nil {
		t.Fatal(err)
	}
	_, single := js.PublishMsg(t.Context(), window("0"))
	_, batch := jetstreamext.PublishMsgBatch(t.Context(), js, []*nats.Msg{nats.NewMsg("raw.jushuitan.jst-shops.07"), window("0")})
	_, wrong := js.Publish(t.Context(), "nobody.listens", nil)
	if !topology.IsFenced(single) || !topology.IsFenced(batch) || topology.IsFenced(wrong) || topology.IsFenced(nil) {
		t.Errorf("fenced: message %v (%v), batch %v (%v), nothing listens %v (%v)", topology.IsFenced(single), single, topology.IsFenced(batch), batch, topology.IsFenced(wrong), wrong)
	}
	if _, err := js.PublishMsg(t.Context(), window("1")); err != nil {
		t.Errorf("the one that is in time: %v", err)
	}
}
