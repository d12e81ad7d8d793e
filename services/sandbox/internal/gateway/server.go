// Package gateway imitates the gateway that Kingdee's cloud products share: signatures,
// authorisations of account sets, tokens, and the way of a call to the product behind it.
package gateway

import (
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway/sign"
	"github.com/erpstream/erpstream/services/sandbox/internal/traffic"
)

// The paths of the gateway's own calls.
const (
	PathAuthorize = "/jdyconnector/app_management/push_app_authorize"
	PathToken     = "/jdyconnector/app_management/kingdee_auth_token"
)

// Config is what a Server works with.
type Config struct {
	Settings Settings
	Faults   *faults.Plan
	// File keeps secrets and tokens over a restart; empty: they are forgotten.
	File string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
	Log *slog.Logger
}

// Server is the gateway. It answers authorisations and token calls, and checks the calls of the
// products for them. Its methods may be called at once.
type Server struct {
	settings Settings
	vault    *vault
	door     *Door
	nonces   Seen

	mu     sync.Mutex
	tokens map[string][]time.Time // token calls of the last minute, by app key
}

// New returns a Server.
func New(c Config) (*Server, error) {
	if err := c.Settings.Check(); err != nil {
		return nil, err
	}
	v, err := openVault(c.Settings, c.File)
	if err != nil {
		return nil, err
	}
	return &Server{
		settings: c.Settings, vault: v, tokens: map[string][]time.Time{},
		door: NewDoor(DoorConfig{Faults: c.Faults, Now: c.Now, Log: c.Log}),
	}, nil
}

// Paths returns all paths there are.
func (s *Server) Paths() []string { return []string{PathToken, PathAuthorize} }

// Stats returns what was seen so far.
func (s *Server) Stats() Stats { return s.door.Stats() }

// ServeHTTP answers an authorisation or a token call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	serve, method := s.unknown, r.Method
	switch r.URL.Path {
	case PathAuthorize:
		serve, method = s.authorize, http.MethodPost
	case PathToken:
		serve, method = s.token, http.MethodGet
	}
	s.door.Serve(w, r, r.URL.Path, false, func(c *Call) (any, error) {
		if r.Method != method {
			return nil, ErrMethod
		}
		if err := s.CheckSigned(r, c.Now); err != nil {
			return nil, err
		}
		return serve(c)
	})
}

func (s *Server) unknown(*Call) (any, error) { return nil, ErrNotFound }

// authorization is one row of the answer of push_app_authorize. Documented.
type authorization struct {
	AccountID            string `json:"accountId"`
	AccountName          string `json:"accountName"`
	AgreementCompanyName string `json:"agreementCompanyName"`
	AppKey               string `json:"appKey"`
	AppSecret            string `json:"appSecret"`
	ClientID             string `json:"clientId"`
	Domain               string `json:"domain"`
	GroupName            string `json:"groupName"`
	OuterInstanceID      string `json:"outerInstanceId"`
	ServiceID            string `json:"serviceId"`
	Status               int    `json:"status"`
}

// authorize serves push_app_authorize: the account sets of one outer instance with the app secrets
// that count now.
func (s *Server) authorize(c *Call) (any, error) {
	instance := c.URL.Query().Get("outerInstanceId")
	var rows []authorization
	for _, a := range s.settings.Accounts {
		if a.OuterInstanceID != instance {
			continue
		}
		appSecret, err := s.vault.secret(a.AppKey, c.Now)
		if err != nil {
			return nil, err
		}
		rows = append(rows, authorization{
			AccountID: a.AccountID, AccountName: a.Name, AgreementCompanyName: "示例公司", AppKey: a.AppKey, AppSecret: appSecret,
			ClientID: s.settings.ClientID, Domain: a.Domain, GroupName: "ns-sandbox", OuterInstanceID: a.OuterInstanceID,
			ServiceID: "7900000000001", Status: a.Status,
		})
	}
	if rows == nil {
		return nil, Business(2000002000, "第三方实例[%s]不存在", instance) // code and text are assumed
	}
	if s.settings.AuthorizeCode {
		return Whole{map[string]any{"code": 200, "description": "success", "data": rows}}, nil
	}
	return rows, nil
}

// tokenData is the data of the answer of kingdee_auth_token.
type tokenData struct {
	AppToken    string `json:"app-token"`
	AccessToken string `json:"access_token"`
	AuthData    string `json:"auth_data,omitempty"`
	Expires     int64  `json:"expires"` // ms
	UID         int    `json:"uid"`
}

