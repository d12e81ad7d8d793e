package e2e

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/mysqld"
	"github.com/erpstream/erpstream/pkg/status"
)

// living is an `erpstream up` that goes on until the test ends.
type living struct {
	*house
	nats    string
	sandbox string
	js      jetstream.JetStream
	stderr  *output
}

// output can be read while a process writes to it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// live starts `erpstream up` and waits until all its parts were started.
func (h *house) live(args ...string) *living {
	h.t.Helper()
	l := &living{house: h, stderr: &output{}}
	ctx, cancel := context.WithCancel(h.t.Context())
	cmd := h.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = l.stderr, l.stderr
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	eventually(h.t, func() error {
		for _, line := range lines(l.stderr.String(), `"msg":"up"`) {
			var up struct{ NATS, Sandbox string }
			if err := json.Unmarshal([]byte(line), &up); err == nil {
				l.nats, l.sandbox = up.NATS, up.Sandbox
				return nil
			}
		}
		return fmt.Errorf("not up:\n%s", last(l.stderr.String(), 2000))
	})
	nc, err := nats.Connect(l.nats)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(nc.Close)
	if l.js, err = jetstream.New(nc); err != nil {
		h.t.Fatal(err)
	}
	return l
}

// erpstream runs a command against this house and returns what it printed.
func (l *living) erpstream(args ...string) (string, error) {
	cmd := exec.CommandContext(l.t.Context(), filepath.Join(binaries, "erpstream"), args...)
	cmd.Env = append(os.Environ(), "NATS_URL="+l.nats)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// edit makes the sandbox edit some documents.
func (l *living) edit(count int) {
	l.t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"count":%d}`, count))
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.sandbox+"jushuitan/edit", body)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		l.t.Fatalf("edit: %s", resp.Status)
	}
}

// trouble waits until a service says an error with all words, and returns its text.
func (l *living) trouble(words ...string) string {
	l.t.Helper()
	var text string
	eventually(l.t, func() error {
		entries, err := status.Read(l.t.Context(), l.js)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.Error != "" && len(lines(e.Error, words...)) > 0 {
				text = e.Error
				return nil
			}
		}
		return fmt.Errorf("no trouble with %q among %+v", words, entries)
	})
	return text
}

// calm waits until no service says an error.
func (l *living) calm() {
	l.t.Helper()
	eventually(l.t, func() error {
		entries, err := status.Read(l.t.Context(), l.js)
		for _, e := range entries {
			err = errors.Join(err, errors.New(e.Error))
		}
		if err != nil && strings.TrimSpace(err.Error()) != "" {
			return err
		}
		return nil
	})
}

// count returns what a query counts, -1 when it fails.
func (l *living) count(query string) int {
	db, err := sql.Open("mysql", l.dsn)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	n := -1
	_ = db.QueryRowContext(l.t.Context(), query).Scan(&n)
	return n
}

const countDocuments = "SELECT COUNT(DISTINCT io_id) FROM purchasein_query"

func (l *living) hasDocuments(want int) {
	l.t.Helper()
	eventually(l.t, func() error {
		if got := l.count(countDocuments); got != want {
			return fmt.Errorf("%d documents in the table, want %d", got, want)
		}
		return nil
	})
}

// edit replaces a text of one file of the configuration.
type edit struct{ file, old, replacement string }

// configCopy returns a copy of the shipped configuration with some texts replaced.
func configCopy(t *testing.T, edits ...edit) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(config)); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		path := filepath.Join(folder, filepath.FromSlash(e.file))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, replaced(t, text, e.old, e.replacement), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// replaced puts another text in the place of one that must be there.
func replaced(t *testing.T, text []byte, old, replacement string) []byte {
	t.Helper()
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%q is not there", old)
	}
	return bytes.Replace(text, []byte(old), []byte(replacement), 1)
}

func TestWrongSecretIsSaidAndMended(t *testing.T) {
	h := newHouse(t)
	l := h.live("--records", "40")
	l.hasDocuments(40)
	secret := filepath.Join(h.data, "secrets", "jst-main", "app_secret")
	right, err := os.ReadFile(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(secret, []byte("wrong-secret-of-nobody"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.edit(3)
	text := l.trouble("无效签名")
	t.Logf("the operator sees: %s", text)
	if err := os.WriteFile(secret, right, 0o600); err != nil {
		t.Fatal(err)
	}
	l.calm()
	if strings.Contains(l.stderr.String(), "wrong-secret-of-nobody") || strings.Contains(l.stderr.String(), string(right)) {
		t.Error("a secret is in the logs")
	}
}

func TestMissingTableIsSaidAndMended(t *testing.T) {
	h := newHouse(t)
	l := h.live("--records", "40")
	l.hasDocuments(40)
	if l.count("SELECT 1 FROM DUAL") != 1 {
		t.Fatal("the database does not answer")
	}
	db, err := sql.Open("mysql", h.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), "DROP TABLE purchasein_query"); err != nil {
		t.Fatal(err)
	}
	l.edit(5)
	t.Logf("the operator sees: %s", l.trouble("purchasein_query", "erpstream ddl"))
	ddl, err := l.erpstream("ddl", "--guard=false", "erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		t.Fatal(err, ddl)
	}
	if _, err := db.ExecContext(t.Context(), strings.TrimRight(strings.TrimSpace(ddl), ";")); err != nil {
		t.Fatal(err)
	}
	l.hasDocuments(5)
	l.calm()
}

func TestDatabaseDownIsSaidAndMended(t *testing.T) {
	folder := t.TempDir()
	start := func(port int) *mysqld.Instance {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		instance, err := mysqld.Start(ctx, mysqld.Options{Dir: folder, Port: port})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = instance.Stop() })
		return instance
	}
	first := start(0)
	h := &house{t: t, data: t.TempDir(), dsn: first.DSN(), only: purchases}
	l := h.live("--records", "40")
	l.hasDocuments(40)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	l.edit(7)
	text := l.trouble(first.Addr)
	t.Logf("the operator sees: %s", text)
	if strings.Contains(text, first.Password) {
		t.Error("the password is in the error")
	}
	_, port, _ := strings.Cut(first.Addr, ":")
	var n int
	if _, err := fmt.Sscan(port, &n); err != nil {
		t.Fatal(err)
	}
	start(n)
	l.calm()
	eventually(t, func() error {
		if got := l.count("SELECT COUNT(DISTINCT io_id) FROM purchasein_query WHERE modified > NOW() - INTERVAL 3 DAY"); got != 7 {
			return fmt.Errorf("%d edited documents in the table, want 7", got)
		}
		return nil
	})
}

func TestBudgetsAreKept(t *testing.T) {
	const demo = "budget: {per_second: 50, per_minute: 3000}"
	tests := []struct {
		name                 string
		budget               string
		perSecond, perMinute int
		records              int
	}{
		{"of the vendor", "", 5, 100, 120},
		{"of the demo", demo, 50, 3000, 3000},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t)
			folder := config
			if tt.budget != demo {
				folder = configCopy(t, edit{"connections/jst-main.yaml", demo, tt.budget})
			}
			l := h.live("--records", fmt.Sprint(tt.records), "--config", folder)
			l.hasDocuments(tt.records)
			var stats struct {
				Rejections map[string]int `json:"rejections"`
				All        struct {
					PerSecond int `json:"per_second"`
					PerMinute int `json:"per_minute"`
				} `json:"all"`
			}
			getJSON(t, l.sandbox+"jushuitan/stats", &stats)
			if len(stats.Rejections) > 0 || stats.All.PerSecond > tt.perSecond || stats.All.PerMinute > tt.perMinute || stats.All.PerMinute < 5 {
				t.Errorf("stats %+v, want calls within %d a second and %d a minute and none rejected", stats, tt.perSecond, tt.perMinute)
			}
			t.Logf("most calls: %d a second, %d a minute", stats.All.PerSecond, stats.All.PerMinute)
		})
	}
}

func TestUnbalancedRunSaysWhy(t *testing.T) {
	h := newHouse(t)
	folder := configCopy(t, edit{"connections/jst-main.yaml", "sandbox-app-key-0001", "some-other-app-key"})
	r := h.untilIdle(nil, "--records", "40", "--config", folder, "--timeout", "10s")
	if r.code != 1 || r.flow.Balanced {
		t.Errorf("exit code %d, account %+v, want 1 and unbalanced", r.code, r.flow)
	}
	if len(lines(r.stderr, "flow jst-purchasein-to-mysql:")) == 0 || len(lines(r.stderr, "poller-jushuitan", "无效签名")) == 0 {
		t.Errorf("standard error names neither the flow nor the cause:\n%s", last(r.stderr, 3000))
	}
}
