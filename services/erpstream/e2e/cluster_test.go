package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// newClustered returns a house with all integrations on three NATS servers, which keep every stream
// three times and have on the disk, in dir, what they acknowledge.
func newClustered(t *testing.T, dir string) *house {
	h := newFive(t)
	h.cluster = natstest.StartCluster(t, filepath.Join(binaries, "nats-server"), dir)
	return h
}

// still is how long a server stands still in the tests of the cluster.
const still = 30 * time.Second

// TestThreeServers runs everything on a cluster and takes servers away while documents are on their
// way: the same arrives.
func TestThreeServers(t *testing.T) {
	tests := []struct {
		name    string
		trouble func(*house, jetstream.JetStream)
	}{
		{"servers killed", func(h *house, js jetstream.JetStream) {
			leader := h.leader(js, topology.Target)
			leader.Kill()
			h.moves(js)
			leader.Start()
			h.cluster.Wait()
			for _, n := range h.cluster.Nodes { // as when each is replaced by a newer one
				n.Kill()
				n.Start()
				h.cluster.Wait()
			}
		}},
		{"one stands still", func(h *house, js jetstream.JetStream) {
			n := h.leader(js, topology.Target)
			n.Pause()
			<-time.After(still)
			n.Resume()
			h.cluster.Wait()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newClustered(t, t.TempDir())
			js := h.cluster.Connect()
			r := h.untilIdle(func() {
				h.moves(js)
				tt.trouble(h, js)
			}, "--records", fmt.Sprint(*records), "--edits", "60", "--edit-rate", "5")
			h.allBalanced(r)
			t.Logf("%v in %d ms", h.compareAll(), r.report.ElapsedMS)
			h.threefold(js)
		})
	}
}

// leader returns the server that leads a stream.
func (h *house) leader(js jetstream.JetStream, stream string) (n *natstest.Node) {
	h.t.Helper()
	eventually(h.t, func() (err error) {
		ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
		defer cancel()
		n, err = h.cluster.Leader(ctx, js, stream)
		return err
	})
	return n
}

// moves waits until further receipts are booked, or until the program has ended.
func (h *house) moves(js jetstream.JetStream) {
	h.t.Helper()
	booked := func() (uint64, error) {
		ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
		defer cancel()
		s, err := js.Stream(ctx, topology.Receipts)
		if err != nil {
			return 0, err
		}
		return s.CachedInfo().State.LastSeq, nil
	}
	var before, seen uint64
	eventually(h.t, func() (err error) {
		if h.over() {
			return nil
		}
		if seen, err = booked(); err != nil {
			return err
		}
		if before == 0 {
			before = max(seen, 1)
		}
		if seen <= before {
			return fmt.Errorf("no receipts after the first %d", before)
		}
		return nil
	})
}

// threefold fails the test unless each stream has three replicas.
func (h *house) threefold(js jetstream.JetStream) {
	h.t.Helper()
	streams := js.ListStreams(h.t.Context())
	for info := range streams.Info() {
		if info.Config.Replicas != natstest.Servers {
			h.t.Errorf("stream %s has %d replicas", info.Config.Name, info.Config.Replicas)
		}
	}
	if err := streams.Err(); err != nil {
		h.t.Fatal(err)
	}
}
