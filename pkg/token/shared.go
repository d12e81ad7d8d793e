package token

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/erpstream/erpstream/pkg/fault"
)

// Config is what New needs. Name, Secret and Refresh are required, every other zero value means the
// default that its comment names.
type Config[T any] struct {
	// Store keeps the value. Default: in memory, for a process that shares nothing.
	Store Store
	// Name is the entry in the store: the connection's name.
	Name string
	// Account says whose value it is: whatever of the configuration leads to another value. What was
	// stored for another account is not used.
	Account string
	// Secret returns the account's secret, with which the value is encrypted.
	Secret func() (string, error)
	// Refresh gets a new value, calls turn.Save with it, and returns. It is never called twice at once
	// among all replicas, unless one of them loses its lease; then that one can't save. It makes the
	// calls that the vendor limits through turn.Call.
	Refresh func(ctx context.Context, turn *Turn[T]) error
	// Ahead is how long before its end a value is renewed. Default: at its end.
	Ahead time.Duration
	// Calls is how often the vendor lets all replicas together ask for a token, in the time of Per.
	// Default twice in 61 s: the vendor's minute, and a second for clocks that differ.
	Calls int
	Per   time.Duration
	// Lease is how long a replica may take for a call before others hold it for dead. It has to be
	// longer than the call's own time-out, and much longer than clocks of replicas differ. Default 45 s.
	Lease time.Duration
	// Log hears of renewals. Default: nothing.
	Log *slog.Logger
}

func (c Config[T]) withDefaults() (Config[T], error) {
	if c.Store == nil {
		c.Store = &Memory{}
	}
	c.Calls = cmp.Or(c.Calls, 2)
	c.Per = cmp.Or(c.Per, 61*time.Second)
	c.Lease = cmp.Or(c.Lease, 45*time.Second)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Name == "" || c.Secret == nil || c.Refresh == nil {
		return c, errors.New("configure a shared token: name, secret and refresh are required")
	}
	if c.Calls < 0 || c.Per < 0 || c.Lease < 0 || c.Ahead < 0 {
		return c, errors.New("configure a shared token: a limit or a time is negative")
	}
	return c, nil
}

// Held is a value, with what tells it from those before and after.
type Held[T any] struct {
	Value T
	// Generation grows by one with each renewal.
	Generation uint64
	// Ends is when the value ends, zero when that is not known.
	Ends time.Time
}

func (h Held[T]) expired() bool { return !h.Ends.IsZero() && !time.Now().Before(h.Ends) }

// Shared is one value of one account. It is safe for concurrent use.
type Shared[T any] struct {
	cfg    Config[T]
	holder string // names this process in the store
	flight singleflight.Group

	mu   sync.Mutex
	held Held[T]

	// Only the one who is in flight touches these.
	unsaved   *Held[T]  // got from the vendor, and not yet in the store
	refusal   error     // of the last refresh, at refusedAt
	refusedAt time.Time // so that no crowd of callers repeats it at once
	nextEarly time.Time // no refresh ahead of time before
}

const (
	// refusalHolds is how long a refresh that the vendor refused is not tried again.
	refusalHolds = 30 * time.Second
	// renewalLimit ends a renewal that nobody waits for any more.
	renewalLimit = 5 * time.Minute
	// earlyPause is the time between two tries to renew a value ahead of its end.
	earlyPause = 5 * time.Minute
)

// New returns a Shared. It asks nobody.
func New[T any](cfg Config[T]) (*Shared[T], error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Shared[T]{cfg: cfg, holder: rand.Text()}, nil
}

// Get returns a value that should work. It blocks for the store and for a renewal where one is
// needed, until ctx ends; a renewal that was begun goes on all the same, since an answer that is lost
// may be the only key to the next. Errors of the store are Busy, class token-store; those of Refresh
// come as they are.
func (s *Shared[T]) Get(ctx context.Context) (Held[T], error) {
	if h := s.cached(); h.Generation > 0 && !h.expired() && !s.due(h) {
		return h, nil
	}
	return s.newer(ctx, 0)
}

// Renew returns a value that came after the one of that generation, which the vendor refused: that of
// another replica where there is one, else a new one. Errors and blocking are those of Get.
func (s *Shared[T]) Renew(ctx context.Context, refused uint64) (Held[T], error) {
	return s.newer(ctx, refused)
}

func (s *Shared[T]) cached() Held[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

func (s *Shared[T]) use(h Held[T]) Held[T] {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = h
	return h
}

// due reports whether it is time to renew h ahead of its end.
func (s *Shared[T]) due(h Held[T]) bool {
	return !h.Ends.IsZero() && time.Until(h.Ends) < s.cfg.Ahead
}

// newer lets one caller of this process do the work, and the others have its result.
func (s *Shared[T]) newer(ctx context.Context, refused uint64) (Held[T], error) {
	for {
		done := s.flight.DoChan("", func() (any, error) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalLimit)
			defer cancel()
			return s.next(ctx, refused)
		})
		select {
		case <-ctx.Done():
			return Held[T]{}, context.Cause(ctx)
		case r := <-done:
			if r.Err != nil {
				return Held[T]{}, r.Err
			}
			// The one who began may not have known that this generation was refused.
			if h := r.Val.(Held[T]); h.Generation > refused {
				return h, nil
			}
		}
	}
}

