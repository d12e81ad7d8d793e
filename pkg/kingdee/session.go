package kingdee

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/tolerant"
)

// The two calls that lead to a session.
const (
	pathAuthorise = "/jdyconnector/app_management/push_app_authorize"
	pathToken     = "/jdyconnector/app_management/kingdee_auth_token" //nolint:gosec // a path, and no secret
)

// Session is the right to act for an account set. It prints without its secrets.
type Session struct {
	// AppToken is the token of Xingchen, a JWT.
	AppToken string `json:"app_token"`
	// AccessToken and AuthData are those of KIS; AuthData is the app token where the vendor names none
	// (assumed).
	AccessToken string `json:"access_token,omitempty"`
	AuthData    string `json:"auth_data,omitempty"`
	// Router is the tenant's domain, for X-GW-Router-Addr.
	Router string `json:"router"`
}

// String tells the router and nothing else.
func (s Session) String() string { return "session at " + s.Router }

// GoString is String: no verb of fmt prints more.
func (s Session) GoString() string { return s.String() }

// Limiter makes a call as soon as the vendor's limit of token calls lets it (token.Turn).
type Limiter interface {
	Call(ctx context.Context, call func(ctx context.Context) error) error
}

// sessionLives is how long a token is good (documented); what the vendor says of it can only make it
// shorter.
const sessionLives = 24 * time.Hour

// Login gets a session: the authorisation of the account set, whose app secret the vendor changes
// every day, and a token for it. A refused app secret is asked for once more. It returns when the
// session ends. Every refusal is Down; no error carries a secret.
func (c Config) Login(ctx context.Context, limit Limiter) (Session, time.Time, error) {
	var session Session
	var ends time.Time
	for attempt := 1; ; attempt++ {
		a, err := c.authorise(ctx)
		if err != nil {
			return Session{}, time.Time{}, err
		}
		err = limit.Call(ctx, func(ctx context.Context) (err error) {
			session, ends, err = c.token(ctx, a)
			return err
		})
		if err == nil {
			return session, ends, nil
		}
		if attempt == 2 || remedyFor(err) != reauthorise && remedyFor(err) != backOff {
			return Session{}, time.Time{}, asDown(err)
		}
	}
}

// asDown makes a refusal of a token endpoint what it is: no fault of the business call.
func asDown(err error) error {
	if fault.IsPermanent(err) {
		return fault.Down(classToken, err)
	}
	return err
}

// authorisation is one account set that the tenant let the app act for.
type authorisation struct {
	accountID, accountName string
	appKey, appSecret      string
	domain                 string
}

// authorise asks for the account sets and chooses the configured one.
func (c Config) authorise(ctx context.Context) (authorisation, error) {
	query := EncodeQuery(url.Values{"outerInstanceId": {c.OuterInstanceID}})
	for attempt := 1; ; attempt++ {
		data, err := c.signed(ctx, Request{Method: http.MethodPost, Path: pathAuthorise, Query: query, Body: []byte("{}")})
		if err == nil {
			return c.choose(data)
		}
		if attempt == 3 || remedyFor(err) != backOff {
			return authorisation{}, asDown(err)
		}
		if err := pace.Sleep(ctx, pace.Backoff(500*time.Millisecond, time.Second, attempt)); err != nil {
			return authorisation{}, err
		}
	}
}

// choose returns the account set that is active and the configured one. It never takes one of several.
func (c Config) choose(data json.RawMessage) (authorisation, error) {
	var rows []tolerant.Object
	if err := json.Unmarshal(data, &rows); err != nil {
		return authorisation{}, fault.Busy(classAnswer, 0, fmt.Errorf("kingdee %s: data is no list of objects", pathAuthorise))
	}
	var fitting []authorisation
	var names []string
	for _, row := range rows {
		a := authorisation{
			accountID: row.Text("accountId"), accountName: row.Text("accountName"),
			appKey: row.Text("appKey"), appSecret: row.Text("appSecret"), domain: row.Text("domain"),
		}
		status, _, _ := row.Int("status")
		names = append(names, fmt.Sprintf("%q (app_key %s, account_id %s, status %d)", a.accountName, a.appKey, a.accountID, status))
		if status == 1 && (c.AppKey == "" || c.AppKey == a.appKey) && (c.AccountID == "" || c.AccountID == a.accountID) {
			fitting = append(fitting, a)
		}
	}
	if len(fitting) == 1 && fitting[0].appKey != "" && fitting[0].appSecret != "" {
		return fitting[0], nil
	}
	return authorisation{}, fault.Down(classAccount, fmt.Errorf("kingdee %s: %d active account sets fit app_key %q and account_id %q; authorised are: %s; %s",
		pathAuthorise, len(fitting), c.AppKey, c.AccountID, cmp.Or(strings.Join(names, ", "), "none"), adviceAccount))
}

// token asks for the token of an account set.
func (c Config) token(ctx context.Context, a authorisation) (Session, time.Time, error) {
	signature := AppSignature(a.appKey, a.appSecret)
	data, err := c.signed(ctx, Request{
		Method: http.MethodGet, Path: pathToken,
		Query:  EncodeQuery(url.Values{"app_key": {a.appKey}, "app_signature": {signature}}),
		Hidden: []string{a.appSecret, signature},
	})
	if err != nil {
		return Session{}, time.Time{}, err
	}
	fields, err := tolerant.Parse(data)
	if err != nil {
		return Session{}, time.Time{}, fault.Busy(classAnswer, 0, fmt.Errorf("kingdee %s: data: %w", pathToken, err))
	}
	s := Session{
		AppToken:    fields.Text("app-token"),
		AccessToken: fields.Text("access_token"),
		AuthData:    cmp.Or(fields.Text("auth_data"), fields.Text("app-token")),
		Router:      cmp.Or(c.Domain, a.domain),
	}
	if s.AppToken == "" && s.AccessToken == "" {
		return Session{}, time.Time{}, fault.Busy(classAnswer, 0, fmt.Errorf("kingdee %s: %w", pathToken, errors.New("no app-token")))
	}
	ends := time.Now().Add(sessionLives)
	if ms, given, err := fields.Int("expires"); err == nil && given && ms > 0 {
		if said := time.UnixMilli(ms); said.Before(ends) && said.After(time.Now()) {
			ends = said
		}
	}
	return s, ends, nil
}

// signed sends a call that carries the gateway's signature.
func (c Config) signed(ctx context.Context, r Request) (json.RawMessage, error) {
	header, secret, err := c.Sign(r.Method, r.Path, r.Query, time.Now())
	if err != nil {
		return nil, err
	}
	r.Header = header
	r.Hidden = append(r.Hidden, secret, header.Get("X-Api-Signature"))
	return c.Send(ctx, r)
}

// Sign returns the headers of the gateway's signature for a call at that time, with a nonce of its
// own, and the client secret, for Request.Hidden.
func (c Config) Sign(method, path, query string, at time.Time) (header http.Header, secret string, err error) {
	secret, err = c.ClientSecret()
	if err != nil {
		return nil, "", err
	}
	nonce, stamp := Digits(10), strconv.FormatInt(at.UnixMilli(), 10)
	header = http.Header{}
	header.Set("X-Api-ClientID", c.ClientID)
	header.Set("X-Api-Auth-Version", "2.0")
	header.Set("X-Api-TimeStamp", stamp)
	header.Set("X-Api-Nonce", nonce)
	header.Set("X-Api-SignHeaders", "X-Api-TimeStamp,X-Api-Nonce")
	header.Set("X-Api-Signature", Signature(secret, method, path, query, nonce, stamp))
	return header, secret, nil
}
