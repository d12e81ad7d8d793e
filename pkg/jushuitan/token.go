package jushuitan

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/seam"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// Token is the right to act for a merchant. It prints without its secrets; encoding/json
// writes all of it, for stores.
type Token struct {
	Access    string    `json:"access_token"`
	Refresh   string    `json:"refresh_token,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"` // zero = not known
}

// String tells when the token ends and nothing else.
func (t Token) String() string {
	switch {
	case t.Access == "":
		return "no token"
	case t.ExpiresAt.IsZero():
		return "token without a known end"
	default:
		return "token until " + t.ExpiresAt.Format(time.RFC3339)
	}
}

// GoString is String: no verb of fmt prints more.
func (t Token) GoString() string { return t.String() }

// LogValue is String for slog.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// expired reports whether the token is known to have ended.
func (t Token) expired() bool { return !t.ExpiresAt.IsZero() && !time.Now().Before(t.ExpiresAt) }

// newer reports whether t is a token that came after old. A renewal may leave the value
// as it is and only move the end (seen in use).
func (t Token) newer(old Token) bool {
	return t.Access != "" && (t.Access != old.Access || t.ExpiresAt.After(old.ExpiresAt))
}

// TokenStore keeps the token of one account. Replicas may share one: a token is saved
// before it is used, and read again before it is renewed. Load returns the zero Token
// when there is none. Both must be safe for concurrent use and should take no longer than
// a few seconds; an error makes the call Busy, class token-store.
type TokenStore interface {
	Load(ctx context.Context) (Token, error)
	Save(ctx context.Context, t Token) error
}

// MemoryStore is a TokenStore for one process. The zero value is ready.
type MemoryStore struct{ token atomic.Pointer[Token] }

// Load returns what was saved last. It never fails.
func (m *MemoryStore) Load(context.Context) (Token, error) {
	if t := m.token.Load(); t != nil {
		return *t, nil
	}
	return Token{}, nil
}

// Save keeps t. It never fails.
func (m *MemoryStore) Save(_ context.Context, t Token) error {
	m.token.Store(&t)
	return nil
}

const (
	// refusalHolds is how long a refused token request is not sent again.
	refusalHolds = 30 * time.Second
	// renewalLimit ends a renewal that nobody waits for any more.
	renewalLimit = 5 * time.Minute
)

// tokens has the account's token ready. Renewals run one at a time; they outlive the call
// that began them, since an answer that is lost may be a refresh token that is lost.
type tokens struct {
	cfg    Config
	send   func(ctx context.Context, req request) (envelope, error)
	flight singleflight.Group

	mu      sync.Mutex
	token   Token
	unsaved bool // the store has not got it yet: not to be used

	// Only a renewal touches these.
	nextEarly time.Time // no refresh ahead of time before
	refusal   error     // of the vendor, at refusedAt
	refusedAt time.Time
	usedCode  string // an authorisation code is good for one try
}

func (k *tokens) cached() Token {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsaved {
		return Token{}
	}
	return k.token
}

func (k *tokens) set(t Token, unsaved bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.token, k.unsaved = t, unsaved
}

// current returns a token that should work.
func (k *tokens) current(ctx context.Context) (Token, error) {
	if t := k.cached(); t.Access != "" && !t.expired() && !k.due(t) {
		return t, nil
	}
	return k.renew(ctx, Token{})
}

// due reports whether t may be refreshed ahead of its end.
func (k *tokens) due(t Token) bool {
	return k.cfg.App == SelfApp && t.Refresh != "" &&
		!t.ExpiresAt.IsZero() && time.Until(t.ExpiresAt) < k.cfg.RefreshAhead
}

// renew returns a token that came after stale, which the vendor refused; a zero stale
// takes any that should work. It blocks until the renewal in hand is over, or ctx ends.
func (k *tokens) renew(ctx context.Context, stale Token) (Token, error) {
	for {
		mine := false
		done := k.flight.DoChan("token", func() (any, error) {
			mine = true
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewalLimit)
			defer cancel()
			return k.next(ctx, stale)
		})
		select {
		case <-ctx.Done():
			return Token{}, context.Cause(ctx)
		case r := <-done:
			if r.Err != nil {
				return Token{}, r.Err
			}
			// A renewal that another call began may not have known that stale was refused.
			if t := r.Val.(Token); mine || t.newer(stale) {
				return t, nil
			}
		}
	}
}

