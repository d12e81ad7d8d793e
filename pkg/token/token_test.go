package token_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/jushuitan"
	"github.com/erpstream/erpstream/pkg/token"
)

// vendor hands out values and takes note of when it was asked.
type vendor struct {
	mu    sync.Mutex
	asked []time.Time
	takes time.Duration
	lives time.Duration
	fail  error
}

// refresh is the Refresh of a replica that asks the vendor once.
func (v *vendor) refresh(ctx context.Context, turn *token.Turn[string]) error {
	var value string
	err := turn.Call(ctx, func(ctx context.Context) error {
		v.mu.Lock()
		v.asked = append(v.asked, time.Now())
		value = fmt.Sprintf("value-%d", len(v.asked))
		fail := v.fail
		v.mu.Unlock()
		select {
		case <-time.After(v.takes):
			return fail
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	if err != nil {
		return err
	}
	return turn.Save(ctx, value, time.Now().Add(v.lives))
}

func (v *vendor) failWith(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fail = err
}

func (v *vendor) times() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.asked)
}

func secret() (string, error) { return "0123456789abcdef0123456789abcdef", nil }

// replica returns one of the replicas that share a store.
func replica(t *testing.T, store token.Store, v *vendor, change func(*token.Config[string])) *token.Shared[string] {
	t.Helper()
	cfg := token.Config[string]{Store: store, Name: "kd-main", Account: "set-1", Secret: secret, Refresh: v.refresh}
	if change != nil {
		change(&cfg)
	}
	s, err := token.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, s *token.Shared[string]) token.Held[string] {
	t.Helper()
	h, err := s.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Ten replicas with five callers each need a value at once: the vendor is asked once, the others wait
// and have what it brought.
func TestOneReplicaRenewsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{takes: 10 * time.Second, lives: time.Hour}
		var callers sync.WaitGroup
		for range 10 {
			s := replica(t, store, v, nil)
			for range 5 {
				callers.Go(func() {
					if h := get(t, s); h.Value != "value-1" || h.Generation != 1 {
						t.Errorf("held %+v", h)
					}
				})
			}
		}
		callers.Wait()
		if n := v.times(); n != 1 {
			t.Errorf("the vendor was asked %d times", n)
		}
	})
}

// A value that was refused is renewed once, and a replica that still has the old one takes the new one
// without asking the vendor.
func TestRenewTakesWhatAnotherBrought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{lives: time.Hour}
		one, two := replica(t, store, v, nil), replica(t, store, v, nil)
		get(t, one)
		old := get(t, two)
		for _, s := range []*token.Shared[string]{one, two} {
			h, err := s.Renew(t.Context(), old.Generation)
			if err != nil || h.Value != "value-2" {
				t.Errorf("Renew = %+v, %v", h, err)
			}
		}
		if n := v.times(); n != 2 {
			t.Errorf("the vendor was asked %d times, want 2", n)
		}
	})
}

// However often values are refused, by however many replicas, the vendor is asked twice a minute.
func TestLimitOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{lives: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		var replicas sync.WaitGroup
		for range 4 {
			s := replica(t, store, v, nil)
			replicas.Go(func() {
				h, err := s.Get(ctx)
				for err == nil {
					h, err = s.Renew(ctx, h.Generation)
				}
			})
		}
		replicas.Wait()
		time.Sleep(10 * time.Minute) // what was begun ends by itself
		v.mu.Lock()
		asked := slices.Clone(v.asked)
		v.mu.Unlock()
		if len(asked) < 15 {
			t.Fatalf("asked %d times only", len(asked))
		}
		for i := 2; i < len(asked); i++ {
			if d := asked[i].Sub(asked[i-2]); d <= time.Minute {
				t.Fatalf("calls %d and %d are %v apart", i-2, i, d)
			}
		}
	})
}

// A replica that dies in the middle of a renewal holds the others up for its lease, and not longer; its
// call counts.
func TestDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{lives: time.Hour}
		died := make(chan struct{})
		dying := replica(t, store, v, func(c *token.Config[string]) {
			c.Refresh = func(ctx context.Context, turn *token.Turn[string]) error {
				_ = turn.Call(ctx, func(context.Context) error { return nil })
				close(died)
				<-t.Context().Done() // never comes back
				return nil
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = dying.Get(ctx) }()
		<-died
		cancel()
		start := time.Now()
		if h := get(t, replica(t, store, v, nil)); h.Value != "value-1" {
			t.Errorf("held %+v", h)
		}
		if d := time.Since(start); d != 45*time.Second {
			t.Errorf("waited %v, want the lease", d)
		}
	})
}

