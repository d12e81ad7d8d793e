package token_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/token"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/pkg/xingchen"
)

// bucket opens the bucket on a connection of its own, as another process would.
func bucket(t *testing.T, s *server.Server) *token.Bucket {
	t.Helper()
	b, err := token.Open(t.Context(), natstest.Connect(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// fleet is a server with the bucket on it.
func fleet(t *testing.T) *server.Server {
	t.Helper()
	s := natstest.Server(t)
	if _, err := topology.Provision(t.Context(), natstest.Connect(t, s), 1); err != nil {
		t.Fatal(err)
	}
	return s
}

func secret() (string, error) { return "0123456789abcdef0123456789abcdef", nil }

func config(store token.Store, refresh func(context.Context, *token.Turn[string]) error) token.Config[string] {
	return token.Config[string]{Store: store, Name: "kd-main", Account: "set-1", Secret: secret, Refresh: refresh}
}

func TestBucket(t *testing.T) {
	ctx, b := t.Context(), bucket(t, fleet(t))
	if data, revision, err := b.Load(ctx, "kd-main"); err != nil || revision != 0 || data != nil {
		t.Errorf("empty: %q, %d, %v", data, revision, err)
	}
	first, err := b.Save(ctx, "kd-main", []byte("one"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Save(ctx, "kd-main", []byte("two"), 0); !errors.Is(err, token.ErrConflict) {
		t.Errorf("create again: %v, want ErrConflict", err)
	}
	second, err := b.Save(ctx, "kd-main", []byte("two"), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Save(ctx, "kd-main", []byte("three"), first); !errors.Is(err, token.ErrConflict) {
		t.Errorf("stale revision: %v, want ErrConflict", err)
	}
	if data, revision, err := b.Load(ctx, "kd-main"); err != nil || revision != second || string(data) != "two" {
		t.Errorf("Load = %q, %d, %v", data, revision, err)
	}
	if err := b.Wait(ctx, "kd-main", first); err != nil {
		t.Errorf("Wait for what is there: %v", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- b.Wait(ctx, "kd-main", second) }()
	if _, err := b.Save(ctx, "kd-main", []byte("three"), second); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("Wait = %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Wait(ended, "kd-main", second+100); err == nil {
		t.Error("Wait outlives its ctx")
	}
}

func TestOpenWithoutBucket(t *testing.T) {
	if _, err := token.Open(t.Context(), natstest.Connect(t, natstest.Server(t))); err == nil || !strings.Contains(err.Error(), "provision") {
		t.Errorf("err = %v, want advice", err)
	}
}

// Eight replicas on one bucket need a value at once, and again when it was refused: one of them asks
// the vendor, each time.
func TestOneRefreshForTheFleet(t *testing.T) {
	s := fleet(t)
	var asked atomic.Int64
	refresh := func(ctx context.Context, turn *token.Turn[string]) error {
		var value string
		err := turn.Call(ctx, func(context.Context) error {
			value = fmt.Sprintf("value-%d", asked.Add(1))
			return nil
		})
		if err != nil {
			return err
		}
		return turn.Save(ctx, value, time.Now().Add(time.Hour))
	}
	var replicas []*token.Shared[string]
	for range 8 {
		shared, err := token.New(config(bucket(t, s), refresh))
		if err != nil {
			t.Fatal(err)
		}
		replicas = append(replicas, shared)
	}
	for refused := range uint64(2) {
		var callers sync.WaitGroup
		for _, r := range replicas {
			callers.Go(func() {
				h, err := r.Renew(t.Context(), refused)
				if err != nil || h.Generation != refused+1 || h.Value != fmt.Sprintf("value-%d", refused+1) {
					t.Errorf("Renew(%d) = %+v, %v", refused, h, err)
				}
			})
		}
		callers.Wait()
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the vendor was asked %d times, want 2", n)
	}
}

// The replica that renews is killed in the middle: another one takes over when its lease is over, and
// the dead one's save, should it come back, is refused.
func TestKilledHolder(t *testing.T) {
	s := fleet(t)
	began, resume, late := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	cfg := config(bucket(t, s), func(ctx context.Context, turn *token.Turn[string]) error {
		close(began)
		<-resume // stopped, as by SIGSTOP, beyond its lease
		late <- turn.Save(ctx, "late", time.Now().Add(time.Hour))
		return errors.New("came back too late")
	})
	cfg.Lease = 2 * time.Second
	stopped, err := token.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _, _ = stopped.Get(ctx) }()
	<-began
	cancel()

	cfg = config(bucket(t, s), func(ctx context.Context, turn *token.Turn[string]) error {
		return turn.Save(ctx, "successor", time.Now().Add(time.Hour))
	})
	successor, err := token.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := successor.Get(t.Context()); err != nil || h.Value != "successor" {
		t.Errorf("Get = %+v, %v", h, err)
	}
	close(resume)
	if err := <-late; !errors.Is(err, token.ErrConflict) {
		t.Errorf("late Save = %v, want ErrConflict", err)
	}
}

// A value outlives its process, sealed.
func TestRestart(t *testing.T) {
	s := fleet(t)
	first, err := token.New(config(bucket(t, s), func(ctx context.Context, turn *token.Turn[string]) error {
		return turn.Save(ctx, "kept", time.Time{})
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := token.New(config(bucket(t, s), func(context.Context, *token.Turn[string]) error {
		return errors.New("not to be asked")
	}))
	if err != nil {
		t.Fatal(err)
	}
	if h, err := again.Get(t.Context()); err != nil || h.Value != "kept" {
		t.Errorf("Get = %+v, %v", h, err)
	}
	if data, _, _ := bucket(t, s).Load(t.Context(), "kd-main"); strings.Contains(string(data), "kept") {
		t.Errorf("stored in the clear: %s", data)
	}
}

// Without the bucket no token is asked for: it could not be shared.
func TestStoreIsAway(t *testing.T) {
	s := natstest.Server(t)
	js := natstest.Connect(t, s)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	b, err := token.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	js.Conn().Close()
	shared, err := token.New(config(b, func(context.Context, *token.Turn[string]) error {
		t.Error("the vendor was asked")
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := shared.Get(t.Context()); fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != "token-store" {
		t.Errorf("err = %v (%s)", err, fault.ClassOf(err))
	}
}

// Two clients of one account set, as the poller and the sink are, share a session through the bucket:
// the gateway is asked for one token, and for one more when that has ended.
func TestClientsShareASession(t *testing.T) {
	s := fleet(t)
	var tokens atomic.Int64
	var ended atomic.Int64
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		valid := fmt.Sprintf("token-%d", tokens.Load())
		switch {
		case strings.HasSuffix(r.URL.Path, "/push_app_authorize"):
			io.WriteString(w, `{"errcode":0,"data":[{"accountId":"1","appKey":"aB3dE9kZ","appSecret":"s","domain":"https://tf.jdy.com","status":1}]}`)
		case strings.HasSuffix(r.URL.Path, "/kingdee_auth_token"):
			fmt.Fprintf(w, `{"errcode":0,"data":{"app-token":"token-%d"}}`, tokens.Add(1))
		case r.Header.Get("App-Token") != valid || tokens.Load() <= ended.Load():
			w.WriteHeader(http.StatusUnauthorized)
			io.WriteString(w, `{"errcode":1000202001,"description":"JWT token has expired"}`)
		default:
			io.WriteString(w, `{"errcode":0,"data":{}}`)
		}
	}))
	defer gateway.Close()
	var clients []*xingchen.Client
	for range 2 {
		clients = append(clients, newClient(t, gateway.URL, bucket(t, s)))
	}
	for round := range int64(2) {
		ended.Store(round)
		var callers sync.WaitGroup
		for _, c := range clients {
			callers.Go(func() {
				if _, err := c.Get(t.Context(), "/jdy/v2/bd/store", nil); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
	}
	if n := tokens.Load(); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}

func newClient(t *testing.T, endpoint string, store token.Store) *xingchen.Client {
	t.Helper()
	settings := map[string]string{
		"connection": "kd-main", "endpoint": endpoint, "client_id": "200421", "outer_instance_id": "300000000000000001",
		"app_key": "aB3dE9kZ", "client_secret": "0123456789abcdef0123456789abcdef",
	}
	cfg := xingchen.Configure(func(name string) string { return settings[name] }, pace.Budget{PerMinute: 6000})
	cfg.Tokens = store
	c, err := xingchen.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
