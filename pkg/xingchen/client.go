// Package xingchen is a client of 金蝶云星辰 V2 (Kingdee Xingchen V2, paths /jdy/v2/…): it signs, keeps
// the session alive and shares it between replicas, keeps inside the call limit, reads the vendor's
// envelope tolerantly and says with pkg/fault what an error means.
//
// It knows no document: paths, parameters and bodies are the caller's data.
//
//	client, err := xingchen.New(xingchen.Configure(connection.Getter(readSecret), pace.Budget{}))
//	data, err := client.Get(ctx, "/jdy/v2/bd/store_detail", url.Values{"number": {"CK00001"}})
//
// A write is sent once, and no more than once: what its error says of the outcome, see Uncertain.
package xingchen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/kingdee"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/token"
)

// DefaultPerMinute is how many calls a minute the vendor lets an account set have (seen in use).
const DefaultPerMinute = 500

// renewAhead is how long before its end a token is renewed: clients in use keep it for 22 to 23 h of 24.
const renewAhead = 90 * time.Minute

var (
	// ErrExists says that the number or name of a document is taken.
	ErrExists = kingdee.ErrExists
	// ErrNotFound says that there is no such document.
	ErrNotFound = kingdee.ErrNotFound
)

// Uncertain reports whether err is that of a write which may have been carried out all the same:
// kingdee.Uncertain lists the cases.
func Uncertain(err error) bool { return kingdee.Uncertain(err) }

// Configure returns the configuration that a connection describes: kingdee.Configure, whose settings
// are client_id, outer_instance_id, app_key, account_id, domain, and the secret client_secret. Tokens,
// Log and Version are the caller's to set.
func Configure(get func(name string) string, budget pace.Budget) kingdee.Config {
	return kingdee.Configure(get, budget)
}

// Client calls the API for one account set. It is safe for concurrent use; all calls share one budget
// and one session, so an account set should have one Client per process.
type Client struct {
	account *kingdee.Account[kingdee.Session]
}

// New returns a Client. It checks cfg, naming all faults at once, and calls nobody.
func New(cfg kingdee.Config) (*Client, error) {
	account, err := kingdee.NewAccount(cfg, kingdee.System[kingdee.Session]{
		PerMinute: DefaultPerMinute, Ahead: renewAhead, Login: login, Prepare: prepare,
	})
	if err != nil {
		return nil, err
	}
	return &Client{account}, nil
}

// String names the account without its secrets. It and the next are methods of the value, so that a
// copy prints no more than the Client.
func (c Client) String() string { return "xingchen: " + c.account.Config().String() }

// GoString is String: no verb of fmt prints more.
func (c Client) GoString() string { return c.String() }

func login(ctx context.Context, cfg kingdee.Config, turn *token.Turn[kingdee.Session]) error {
	session, ends, err := cfg.Login(ctx, turn)
	if err != nil {
		return err
	}
	return turn.Save(ctx, session, ends)
}

// prepare signs a request with the gateway's signature and adds the session.
func prepare(cfg kingdee.Config, r kingdee.Request, session kingdee.Session, at time.Time) (kingdee.Request, error) {
	header, secret, err := cfg.Sign(r.Method, r.Path, r.Query, at)
	if err != nil {
		return r, err
	}
	header.Set("app-token", session.AppToken)
	header.Set("X-GW-Router-Addr", session.Router)
	r.Header = header
	r.Hidden = []string{secret, session.AppToken, header.Get("X-Api-Signature")}
	return r, nil
}

// Rest makes the next call keep its distance from one that another process may just have made.
func (c *Client) Rest() { c.account.Rest() }

// Get reads: it sends params in the query and returns the answer's data, bytes untouched. It may be
// sent several times. Blocking and errors are those of kingdee.Account.Do.
func (c *Client) Get(ctx context.Context, path string, params url.Values) (json.RawMessage, error) {
	if err := check(path); err != nil {
		return nil, err
	}
	return c.account.Do(ctx, kingdee.Request{Method: http.MethodGet, Path: path, Query: kingdee.EncodeQuery(params)})
}

// Post writes: it sends body as JSON, once, and returns the answer's data, bytes untouched. body is JSON
// text as []byte or json.RawMessage, which is sent as it is, or any value for encoding/json. Blocking
// and errors are those of kingdee.Account.Do; when Uncertain(err), ask the system before sending again.
func (c *Client) Post(ctx context.Context, path string, body any) (json.RawMessage, error) {
	text, err := encode(body)
	if err == nil {
		err = check(path)
	}
	if err != nil {
		return nil, fault.Permanent("request", fmt.Errorf("xingchen %s: %w", path, err))
	}
	return c.account.Do(ctx, kingdee.Request{Method: http.MethodPost, Path: path, Body: text, Write: true})
}

// check refuses what is no path of the API: its query would not be signed.
func check(path string) error {
	if !strings.HasPrefix(path, "/jdy/") || strings.ContainsAny(path, "?#% \t\r\n") {
		return fault.Permanent("request", fmt.Errorf("path %q does not start with /jdy/ or carries a query", path))
	}
	return nil
}

// encode returns the JSON that is sent.
func encode(body any) ([]byte, error) {
	switch v := body.(type) {
	case json.RawMessage:
		return valid(v)
	case []byte:
		return valid(v)
	}
	text, err := httpcall.JSON(body)
	if err != nil {
		return nil, fmt.Errorf("encode body: %w", err)
	}
	return text, nil
}

func valid(text []byte) ([]byte, error) {
	if !json.Valid(text) {
		return nil, errors.New("body is not JSON")
	}
	return text, nil
}
