package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"go.opentelemetry.io/otel"
	"go.uber.org/goleak"
)

// childMode makes the test binary a service; the value says how it behaves.
const childMode = "SERVICE_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(childMode); mode != "" {
		Main("child", noConfig, func(ctx context.Context, _ struct{}, _ *Service) error {
			if mode == "panic" {
				panic("as ordered")
			}
			<-ctx.Done()
			if mode == "stubborn" {
				select {}
			}
			return ctx.Err()
		})
	}
	goleak.VerifyTestMain(m)
}

func noConfig(*Env) (struct{}, error) { return struct{}{}, nil }

type config struct {
	Shop  string
	Every time.Duration
	Dry   bool
}

func readConfig(env *Env) (config, error) {
	c := config{
		Shop:  env.Required("SHOP", "the shop to read"),
		Every: env.Duration("POLL_EVERY", time.Minute, "time between polls"),
		Dry:   env.Bool("DRY_RUN", false, "write nothing"),
	}
	if c.Every < 0 {
		return c, errors.New("POLL_EVERY is negative")
	}
	return c, nil
}

// untilDone is a run that lives until it is told to stop.
func untilDone(ctx context.Context, _ config, _ *Service) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestHelp(t *testing.T) {
	w := newWorld("--help")
	if code := w.start(t, readConfig, untilDone).code(); code != 0 {
		t.Errorf("code = %d", code)
	}
	for _, want := range []string{
		"Variables of shopper", "SHOP", "--shop", "(required)", "the shop to read", "POLL_EVERY", "--poll-every", "1m0s",
		"Variables of every service", "NATS_URL", "--nats-url", "nats://127.0.0.1:4222", "NATS_CREDS", "NATS_CA", "NATS_CERT",
		"NATS_KEY", "NATS_NKEY", "NATS_USER", "NATS_USER_FILE", "NATS_PASSWORD_FILE", "SECRETS_DIR", "LISTEN", "LOG_LEVEL", "GRACE", "20s", "POD_NAME", "PPROF",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "Exit codes", "2  the configuration is bad",
	} {
		if !strings.Contains(w.stdout.String(), want) {
			t.Errorf("help does not say %q:\n%s", want, w.stdout.String())
		}
	}
}

func TestVersion(t *testing.T) {
	w := newWorld("--version")
	if code := w.start(t, readConfig, untilDone).code(); code != 0 || !strings.HasPrefix(w.stdout.String(), "shopper ") {
		t.Errorf("code = %d, %q", code, w.stdout.String())
	}
}

func TestBadConfigurationNamesAllFaults(t *testing.T) {
	w := newWorld("--grace", "soon", "--poll-every=-1s", "stray")
	w.env["LOG_LEVEL"] = "loud"
	if code := w.start(t, readConfig, untilDone).code(); code != 2 {
		t.Errorf("code = %d", code)
	}
	for _, want := range []string{
		"shopper: bad configuration:\n", "SHOP (--shop) is not set", `GRACE (--grace) is "soon"`, `LOG_LEVEL (--log-level) is "loud"`,
		"POLL_EVERY is negative", `unexpected argument "stray"`, "shopper --help",
	} {
		if !strings.Contains(w.stderr.String(), want) {
			t.Errorf("stderr does not say %q:\n%s", want, w.stderr.String())
		}
	}
}