// token serves kingdee_auth_token.
func (s *Server) token(c *Call) (any, error) {
	query := c.URL.Query()
	appKey := query.Get("app_key")
	a, known := s.account(func(a Account) bool { return a.AppKey == appKey })
	if !known || a.Status != 1 {
		return nil, errSecret
	}
	s.door.meter.token(appKey)
	if !s.admitToken(appKey, c.Now) {
		return nil, ErrTooMany
	}
	if err := s.strike(c, a); err != nil {
		return nil, err
	}
	appSecret, err := s.vault.secret(appKey, c.Now)
	if err != nil {
		return nil, err
	}
	if !sign.Equal(query.Get("app_signature"), sign.Seal(appSecret, appKey)) {
		return nil, errSecret
	}
	g, err := s.vault.issue(a, c.Now)
	if err != nil {
		return nil, err
	}
	return Whole{envelope{Text: "成功", Data: tokenData{
		AppToken: g.AppToken, AccessToken: g.AccessToken, AuthData: g.AuthData, Expires: g.Expires.UnixMilli(), UID: 173000001,
	}}}, nil
}

// admitToken counts a token call and reports whether it is within the limit.
func (s *Server) admitToken(appKey string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := traffic.Since(s.tokens[appKey], now.Add(-time.Minute))
	if s.settings.TokenCalls > 0 && len(calls) >= s.settings.TokenCalls {
		s.tokens[appKey] = calls
		return false
	}
	s.tokens[appKey] = append(calls, now)
	return true
}

func (s *Server) account(is func(Account) bool) (Account, bool) {
	i := slices.IndexFunc(s.settings.Accounts, is)
	if i < 0 {
		return Account{}, false
	}
	return s.settings.Accounts[i], true
}

// Strike plays the faults of tokens and secrets that c meets on its way to the product.
func (s *Server) Strike(c *Call, system string) error {
	a, known := s.account(func(a Account) bool { return a.System == system })
	if !known {
		return nil
	}
	return s.strike(c, a)
}

func (s *Server) strike(c *Call, a Account) error {
	_, rotate := c.Struck[faults.RotateSecret]
	_, expire := c.Struck[faults.ExpireToken]
	if rotate {
		if err := s.vault.rotate(a.AppKey, c.Now); err != nil {
			return err
		}
	}
	if rotate || expire {
		return s.vault.expire(a.AppKey, c.Now)
	}
	return nil
}

// Rotate replaces the app secret of the account set of a system, as the vendor does each day.
// Tokens stay good until they expire.
func (s *Server) Rotate(system string, now time.Time) error {
	for _, a := range s.settings.Accounts {
		if a.System == system {
			return s.vault.rotate(a.AppKey, now)
		}
	}
	return nil
}

// CheckAppToken returns the account set of a system that the app-token of a call is for.
func (s *Server) CheckAppToken(token, system string, now time.Time) (Account, error) {
	if token == "" {
		return Account{}, errNoToken
	}
	g, found := s.vault.find(func(g grant) bool { return g.AppToken == token })
	a, known := s.account(func(a Account) bool { return a.AppKey == g.AppKey && a.System == system })
	switch {
	case !found || !known:
		return Account{}, errToken
	case !now.Before(g.Expires): // the status is assumed, code and text are documented
		return Account{}, Refusal{Status: s.settings.ExpiredStatus, Code: 1000202001, Text: "JWT token has expired"}
	}
	return a, nil
}

// CheckAccessToken returns the account set of KIS that an access token and its KIS-AuthData are
// for. Status and codes are those of the gateway: for KIS an assumption.
func (s *Server) CheckAccessToken(token, authData string, now time.Time) (Account, error) {
	if token == "" || authData == "" {
		return Account{}, errNoToken
	}
	g, found := s.vault.find(func(g grant) bool { return g.AccessToken == token })
	a, known := s.account(func(a Account) bool { return a.AppKey == g.AppKey && a.System == KIS })
	expected := g.AuthData
	if expected == "" {
		expected = g.AppToken
	}
	switch {
	case !found || !known || !sign.Equal(authData, expected):
		return Account{}, errToken
	case !now.Before(g.Expires):
		return Account{}, errExpired
	}
	return a, nil
}

// AccountOf returns the account set of a system, and whether there is one.
func (s *Server) AccountOf(system string) (Account, bool) {
	return s.account(func(a Account) bool { return a.System == system })
}

// IsApp reports whether id and secret are those of the app.
func (s *Server) IsApp(id, secret string) bool {
	return id == s.settings.ClientID && sign.Equal(secret, s.settings.ClientSecret)
}