// next is one renewal.
func (k *tokens) next(ctx context.Context, stale Token) (Token, error) {
	have, err := k.have(ctx)
	if err != nil {
		return Token{}, fault.Busy("token-store", 0, err)
	}
	switch {
	case !have.newer(stale) || have.expired():
		return k.obtain(ctx, have)
	case k.due(have) && time.Now().After(k.nextEarly):
		return k.refreshEarly(ctx, have)
	}
	k.set(have, false)
	return have, nil
}

// have returns the newest token there is: one that could not be saved so far, else that
// of the store, which another replica may have renewed, else the one in memory.
func (k *tokens) have(ctx context.Context) (Token, error) {
	k.mu.Lock()
	mine, unsaved := k.token, k.unsaved
	k.mu.Unlock()
	if unsaved {
		return mine, k.keep(ctx, mine)
	}
	stored, err := k.cfg.Tokens.Load(ctx)
	if err != nil {
		return Token{}, fmt.Errorf("load token: %w", err)
	}
	if stored.Access == "" {
		return mine, nil
	}
	return stored, nil
}

// keep saves t, and only then puts it into use.
func (k *tokens) keep(ctx context.Context, t Token) error {
	k.set(t, true)
	seam.Reach(seam.TokenRefreshed)
	if err := k.cfg.Tokens.Save(ctx, t); err != nil {
		return fmt.Errorf("save token: %w", err)
	}
	seam.Reach(seam.TokenStored)
	k.set(t, false)
	return nil
}

// refreshEarly refreshes a token that still works. When that fails there is time to try
// again, with growing frequency, so have is used on.
func (k *tokens) refreshEarly(ctx context.Context, have Token) (Token, error) {
	left := time.Until(have.ExpiresAt)
	k.nextEarly = time.Now().Add(min(max(left/2, time.Minute), time.Hour))
	fresh, err := k.refresh(ctx, have)
	if err != nil {
		k.cfg.Log.WarnContext(ctx, "refresh token ahead of its end", "token", have, "err", err)
		k.set(have, false)
		return have, nil
	}
	return k.adopt(ctx, fresh, have)
}

// obtain gets a token in place of old, which is refused, expired or zero. What the vendor
// refused is not asked again for a moment.
func (k *tokens) obtain(ctx context.Context, old Token) (Token, error) {
	if k.refusal != nil && time.Since(k.refusedAt) < refusalHolds {
		return Token{}, k.refusal
	}
	spare, err := readSecret(k.cfg.Secrets, "refresh_token")
	if err != nil {
		return Token{}, fault.Down("secret", err)
	}
	old.Refresh = cmp.Or(old.Refresh, spare)
	how := k.obtainSelf
	if k.cfg.App == ISVApp {
		how = k.obtainISV
	}
	fresh, err := how(ctx, old)
	k.refusal = nil
	if fault.ClassOf(err) == "token" {
		k.refusal, k.refusedAt = err, time.Now()
	}
	if err != nil {
		return Token{}, err
	}
	return k.adopt(ctx, fresh, old)
}

// obtainSelf takes the first that works: the given token, a refresh, an initial token.
func (k *tokens) obtainSelf(ctx context.Context, old Token) (Token, error) {
	if old.Access == "" {
		if given, err := k.given(old); err != nil || given.Access != "" {
			return given, err
		}
	}
	if old.Refresh != "" && !old.expired() { // after the end a refresh is refused
		fresh, err := k.refresh(ctx, old)
		if err == nil && fresh.newer(Token{Access: old.Access, ExpiresAt: old.ExpiresAt.Add(time.Minute)}) {
			return fresh, nil
		}
		if _, refused := errors.AsType[*Error](err); err != nil && !refused {
			return Token{}, err
		}
	}
	return k.ask(ctx, "getInitToken", map[string]string{
		"grant_type": "authorization_code",
		"code":       rand.Text()[:6], // any six characters
	})
}