// A replica that was held up beyond its lease can't overwrite what its successor brought, and has that.
func TestLateHolderCannotSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{lives: time.Hour}
		var saved error
		late := replica(t, store, v, func(c *token.Config[string]) {
			c.Refresh = func(ctx context.Context, turn *token.Turn[string]) error {
				time.Sleep(3 * time.Minute)
				saved = turn.Save(ctx, "late", time.Now().Add(time.Hour))
				return saved
			}
		})
		var callers sync.WaitGroup
		callers.Go(func() {
			if h := get(t, late); h.Value != "value-1" {
				t.Errorf("the late replica holds %+v", h)
			}
		})
		synctest.Wait()
		if h := get(t, replica(t, store, v, nil)); h.Value != "value-1" {
			t.Errorf("held %+v", h)
		}
		callers.Wait()
		if !errors.Is(saved, token.ErrConflict) {
			t.Errorf("Save = %v, want ErrConflict", saved)
		}
	})
}

// A caller that gives up leaves at once; the renewal goes on and its value is kept.
func TestRenewalOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{takes: 10 * time.Second, lives: time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := replica(t, store, v, nil).Get(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("err = %v after %v", err, time.Since(start))
		}
		time.Sleep(time.Minute)
		if h := get(t, replica(t, store, v, nil)); h.Value != "value-1" || v.times() != 1 {
			t.Errorf("held %+v, asked %d times", h, v.times())
		}
	})
}

// A value is renewed ahead of its end; while that fails it is used on, and the vendor is not pestered.
func TestAheadOfItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{lives: time.Hour}
		s := replica(t, store, v, func(c *token.Config[string]) { c.Ahead = 20 * time.Minute })
		get(t, s)
		time.Sleep(39 * time.Minute)
		if h := get(t, s); h.Generation != 1 {
			t.Errorf("renewed too early: %+v", h)
		}
		v.failWith(errors.New("gateway is away"))
		time.Sleep(2 * time.Minute)
		for range 5 {
			if h := get(t, s); h.Generation != 1 {
				t.Errorf("held %+v", h)
			}
		}
		if n := v.times(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
		v.failWith(nil)
		time.Sleep(6 * time.Minute)
		if h := get(t, s); h.Generation != 2 || h.Value != "value-3" {
			t.Errorf("not renewed: %+v", h)
		}
	})
}

// A refusal is the answer to all callers for half a minute.
func TestRefusalIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vendor{lives: time.Hour, fail: fault.Down("token", errors.New("app secret is wrong"))}
		s := replica(t, nil, v, nil)
		for range 10 {
			if _, err := s.Get(t.Context()); fault.ClassOf(err) != "token" {
				t.Errorf("err = %v", err)
			}
		}
		if n := v.times(); n != 1 {
			t.Errorf("asked %d times, want 1", n)
		}
		v.failWith(nil)
		time.Sleep(time.Minute)
		get(t, s)
	})
}

// broken is a Store that can't be written to as long as it is told so, or that writes and loses the
// answer.
type broken struct {
	token.Memory
	mu         sync.Mutex
	down, lose bool
}

func (b *broken) Save(ctx context.Context, name string, data []byte, revision uint64) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return 0, errors.New("no stream is there")
	}
	revision, err := b.Memory.Save(ctx, name, data, revision)
	if b.lose {
		return 0, errors.New("no answer from the stream")
	}
	return revision, err
}

func (b *broken) set(down, lose bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down, b.lose = down, lose
}