func TestWithoutNATS(t *testing.T) {
	w := newWorld("--shop=a", "--listen=127.0.0.1:0", "--nats-url=nats://u:geheim@"+freeAddr(t))
	s := w.start(t, readConfig, untilDone)
	eventually(t, func() error {
		code, body := w.get(t, "/readyz")
		if code != 503 || !strings.Contains(body, `"ready":false`) || !strings.Contains(body, `"nats":"connecting to nats://127.0.0.1:`) ||
			!strings.Contains(body, "refused") {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	if code, _ := w.get(t, "/healthz"); code != 200 {
		t.Errorf("/healthz: %d", code)
	}
	if _, body := w.get(t, "/metrics"); !strings.Contains(body, `erpstream_ready{part="nats"} 0`) {
		t.Errorf("/metrics has no readiness:\n%s", body)
	}
	s.stop()
	if code := s.code(); code != 0 {
		t.Errorf("code = %d", code)
	}
	if strings.Contains(w.stderr.String(), "geheim") {
		t.Errorf("a password was logged:\n%s", w.stderr.String())
	}
}

func TestNATSComesLater(t *testing.T) {
	addr := freeAddr(t)
	w := newWorld("--shop=a", "--listen=127.0.0.1:0", "--nats-url="+addr)
	started := make(chan *Service, 1)
	s := w.start(t, readConfig, func(ctx context.Context, c config, svc *Service) error {
		started <- svc
		return untilDone(ctx, c, svc)
	})
	eventually(t, func() error { return w.logged("not ready", "refused") })
	fake := serveNATS(t, addr, "")
	svc := <-started
	if c := <-fake.clients; c.Name != "shopper/"+svc.Instance {
		t.Errorf("name on NATS: %q", c.Name)
	}
	if got := svc.NC.NewInbox(); !strings.HasPrefix(got, "_INBOX_shopper.") {
		t.Errorf("inbox %s", got)
	}
	if svc.JS == nil || svc.Health.Err() != nil || svc.Grace != 20*time.Second {
		t.Errorf("JS %v, health %v, grace %s", svc.JS, svc.Health.Err(), svc.Grace)
	}
	code, body := w.get(t, "/readyz")
	if code != 200 || body != `{"ready":true,"parts":{"nats":"ok"}}`+"\n" {
		t.Errorf("/readyz: %d %s", code, body)
	}
	_, body = w.get(t, "/metrics")
	for _, want := range []string{`erpstream_ready{part="nats"} 1`, "go_goroutines", "process_cpu_seconds_total", `service_name="shopper"`} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
	s.stop()
	if code := s.code(); code != 0 {
		t.Errorf("code = %d:\n%s", code, w.stderr.String())
	}
}

func TestReconnectIsVisible(t *testing.T) {
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--listen=127.0.0.1:0", "--nats-url="+fake.addr)
	s := w.start(t, readConfig, untilDone)
	eventually(t, func() error { return w.logged(`"ready"`, `"part":"nats"`) })
	fake.stop()
	eventually(t, func() error {
		if code, body := w.get(t, "/readyz"); code != 503 || !strings.Contains(body, "connecting to nats://"+fake.addr) {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	serveNATS(t, fake.addr, "")
	eventually(t, func() error {
		if code, body := w.get(t, "/readyz"); code != 200 {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	s.stop()
	if code := s.code(); code != 0 {
		t.Errorf("code = %d", code)
	}
}

func TestWrongCredentialsStayVisible(t *testing.T) {
	password := t.TempDir() + "/password"
	if err := os.WriteFile(password, []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	w := newWorld("--shop=a", "--listen=127.0.0.1:0", "--nats-url="+addr, "--nats-user=u", "--nats-password-file="+password)
	s := w.start(t, readConfig, untilDone)
	eventually(t, func() error { return w.logged("refused") })
	fake := serveNATS(t, addr, "right")
	for range 3 { // beyond the two attempts after which the client would give up
		<-fake.clients
	}
	eventually(t, func() error {
		if _, body := w.get(t, "/readyz"); !strings.Contains(strings.ToLower(body), "authorization violation") {
			return errors.New(body)
		}
		return nil
	})
	if err := os.WriteFile(password, []byte("right\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		if code, body := w.get(t, "/readyz"); code != 200 {
			return errors.New(body)
		}
		return nil
	})
	s.stop()
	if code := s.code(); code != 0 {
		t.Errorf("code = %d", code)
	}
}

func TestExitCodes(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name string
		run  func(ctx context.Context, stop func()) error
		want int
		says string
	}{
		{"all done", func(context.Context, func()) error { return nil }, 0, "stopped"},
		{"failed", func(context.Context, func()) error { return broken }, 1, "broken"},
		{"cancelled without a signal", func(context.Context, func()) error { return context.Canceled }, 1, "context canceled"},
		{"nil after a signal", func(ctx context.Context, stop func()) error { stop(); <-ctx.Done(); return nil }, 0, "stopped"},
		{"cancelled by a signal", func(ctx context.Context, stop func()) error {
			stop()
			<-ctx.Done()
			return fmt.Errorf("fetch: %w", ctx.Err())
		}, 0, "stopped"},
		{"failed after a signal", func(ctx context.Context, stop func()) error { stop(); <-ctx.Done(); return broken }, 1, "broken"},
	}
	fake := serveNATS(t, "127.0.0.1:0", "")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld("--shop=a", "--nats-url="+fake.addr)
			stopped := make(chan func(), 1)
			s := w.start(t, readConfig, func(ctx context.Context, _ config, _ *Service) error { return tt.run(ctx, <-stopped) })
			stopped <- s.stop
			if code := s.code(); code != tt.want {
				t.Errorf("code = %d, want %d", code, tt.want)
			}
			if err := w.logged(tt.says); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestGraceExceeded(t *testing.T) {
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--grace=50ms", "--listen=127.0.0.1:0", "--nats-url="+fake.addr)
	release, running := make(chan struct{}), make(chan *Service, 1)
	defer close(release)
	s := w.start(t, readConfig, func(_ context.Context, _ config, svc *Service) error {
		running <- svc
		<-release
		return nil
	})
	svc := <-running
	s.stop()
	if code := s.code(); code != 1 {
		t.Errorf("code = %d", code)
	}
	if err := w.logged("not finished within 50ms (GRACE)"); err != nil {
		t.Error(err)
	}
	if err := svc.Health.Err(); err == nil || !strings.Contains(err.Error(), "service: stopping") {
		t.Errorf("health = %v", err)
	}
}

func TestClosingTheConnectionIsAFailure(t *testing.T) {
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--nats-url="+fake.addr)
	s := w.start(t, readConfig, func(ctx context.Context, c config, svc *Service) error {
		svc.NC.Close()
		return untilDone(ctx, c, svc)
	})
	if code := s.code(); code != 1 {
		t.Errorf("code = %d", code)
	}
	if err := w.logged("the NATS connection was closed"); err != nil {
		t.Error(err)
	}
}

// TestAnotherNkeyEndsTheService, which is then started again with that: the client can't change its own.
func TestAnotherNkeyEndsTheService(t *testing.T) {
	path := t.TempDir() + "/nkey"
	renew := func() {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		seed, err := pair.Seed()
		if err == nil {
			err = os.WriteFile(path, seed, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	renew()
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--nats-url="+fake.addr, "--nats-nkey="+path)
	s := w.start(t, readConfig, untilDone)
	eventually(t, func() error { return w.logged(`"ready"`, `"part":"nats"`) })
	renew()
	fake.stop()
	serveNATS(t, fake.addr, "")
	if code := s.code(); code != 1 {
		t.Errorf("code = %d", code)
	}
	if err := w.logged("NATS_NKEY holds another key than at the start"); err != nil {
		t.Error(err)
	}
}

// TestNobodyWaitsForAnAnswerThatIsLost publishes to a server that answers nothing.
func TestNobodyWaitsForAnAnswerThatIsLost(t *testing.T) {
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--nats-url="+fake.addr)
	answer := make(chan error, 1)
	s := w.start(t, readConfig, func(ctx context.Context, c config, svc *Service) error {
		sent, err := svc.JS.PublishAsync("RAW.lost", nil)
		if err != nil {
			return err
		}
		select {
		case err := <-sent.Err():
			answer <- err
		case <-ctx.Done():
		}
		return untilDone(ctx, c, svc)
	})
	if err := <-answer; !errors.Is(err, jetstream.ErrAsyncPublishTimeout) {
		t.Errorf("the answer that was lost = %v", err)
	}
	s.stop()
	if code := s.code(); code != 0 {
		t.Errorf("code = %d", code)
	}
}

func TestListenTaken(t *testing.T) {
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--listen="+fake.addr)
	if code := w.start(t, readConfig, untilDone).code(); code != 1 {
		t.Errorf("code = %d", code)
	}
	if err := w.logged("listen for health checks (LISTEN)"); err != nil {
		t.Error(err)
	}
}

func TestOTLPIsFlushedAtTheEnd(t *testing.T) {
	var mu sync.Mutex
	paths := map[string]int{}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths[r.URL.Path]++
	}))
	defer collector.Close()
	defer http.DefaultClient.CloseIdleConnections()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	fake := serveNATS(t, "127.0.0.1:0", "")
	w := newWorld("--shop=a", "--nats-url="+fake.addr)
	w.env["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.URL
	s := w.start(t, readConfig, func(ctx context.Context, _ config, svc *Service) error {
		ctx, span := otel.Tracer("test").Start(ctx, "work")
		defer span.End()
		svc.Log.InfoContext(ctx, "in a span")
		return nil
	})
	if code := s.code(); code != 0 {
		t.Errorf("code = %d", code)
	}
	if err := w.logged("in a span", "trace_id"); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if paths["/v1/traces"] == 0 || paths["/v1/metrics"] == 0 {
		t.Errorf("collector got %v", paths)
	}
}

func TestSignals(t *testing.T) {
	tests := []struct {
		mode    string
		signals []os.Signal
		want    int
	}{
		{"polite", []os.Signal{syscall.SIGTERM}, 0},
		{"polite", []os.Signal{os.Interrupt}, 0},
		{"stubborn", []os.Signal{syscall.SIGTERM, syscall.SIGTERM}, 1},
		{"panic", nil, 2},
	}
	fake := serveNATS(t, "127.0.0.1:0", "")
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.mode, tt.signals), func(t *testing.T) {
			var out buffer
			cmd := exec.Command(os.Args[0], "--nats-url="+fake.addr)
			cmd.Env, cmd.Stderr = append(os.Environ(), childMode+"="+tt.mode), &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			for i, s := range tt.signals {
				eventually(t, func() error { return out.contains([]string{`"part":"nats"`, `"stopping"`}[i]) })
				if err := cmd.Process.Signal(s); err != nil {
					t.Error(err)
				}
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != tt.want {
				t.Errorf("code = %d, want %d:\n%s", got, tt.want, out.String())
			}
		})
	}
}

// world is a process as a test sees it.
type world struct {
	args           []string
	env            map[string]string
	stdout, stderr buffer
}

func newWorld(args ...string) *world { return &world{args: args, env: map[string]string{}} }

// running is a service that was started.
type running struct {
	stop func()
	done chan int
}

// code waits for the end.
func (r running) code() int { return <-r.done }

func (w *world) start(t *testing.T, readConfig func(*Env) (config, error), run func(context.Context, config, *Service) error) running {
	t.Helper()
	before := slog.Default()
	ctx, cancel := context.WithCancel(t.Context())
	p := process{args: w.args, getenv: func(name string) string { return w.env[name] }, stdout: &w.stdout, stderr: &w.stderr}
	r := running{stop: cancel, done: make(chan int, 1)}
	go func() { r.done <- execute(ctx, p, "shopper", readConfig, run) }()
	t.Cleanup(func() { cancel(); slog.SetDefault(before) })
	return r
}

// logged says whether one line on stderr holds all texts.
func (w *world) logged(texts ...string) error {
next:
	for line := range strings.Lines(w.stderr.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue next
			}
		}
		return nil
	}
	return fmt.Errorf("no line with %q in\n%s", texts, w.stderr.String())
}

// get asks the health server, whose address the log says.
func (w *world) get(t *testing.T, path string) (int, string) {
	t.Helper()
	var line struct{ Msg, Addr string }
	eventually(t, func() error {
		for text := range strings.Lines(w.stderr.String()) {
			if err := json.Unmarshal([]byte(text), &line); err == nil && line.Msg == "listening" {
				return nil
			}
		}
		return errors.New("it does not listen")
	})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	r, err := client.Get("http://" + line.Addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// buffer is a bytes.Buffer for many goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) contains(text string) error {
	if s := b.String(); !strings.Contains(s, text) {
		return fmt.Errorf("no %q in\n%s", text, s)
	}
	return nil
}

// eventually waits until check finds nothing wrong.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
