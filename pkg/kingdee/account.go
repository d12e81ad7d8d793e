package kingdee

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/token"
)

// System is what differs between the products behind the gateway. S is the kind of their sessions.
type System[S any] struct {
	// PerMinute is the limit of calls where the configuration names none.
	PerMinute int
	// Single lets one call at a time through, over all processes that share Config.Tokens.
	Single bool
	// Ahead is how long before its end a session is renewed.
	Ahead time.Duration
	// Login gets a session and saves it.
	Login func(ctx context.Context, cfg Config, turn *token.Turn[S]) error
	// Prepare adds to a request what the product wants, in a session, at the moment of the call.
	Prepare func(cfg Config, r Request, session S, at time.Time) (Request, error)
}

// Account calls the business APIs of one account set. It is safe for concurrent use; all calls share
// one budget and one session, so an account set should have one Account per process.
type Account[S any] struct {
	cfg      Config
	system   System[S]
	pace     *pace.Limiter
	sessions *token.Shared[S]
	turn     token.Lock // of System.Single
}

// NewAccount returns an Account. It checks cfg, naming all faults at once, and calls nobody.
func NewAccount[S any](cfg Config, system System[S]) (*Account[S], error) {
	if cfg.Budget.PerMinute == 0 {
		cfg.Budget.PerMinute = system.PerMinute
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure kingdee client: %w", err)
	}
	if cfg.Tokens == nil {
		cfg.Tokens = &token.Memory{}
	}
	a := &Account[S]{cfg: cfg, system: system, pace: pace.New(cfg.Budget)}
	a.sessions, err = token.New(token.Config[S]{
		Store: cfg.Tokens, Name: cfg.Name, Account: cfg.identity(),
		Secret: cfg.ClientSecret, Ahead: system.Ahead, Lease: cfg.Timeout + 15*time.Second, Log: cfg.Log,
		Refresh: func(ctx context.Context, turn *token.Turn[S]) error { return system.Login(ctx, cfg, turn) },
	})
	if err != nil {
		return nil, err
	}
	a.turn = token.Lock{Store: cfg.Tokens, Name: cfg.Name + ".turn", Longest: cfg.Timeout + 15*time.Second}
	return a, nil
}

// identity is all that leads to another session: one of another account set must never be used.
func (c Config) identity() string {
	return strings.Join([]string{c.Endpoint, c.ClientID, c.OuterInstanceID, c.AppKey, c.AccountID, c.Domain}, "\n")
}

// Config returns the configuration in use, defaults filled in.
func (a *Account[S]) Config() Config { return a.cfg }

// Rest makes the next call keep its distance from one that another process may just have made.
func (a *Account[S]) Rest() { a.pace.Rest() }

// Do makes a call and returns the data of its answer, bytes untouched, nil when there were none.
//
// It blocks: for the budget, for a session, and between attempts, until ctx ends; then the error is
// the cause of that, unclassified. A read is tried again, up to Config.Attempts times, when the
// network, the gateway or a limit is in the way. A write is sent once. Read or write, a refused
// session is renewed once and the call sent once more: that refusal comes before the product sees it.
//
// Every error but that of ctx is classified (pkg/fault):
//
//   - Permanent: refused (the product's text says why; ErrExists and ErrNotFound are told apart),
//     request (the call itself is wrong), size
//   - Busy: rate, gateway, vendor, timeout, network, http, answer, token-store
//   - Down: credentials, signature, clock, token, account, permission, route, secret, connection
//
// A refusal is an *Error in the chain. Of a write, Uncertain says whether it may have been carried out.
func (a *Account[S]) Do(ctx context.Context, r Request) (json.RawMessage, error) {
	renewed := false
	for n := 1; ; n++ {
		data, generation, err := a.once(ctx, r)
		what := remedyFor(err)
		if generation > 0 && what == renewToken && !renewed {
			if _, err = a.sessions.Renew(ctx, generation); err != nil {
				return nil, fmt.Errorf("renew session for %s: %w", r.Path, err)
			}
			renewed = true
			n--
			continue
		}
		wait := a.wait(what, n, err)
		if err == nil || ctx.Err() != nil || generation == 0 || r.Write || what != holdBack && what != backOff {
			return data, err
		}
		if n >= a.cfg.Attempts {
			return nil, fault.Spent(err, n, wait)
		}
		a.cfg.Log.DebugContext(ctx, "try again", "path", r.Path, "attempt", n, "wait", wait, "err", err)
		if err := pace.Sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("kingdee %s: %w", r.Path, err)
		}
	}
}

// once makes one attempt, and tells the generation of the session in which it was sent; 0 says that it
// was not sent.
func (a *Account[S]) once(ctx context.Context, r Request) (data json.RawMessage, generation uint64, err error) {
	if _, err := a.sessions.Get(ctx); err != nil { // whoever waits for a session is not in the others' way
		return nil, 0, fmt.Errorf("session for %s: %w", r.Path, err)
	}
	if a.system.Single {
		return a.alone(ctx, r)
	}
	at, end, err := a.pace.Begin(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("kingdee %s: %w", r.Path, err)
	}
	defer end()
	return a.send(ctx, r, at)
}

// alone makes an attempt while no other call is made by any process.
func (a *Account[S]) alone(ctx context.Context, r Request) (data json.RawMessage, generation uint64, err error) {
	err = a.pace.Do(ctx, func(ctx context.Context, _ time.Time) error {
		return a.turn.Do(ctx, func(ctx context.Context) error {
			data, generation, err = a.send(ctx, r, a.pace.Mark())
			return err
		})
	})
	if err != nil && ctx.Err() != nil && generation == 0 {
		err = fmt.Errorf("kingdee %s: %w", r.Path, err)
	}
	return data, generation, err
}

// send makes the call of an attempt that was let through at that moment.
func (a *Account[S]) send(ctx context.Context, r Request, at time.Time) (data json.RawMessage, generation uint64, err error) {
	session, err := a.sessions.Get(ctx) // another call may have renewed it meanwhile
	if err != nil {
		return nil, 0, fmt.Errorf("session for %s: %w", r.Path, err)
	}
	if r, err = a.system.Prepare(a.cfg, r, session.Value, at); err != nil {
		return nil, session.Generation, err
	}
	data, err = a.cfg.Send(ctx, r)
	return data, session.Generation, err
}

// wait returns how long to wait after attempt n. What a limit asks for holds back every call of the
// account set, also when this one gives up.
func (a *Account[S]) wait(what remedy, n int, err error) time.Duration {
	if what == holdBack {
		return a.pace.Hold(fault.Delay(err, pace.Backoff(10*time.Second, time.Minute, n)))
	}
	return pace.Backoff(500*time.Millisecond, 8*time.Second, n)
}

// remedyFor says what the client can do about any error of an attempt.
func remedyFor(err error) remedy {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.meaning().remedy
	}
	switch fault.ClassOf(err) {
	case classToken:
		return renewToken
	case classRate:
		return holdBack
	case classNoServer:
		return backOff
	}
	if fault.KindOf(err) == fault.BusyKind {
		return backOff
	}
	return giveUp
}

// Digits returns n random decimal digits.
func Digits(n int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	number, _ := rand.Int(rand.Reader, limit) // never fails
	return fmt.Sprintf("%0*d", n, number)
}
