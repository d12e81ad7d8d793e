package jushuitan

import (
	"fmt"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/random"
)

// grant is the live pair of tokens of the one merchant there is.
type grant struct {
	Access    string    `json:"access_token"`
	Refresh   string    `json:"refresh_token"`
	ExpiresAt time.Time `json:"expires_at"`
	// Replaced is the access token before a rotation, good until GraceEnd.
	Replaced string    `json:"replaced,omitempty"`
	GraceEnd time.Time `json:"grace_end,omitzero"`
	// LagEnd is when the gateway has noticed the last refresh.
	LagEnd time.Time `json:"lag_end,omitzero"`
}

// tokenData is the data of an answer of the token calls.
type tokenData struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"`
	Scope        string `json:"scope"`
}

// tokens issues, refreshes and checks tokens.
type tokens struct {
	settings Settings
	path     string // of the file that keeps them; empty: none does

	mu    sync.Mutex
	grant grant
}

// openTokens returns the tokens kept in the file at path.
func openTokens(s Settings, path string) (*tokens, error) {
	t := &tokens{settings: s, path: path}
	if _, err := dataset.ReadJSON(path, &t.grant); err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return t, nil
}

// issue returns the live tokens, new ones if they have expired.
func (t *tokens) issue(now time.Time) (tokenData, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.grant.ExpiresAt) {
		return t.data(now), nil
	}
	return t.put(grant{Access: random.Token(), Refresh: random.Token(), ExpiresAt: now.Add(t.settings.ExpiresIn)}, now)
}

// refresh moves the expiry of the tokens. It does nothing before the refresh window.
func (t *tokens) refresh(refreshToken string, now time.Time) (tokenData, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if refreshToken != t.grant.Refresh || !now.Before(t.grant.ExpiresAt) {
		return tokenData{}, errRefresh
	}
	if t.grant.ExpiresAt.Sub(now) > t.settings.RefreshWindow {
		return t.data(now), nil
	}
	g := t.grant
	g.ExpiresAt, g.LagEnd = now.Add(t.settings.ExpiresIn), now.Add(t.settings.RefreshLag)
	if t.settings.RefreshMode == "rotate" {
		g.Replaced, g.GraceEnd = g.Access, now.Add(t.settings.RotateGrace)
		g.Access, g.Refresh = random.Token(), random.Token()
	}
	return t.put(g, now)
}

// expire ends the life of the tokens.
func (t *tokens) expire(now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !now.Before(t.grant.ExpiresAt) {
		return nil
	}
	g := t.grant
	g.ExpiresAt, g.GraceEnd = now, now
	_, err := t.put(g, now)
	return err
}

// check refuses an access token that is not good at now.
func (t *tokens) check(accessToken string, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	live := accessToken == t.grant.Access && now.Before(t.grant.ExpiresAt)
	replaced := accessToken == t.grant.Replaced && now.Before(t.grant.GraceEnd)
	if accessToken == "" || !live && !replaced || now.Before(t.grant.LagEnd) {
		return errToken
	}
	return nil
}

// put makes g the live grant once it is on disk.
func (t *tokens) put(g grant, now time.Time) (tokenData, error) {
	if err := dataset.WriteJSON(t.path, g); err != nil {
		return tokenData{}, fmt.Errorf("keep tokens: %w", err)
	}
	t.grant = g
	return t.data(now), nil
}

func (t *tokens) data(now time.Time) tokenData {
	return tokenData{
		AccessToken: t.grant.Access, RefreshToken: t.grant.Refresh,
		ExpiresIn: int64(t.grant.ExpiresAt.Sub(now) / time.Second), Scope: "all",
	}
}
