package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/erpstream/erpstream/pkg/test/natstest"
)

func TestAServiceWaitsForWhatIsMissing(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1})
	addr := listening(t, "transformer", s.ClientURL())
	ready := func(code int, words string) {
		t.Helper()
		eventually(t, func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			var body json.RawMessage
			if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
				return err
			}
			if resp.StatusCode != code || !strings.Contains(string(body), words) {
				return fmt.Errorf("%d %s, want %d with %q", resp.StatusCode, body, code, words)
			}
			return nil
		})
	}
	ready(http.StatusServiceUnavailable, "erpstream provision")
	provision := exec.CommandContext(t.Context(), filepath.Join(binaries, "erpstream"), "provision")
	provision.Env = append(os.Environ(), "NATS_URL="+s.ClientURL())
	if out, err := provision.CombinedOutput(); err != nil {
		t.Fatalf("provision: %v\n%s", err, out)
	}
	ready(http.StatusOK, `"config":"ok"`)
}

// listening starts a service, which ends with the test, and returns where it serves its health and metrics.
func listening(t *testing.T, service, natsURL string) (addr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, filepath.Join(binaries, service), "--nats-url", natsURL, "--listen", "127.0.0.1:0")
	stderr := &output{}
	cmd.Stderr = stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 0 {
			t.Errorf("%s ended with exit code %d", service, code)
		}
	})
	eventually(t, func() error {
		for _, line := range lines(stderr.String(), `"msg":"listening"`) {
			var said struct{ Addr string }
			if err := json.Unmarshal([]byte(line), &said); err == nil {
				addr = said.Addr
				return nil
			}
		}
		return fmt.Errorf("not listening: %s", stderr)
	})
	return addr
}
