package kis

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/token"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// Auth is a way to a session.
type Auth string

const (
	// ServerAuth (S) asks the gateway, server to server, as Xingchen does (assumed to be the default:
	// seen in use once).
	ServerAuth Auth = "S"
	// UserAuth (U) goes on from a login of a KIS cloud user, with a refresh token that changes with
	// each use (seen in use).
	UserAuth Auth = "U"
)

// session is what business calls carry, and what UserAuth needs for the next.
type session struct {
	AccessToken string `json:"access_token"`
	AuthData    string `json:"auth_data"`
	Router      string `json:"router"`
	// Refresh is the refresh token that is good for the next renewal, Seed the hash of the secret that
	// the chain of refresh tokens began with.
	Refresh string `json:"refresh,omitempty"`
	Seed    string `json:"seed,omitempty"`
}

const (
	// serverAhead is how long before its end a session of ServerAuth is renewed; it lives 24 h.
	serverAhead = 90 * time.Minute
	// userAhead is that of UserAuth (seen in use).
	userAhead = 600 * time.Second
	// accessLives is how long an access token is good where the answer does not say (seen in use).
	accessLives = 30 * 24 * time.Hour
)

// loginFunc gets a session and saves it.
type loginFunc = func(ctx context.Context, cfg kingdee.Config, turn *token.Turn[session]) error

// login returns how sessions are had.
func (c Config) login() (how loginFunc, ahead time.Duration, err error) {
	switch cmp.Or(c.Auth, ServerAuth) {
	case ServerAuth:
		return serverLogin, serverAhead, nil
	case UserAuth:
		if c.RefreshToken == nil {
			return nil, 0, errors.New("auth U needs a source of the first refresh_auth_data_token")
		}
		return c.userLogin, userAhead, nil
	default:
		return nil, 0, fmt.Errorf("auth %q is neither S nor U", c.Auth)
	}
}

func serverLogin(ctx context.Context, cfg kingdee.Config, turn *token.Turn[session]) error {
	s, ends, err := cfg.Login(ctx, turn)
	if err != nil {
		return err
	}
	return turn.Save(ctx, session{AccessToken: cmp.Or(s.AccessToken, s.AppToken), AuthData: s.AuthData, Router: s.Router}, ends)
}

const (
	pathRefresh = "/koas/user/refresh_auth_data"
	adviceLogin = "sign in to KIS again and put the new refresh_auth_data_token into its secret"
)

// userLogin uses up the refresh token and saves what came for it before anybody uses that.
func (c Config) userLogin(ctx context.Context, cfg kingdee.Config, turn *token.Turn[session]) error {
	old, err := c.chain(turn.Old.Value)
	if err != nil {
		return err
	}
	r, err := c.refreshRequest(cfg, old)
	if err != nil {
		return err
	}
	var data json.RawMessage
	err = turn.Call(ctx, func(ctx context.Context) (err error) {
		data, err = cfg.Send(ctx, r)
		return err
	})
	if fault.IsPermanent(err) || fault.ClassOf(err) == "token" {
		return fault.Down("token", fmt.Errorf("%w; %s", err, adviceLogin))
	}
	if err != nil {
		return err
	}
	next, ends, err := renewed(old, data)
	if err != nil {
		return fault.Busy("answer", 0, fmt.Errorf("kis %s: %w", pathRefresh, err))
	}
	next.Router = cmp.Or(cfg.Domain, next.Router)
	return turn.Save(ctx, next, ends)
}

// chain returns the session to go on from: the stored one, unless its chain began with another secret
// than there is now. Then someone signed in again.
func (c Config) chain(stored session) (session, error) {
	if stored.Refresh != "" && !c.replaced(stored) {
		return stored, nil
	}
	given := c.RefreshToken()
	if given == "" {
		return session{}, fault.Down("secret", errors.New("secret refresh_auth_data_token is missing: "+adviceLogin))
	}
	return session{Refresh: given, Seed: hash(given), AccessToken: call(c.AccessToken)}, nil
}

// replaced reports whether a session comes from another sign-in than the present secret: it may be one
// of another account set and must not be used.
func (c Config) replaced(s session) bool {
	given := call(c.RefreshToken)
	return c.Auth == UserAuth && given != "" && hash(given) != s.Seed
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func call(secret func() string) string {
	if secret == nil {
		return ""
	}
	return secret()
}

// refreshRequest asks for new tokens. It carries the signature of the login's session where that is
// known; clients in use differ on whether it is needed.
func (c Config) refreshRequest(cfg kingdee.Config, old session) (kingdee.Request, error) {
	secret, err := cfg.ClientSecret()
	if err != nil {
		return kingdee.Request{}, err
	}
	body, err := marshal(map[string]string{"refresh_auth_data_token": old.Refresh, "access_token": old.AccessToken})
	if err != nil {
		return kingdee.Request{}, err
	}
	r := kingdee.Request{
		Method: http.MethodPost, Path: pathRefresh, Body: body, Header: headers(time.Now()),
		Query:  kingdee.EncodeQuery(url.Values{"client_id": {cfg.ClientID}, "client_secret": {secret}}),
		Hidden: []string{secret, old.Refresh, old.AccessToken},
	}
	if id, key := call(c.SessionID), call(c.SessionSecret); id != "" && key != "" {
		h := r.Header
		h.Set("KIS-Signature", Signature(h.Get("KIS-State"), id, h.Get("KIS-TraceID"), key, h.Get("KIS-Timestamp")))
		r.Hidden = append(r.Hidden, id, key)
	}
	return r, nil
}

// renewed reads the answer of a renewal and when its first part ends.
func renewed(old session, data json.RawMessage) (session, time.Time, error) {
	fields, err := tolerant.Parse(data)
	if err != nil {
		return session{}, time.Time{}, fmt.Errorf("data: %w", err)
	}
	extended, err := tolerant.Parse(fields.Raw("extend_data"))
	if err != nil {
		extended = fields
	}
	next := session{
		AccessToken: cmp.Or(fields.Text("access_token"), old.AccessToken),
		AuthData:    fields.Text("auth_data"),
		Router:      cmp.Or(fields.Text("gw_router_addr"), old.Router),
		Refresh:     cmp.Or(extended.Text("refresh_auth_data_token"), old.Refresh),
		Seed:        old.Seed,
	}
	if next.AuthData == "" || next.AccessToken == "" {
		return session{}, time.Time{}, errors.New("no auth_data or no access_token")
	}
	ends := time.Now().Add(accessLives)
	for _, seconds := range []int64{number(fields, "access_token_expire_in"), number(extended, "refresh_auth_data_token_expire_in")} {
		if at := time.Unix(seconds, 0); seconds > 0 && at.Before(ends) {
			ends = at
		}
	}
	return next, ends, nil
}

// number returns a whole number, 0 where there is none.
func number(fields tolerant.Object, name string) int64 {
	n, _, _ := fields.Int(name)
	return n
}

// Signature returns the KIS-Signature of a call to /koas/user/ (seen in use): the lower-case hex SHA-256
// over the values, one after the other. timestamp is in seconds.
func Signature(state, sessionID, traceID, sessionSecret, timestamp string) string {
	return hash(state + sessionID + traceID + sessionSecret + timestamp)
}