// next finds a value above the refused generation: in the store, from the replica that is about to
// renew it, or by a turn of its own.
func (s *Shared[T]) next(ctx context.Context, refused uint64) (Held[T], error) {
	for {
		st, err := s.load(ctx)
		if err != nil {
			return Held[T]{}, storeFault(err)
		}
		works := st.held.Generation > refused && !st.held.expired()
		if works && (!s.due(st.held) || st.taken(s.holder) || time.Now().Before(s.nextEarly)) {
			return s.use(st.held), nil
		}
		if st.taken(s.holder) {
			if err := s.await(ctx, st); err != nil {
				return Held[T]{}, storeFault(err)
			}
			continue
		}
		err = s.turn(ctx, st, works)
		switch {
		case errors.Is(err, ErrConflict):
			continue
		case err != nil && works: // there is time to try again
			s.cfg.Log.WarnContext(ctx, "token not renewed ahead of its end", "token", s.cfg.Name, "ends", st.held.Ends, "err", err)
			return s.use(st.held), nil
		case err != nil:
			return Held[T]{}, err
		}
		refused = max(refused, st.held.Generation)
	}
}

// turn takes the lease and renews the value. ErrConflict says that another replica was first.
func (s *Shared[T]) turn(ctx context.Context, st state[T], early bool) error {
	if !early && s.refusal != nil && time.Since(s.refusedAt) < refusalHolds {
		return s.refusal
	}
	s.nextEarly = time.Now().Add(earlyPause)
	t := &Turn[T]{Old: st.held, shared: s, state: st}
	if err := t.claim(ctx, time.Now()); err != nil {
		return storeFault(err)
	}
	if kept := s.unsaved; kept != nil && kept.Generation == st.held.Generation+1 {
		return t.finish(ctx, t.write(ctx))
	}
	s.unsaved = nil
	err := s.cfg.Refresh(ctx, t)
	if err == nil && t.state.held.Generation == st.held.Generation {
		err = errors.New("renewing the token brought none")
	}
	s.refusal = nil
	if fault.KindOf(err) == fault.DownKind {
		s.refusal, s.refusedAt = err, time.Now()
	}
	if err == nil {
		s.cfg.Log.InfoContext(ctx, "token renewed", "token", s.cfg.Name, "generation", t.state.held.Generation, "ends", t.state.held.Ends)
	}
	return t.finish(ctx, err)
}

// storeFault marks an error of the store; ErrConflict is none, and one of the secret is marked already.
func storeFault(err error) error {
	if err == nil || errors.Is(err, ErrConflict) || fault.KindOf(err) != fault.Unknown {
		return err
	}
	return fault.Busy("token-store", 0, err)
}

// await blocks until the entry changes or its lease is over.
func (s *Shared[T]) await(ctx context.Context, st state[T]) error {
	lease, cancel := context.WithDeadline(ctx, st.until)
	defer cancel()
	err := s.cfg.Store.Wait(lease, s.cfg.Name, st.revision)
	switch {
	case err == nil || ctx.Err() == nil && lease.Err() != nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		return err
	}
}

// state is the entry in the store, opened.
type state[T any] struct {
	revision uint64
	held     Held[T]
	holder   string
	until    time.Time
	calls    []time.Time
}

// taken reports whether another replica renews the value right now.
func (st state[T]) taken(by string) bool {
	return st.holder != "" && st.holder != by && time.Now().Before(st.until)
}

// stored is the entry as it is written: only the value is secret.
type stored struct {
	Generation uint64      `json:"generation"`
	Sealed     []byte      `json:"sealed,omitempty"`
	Ends       time.Time   `json:"ends,omitzero"`
	Holder     string      `json:"holder,omitempty"`
	Until      time.Time   `json:"until,omitzero"`
	Calls      []time.Time `json:"calls,omitempty"`
}

// load reads the entry. A value that does not open, because the secret or the account is another by
// now, has ended; limits and lease count all the same.
func (s *Shared[T]) load(ctx context.Context) (state[T], error) {
	data, revision, err := s.cfg.Store.Load(ctx, s.cfg.Name)
	if err != nil {
		return state[T]{}, err
	}
	st := state[T]{revision: revision}
	if revision == 0 {
		return st, nil
	}
	entry := parse(data)
	st.holder, st.until, st.calls = entry.Holder, entry.Until, entry.Calls
	secret, err := s.cfg.Secret()
	if err != nil {
		return st, err
	}
	st.held = s.open(secret, entry)
	return st, nil
}

// parse reads an entry; what is none counts as an empty one, and is overwritten.
func parse(data []byte) stored {
	var entry stored
	if json.Unmarshal(data, &entry) != nil {
		return stored{}
	}
	return entry
}

// open returns the value of an entry; one that does not open has ended.
func (s *Shared[T]) open(secret string, entry stored) Held[T] {
	h := Held[T]{Generation: entry.Generation, Ends: entry.Ends}
	plain, err := unseal(secret, s.cfg.Account, entry.Sealed)
	if err != nil || json.Unmarshal(plain, &h.Value) != nil {
		return Held[T]{Generation: entry.Generation, Ends: time.Unix(0, 0)}
	}
	return h
}

// save writes the entry and returns its revision.
func (s *Shared[T]) save(ctx context.Context, st state[T]) (uint64, error) {
	entry := stored{Generation: st.held.Generation, Ends: st.held.Ends, Holder: st.holder, Until: st.until, Calls: st.calls}
	if st.held.Generation > 0 {
		plain, err := json.Marshal(st.held.Value)
		if err != nil {
			return 0, fmt.Errorf("encode the token of %s: %w", s.cfg.Name, err)
		}
		secret, err := s.cfg.Secret()
		if err != nil {
			return 0, err
		}
		if entry.Sealed, err = seal(secret, s.cfg.Account, plain); err != nil {
			return 0, err
		}
	}
	data, err := json.Marshal(entry)
	if err != nil {
		return 0, fmt.Errorf("encode the entry of %s: %w", s.cfg.Name, err)
	}
	return s.cfg.Store.Save(ctx, s.cfg.Name, data, st.revision)
}
