package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

// TestTheWatchdogServesWhatTheScaledObjectsAskFor reads from the watchdog's metrics each figure that the objects
// of the shipped config name, while the target of one sink is down.
func TestTheWatchdogServesWhatTheScaledObjectsAskFor(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1})
	js := natstest.Connect(t, s)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	objects, err := exec.CommandContext(t.Context(), filepath.Join(binaries, "erpstream"), "scaled-objects", "../../../deploy/config").Output()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	defer func() { cancel(); done.Wait() }()
	want := map[string]bool{}
	for _, line := range lines(string(objects), "valueLocation: ") {
		figure := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "valueLocation: "))
		tier, unit := between(figure, `tier="`), between(figure, `unit="`)
		r, err := status.NewReporter(ctx, js, tier, "replica-1", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() { _ = r.Run(ctx) })
		if unit == "bi-main" {
			r.Set(unit, status.Open, 1, errors.New("connection refused"))
			want[figure+" 1\n"] = true
			continue
		}
		r.Set(unit, status.Running, 1, nil)
		want[figure+" 0\n"] = true
	}
	if len(want) < 10 {
		t.Fatalf("%d figures in\n%s", len(want), objects)
	}
	addr := listening(t, "watchdog", s.ClientURL())
	eventually(t, func() error {
		metrics, err := page(t, "http://"+addr+"/metrics")
		for figure := range want {
			if err == nil && !strings.Contains(metrics, figure) {
				err = fmt.Errorf("no %q in\n%s", figure, strings.Join(lines(metrics, "erpstream_unit"), ""))
			}
		}
		return err
	})
}

// between returns what stands in a text between some words and the next quotation mark.
func between(text, words string) string {
	_, rest, _ := strings.Cut(text, words)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// page returns what stands at a URL.
func page(t *testing.T, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}