// A value that can't be stored is not used, and not lost: the next caller stores it, and the vendor is
// not asked for another.
func TestStoredBeforeUsed(t *testing.T) {
	for _, lose := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store, v := &broken{}, &vendor{lives: time.Hour}
			s := replica(t, store, v, func(c *token.Config[string]) {
				c.Refresh = func(ctx context.Context, turn *token.Turn[string]) error {
					v.mu.Lock()
					v.asked = append(v.asked, time.Now())
					v.mu.Unlock()
					store.set(!lose, lose)
					return turn.Save(ctx, "rotated", time.Now().Add(time.Hour))
				}
			})
			_, err := s.Get(t.Context())
			if fault.KindOf(err) != fault.BusyKind || fault.ClassOf(err) != "token-store" {
				t.Errorf("lose %v: err = %v (%s)", lose, err, fault.ClassOf(err))
			}
			store.set(false, false)
			if h := get(t, s); h.Value != "rotated" || v.times() != 1 {
				t.Errorf("lose %v: held %+v, asked %d times", lose, h, v.times())
			}
		})
	}
}

// What is stored shows no secret, and opens only with the account's secret and for the account.
func TestSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, v := &token.Memory{}, &vendor{lives: time.Hour}
		get(t, replica(t, store, v, nil))
		data, _, err := store.Load(t.Context(), "kd-main")
		if err != nil || len(data) == 0 || strings.Contains(string(data), "value-1") {
			t.Fatalf("stored %q, %v", data, err)
		}
		same := replica(t, store, v, nil)
		if h := get(t, same); h.Value != "value-1" {
			t.Errorf("same account: %+v", h)
		}
		other := replica(t, store, v, func(c *token.Config[string]) { c.Account = "set-2" })
		if h := get(t, other); h.Value != "value-2" || h.Generation != 2 {
			t.Errorf("another account set: %+v, want a value of its own", h)
		}
		rotated := replica(t, store, v, func(c *token.Config[string]) {
			c.Account = "set-2"
			c.Secret = func() (string, error) { return "ffffffffffffffffffffffffffffffff", nil }
		})
		if h := get(t, rotated); h.Value != "value-3" {
			t.Errorf("another secret: %+v, want a value of its own", h)
		}
	})
}

// An entry that is no entry is replaced.
func TestForeignEntry(t *testing.T) {
	store, v := &token.Memory{}, &vendor{lives: time.Hour}
	if _, err := store.Save(t.Context(), "kd-main", []byte("not ours"), 0); err != nil {
		t.Fatal(err)
	}
	if h := get(t, replica(t, store, v, nil)); h.Value != "value-1" {
		t.Errorf("held %+v", h)
	}
}

// A Refresh that saves nothing is an error, not an endless loop.
func TestRefreshWithoutValue(t *testing.T) {
	s := replica(t, nil, &vendor{}, func(c *token.Config[string]) {
		c.Refresh = func(context.Context, *token.Turn[string]) error { return nil }
	})
	if _, err := s.Get(t.Context()); fault.KindOf(err) != fault.BusyKind || !strings.Contains(err.Error(), "brought none") {
		t.Errorf("err = %v", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, cfg := range map[string]token.Config[string]{
		"nothing":  {},
		"negative": {Name: "a", Secret: secret, Refresh: (&vendor{}).refresh, Lease: -1},
	} {
		if _, err := token.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBox(t *testing.T) {
	type value struct{ Access string }
	ctx := t.Context()
	store := &token.Memory{}
	box := token.Box[value]{Store: store, Name: "jst-main", Account: "app", Secret: secret}
	if got, err := box.Load(ctx); err != nil || got != (value{}) {
		t.Errorf("empty: %v, %v", got, err)
	}
	for _, access := range []string{"one", "two"} {
		if err := box.Save(ctx, value{access}); err != nil {
			t.Fatal(err)
		}
		if got, err := box.Load(ctx); err != nil || got.Access != access {
			t.Errorf("Load = %v, %v, want %s", got, err, access)
		}
	}
	if data, _, _ := store.Load(ctx, "jst-main"); strings.Contains(string(data), "two") {
		t.Errorf("stored in the clear: %s", data)
	}
	other := box
	other.Account = "another app"
	if got, err := other.Load(ctx); err != nil || got != (value{}) {
		t.Errorf("another account: %v, %v", got, err)
	}
	box.Secret = func() (string, error) { return "", fault.Down("secret", errors.New("missing")) }
	if err := box.Save(ctx, value{"three"}); fault.ClassOf(err) != "secret" {
		t.Errorf("without a secret: %v", err)
	}
}

// A Box is what the client of Jushuitan keeps its token in.
var _ jushuitan.TokenStore = token.Box[jushuitan.Token]{}
