package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestRestoreAnHourLater backs up a server while documents are on their way, lets everything be booked, loses the
// server, and restores the backup on a cluster, on which everything runs on. The targets have by then what the
// restored streams have never heard of: nothing is booked twice, nothing is missing, and the accounts balance.
func TestRestoreAnHourLater(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1, SyncAlways: true, MaxPayload: 8 << 20})
	js := natstest.Connect(t, s)
	backup := filepath.Join(t.TempDir(), "backup")
	var manifest struct {
		Streams []struct {
			Name     string `json:"name"`
			Messages uint64 `json:"messages"`
		} `json:"streams"`
	}
	h, config := newFive(t), impatient(t)
	before := h.untilIdle(func() {
		h.moves(js)
		if h.over() {
			return
		}
		if err := json.Unmarshal(erpstream(t, "backup", backup, "--nats", s.ClientURL(), "--json"), &manifest); err != nil {
			t.Error(err)
		}
	}, "--records", "300", "--edits", "60", "--edit-rate", "5", "--nats", s.ClientURL(), "--config", config)
	h.allBalanced(before)
	t.Logf("%v in %d ms", h.compareAll(), before.report.ElapsedMS)
	stream, err := js.Stream(t.Context(), topology.Receipts)
	if err != nil {
		t.Fatal(err)
	}
	late := stream.CachedInfo().State.Msgs
	for _, one := range manifest.Streams {
		if one.Name == topology.Receipts {
			late -= one.Messages
		}
	}
	t.Logf("%d of %d batches of outcomes came after the backup", late, stream.CachedInfo().State.Msgs)
	if late < 20 {
		t.Errorf("it shows nothing: %d batches of outcomes came after the backup", late)
	}
	s.Shutdown()

	erpstream(t, "backup", "verify", backup)
	h.cluster = natstest.StartCluster(t, filepath.Join(binaries, "nats-server"), t.TempDir())
	erpstream(t, "restore", backup, "--nats", h.cluster.URL(), "--replicas", "3")
	h.threefold(h.cluster.Connect())
	after := h.untilIdle(nil, "--edits", "30", "--edit-rate", "10", "--config", config)
	h.allBalanced(after)
	t.Logf("%v in %d ms", h.compareAll(), after.report.ElapsedMS)
	erpstream(t, "audit", "--nats", h.cluster.URL())
	erpstream(t, "restore", "trust", "--nats", h.cluster.URL())
}

// erpstream runs a command, which must succeed, and returns what it prints.
func erpstream(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(binaries, "erpstream"), args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("erpstream %v: %v\n%s\n%s", args, err, stderr.String(), last(string(out), 3000))
	}
	return out
}