// obtainISV takes what the merchant's authorisation left in the secrets: a token that was
// not used yet, or a code. A refresh comes last; it is forbidden since 2023-08 (seen in use).
func (k *tokens) obtainISV(ctx context.Context, old Token) (Token, error) {
	given, err := k.given(old)
	if err != nil || given.Access != "" {
		return given, err
	}
	code, err := readSecret(k.cfg.Secrets, "code")
	if err != nil {
		return Token{}, fault.Down("secret", err)
	}
	if code != "" && code != k.usedCode {
		return k.redeem(ctx, code)
	}
	if old.Refresh != "" {
		return k.refresh(ctx, old)
	}
	return Token{}, fault.Down("token", errors.New("no valid token and no unused authorisation code; "+adviceAuth))
}

// redeem buys a token with an authorisation code. Once the vendor has seen it it is spent.
func (k *tokens) redeem(ctx context.Context, code string) (Token, error) {
	fresh, err := k.ask(ctx, "accessToken", map[string]string{"grant_type": "authorization_code", "code": code})
	if _, refused := errors.AsType[*Error](err); err == nil || refused {
		k.usedCode = code
	}
	if fault.ClassOf(err) == "token" {
		return Token{}, fault.Down("token", fmt.Errorf("%w; %s", err, adviceAuth))
	}
	return fresh, err
}

// given returns the token in the secrets, zero when there is none or it is old itself.
func (k *tokens) given(old Token) (Token, error) {
	access, err := readSecret(k.cfg.Secrets, "access_token")
	if err != nil {
		return Token{}, fault.Down("secret", err)
	}
	if access == "" || access == old.Access {
		return Token{}, nil
	}
	return Token{Access: access, Refresh: old.Refresh}, nil
}

func (k *tokens) refresh(ctx context.Context, old Token) (Token, error) {
	fresh, err := k.ask(ctx, "refreshToken", map[string]string{
		"grant_type":    "refresh_token",
		"refresh_token": old.Refresh,
		"scope":         "all",
	})
	fresh.Refresh = cmp.Or(fresh.Refresh, old.Refresh)
	return fresh, err
}

// adopt saves fresh and puts it into use. After a renewal it lets the gateway settle.
func (k *tokens) adopt(ctx context.Context, fresh, old Token) (Token, error) {
	if err := k.keep(ctx, fresh); err != nil {
		return Token{}, fault.Busy("token-store", 0, err)
	}
	k.cfg.Log.InfoContext(ctx, "token renewed", "account", k.cfg, "token", fresh)
	if old.Access == "" {
		return fresh, nil
	}
	return fresh, pace.Sleep(ctx, k.cfg.TokenSettle)
}

// ask calls a token endpoint. A refusal there is never the fault of a business request.
func (k *tokens) ask(ctx context.Context, name string, params map[string]string) (Token, error) {
	path := k.cfg.AuthPath + "/" + name
	env, err := k.send(ctx, request{path: path, params: params, auth: true})
	if fault.IsPermanent(err) || wantsToken(err) {
		return Token{}, fault.Down("token", err)
	}
	if err != nil {
		return Token{}, err
	}
	token, err := decodeToken(env.data)
	if err != nil {
		return Token{}, fault.Busy("answer", 0, fmt.Errorf("jushuitan %s: %w", path, err))
	}
	return token, nil
}

// decodeToken reads the data of a token endpoint; expires_in is the seconds that remain.
func decodeToken(data json.RawMessage) (Token, error) {
	o, err := tolerant.Parse(data)
	if err != nil {
		return Token{}, fmt.Errorf("data: %w", err)
	}
	token := Token{Access: o.Text("access_token"), Refresh: o.Text("refresh_token")}
	if token.Access == "" {
		return Token{}, errors.New("no access_token")
	}
	seconds, _, err := o.Int("expires_in")
	if err != nil {
		return Token{}, err
	}
	const tenYears = 10 * 365 * 24 * 60 * 60
	if seconds > 0 {
		token.ExpiresAt = time.Now().Add(time.Duration(min(seconds, tenYears)) * time.Second)
	}
	return token, nil
}

// readSecret returns a secret, "" when it is not there.
func readSecret(secrets func(string) (string, error), field string) (string, error) {
	value, err := secrets(field)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read secret %s: %w", field, err)
	}
	return strings.TrimSpace(value), nil
}
