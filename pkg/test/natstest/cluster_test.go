package natstest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestClusterKeepsWhatItAcknowledged: publishing goes on without the leader, and what was acknowledged
// is there after all servers were killed at once.
func TestClusterKeepsWhatItAcknowledged(t *testing.T) {
	program, err := natstest.BuildServer(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := natstest.StartCluster(t, program, t.TempDir())
	js := c.Connect()
	if _, err := topology.Provision(t.Context(), js, natstest.Servers); err != nil {
		t.Fatal(err)
	}
	publish := func(first, last int) {
		t.Helper()
		for i := first; i <= last; i++ {
			natstest.Eventually(t, func() error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := js.Publish(ctx, "event.info.test", nil, jetstream.WithMsgID(fmt.Sprint(i)))
				return err
			})
		}
	}
	publish(1, 100)
	leader, err := c.Leader(t.Context(), js, topology.Events)
	if err != nil {
		t.Fatal(err)
	}
	leader.Kill()
	publish(101, 200)
	c.Kill()
	c.Start()
	c.Wait()
	stream, err := js.Stream(t.Context(), topology.Events)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != 200 {
		t.Errorf("%d messages, want 200", got)
	}
}
