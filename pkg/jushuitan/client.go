// Package jushuitan is a client of the Jushuitan (聚水潭) open platform, generation "openweb":
// it signs, keeps the token alive, keeps inside the call limits, reads the vendor's
// envelope tolerantly and says with pkg/fault what an error means.
//
// It knows no endpoint: paths, parameters and row keys are the caller's data.
//
//	client, err := jushuitan.New(jushuitan.Config{AppKey: key, Secrets: readSecret})
//	page, err := client.Page(ctx, "/open/shops/query", map[string]any{"page_index": 1, "page_size": 100})
//
// Where a comment states a fact about the vendor it says how sure that is: documented
// (the vendor's documentation, or several independent sources), seen in use (clients in
// production rely on it), assumed (our own careful choice; then it is a setting).
package jushuitan

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/pace"
)

// DefaultEndpoint is the vendor's production gateway (documented). The vendor's test
// gateway is https://dev-api.jushuitan.com.
const DefaultEndpoint = "https://openapi.jushuitan.com"

// App is the kind of an app at the vendor. It decides how a token is had; the two are
// not to be mixed (documented).
type App string

const (
	// SelfApp is a merchant's self-developed app (自有商城应用): the client gets its first
	// token by itself and may refresh it.
	SelfApp App = "self"
	// ISVApp is a service provider's app (服务商应用): the merchant authorises it in the
	// browser, the code of the redirect buys the token, refreshing is forbidden.
	ISVApp App = "isv"
)

// Config is what New needs. AppKey and Secrets are required, every other zero value
// means the default that its comment names.
type Config struct {
	// Endpoint is scheme and host of the gateway. Default DefaultEndpoint. Plain http is
	// for sandboxes: the vendor serves https only.
	Endpoint string
	// App is the kind of the app. Default SelfApp.
	App App
	// AppKey names the app; it is not secret.
	AppKey string
	// Secrets returns the present value of one secret: app_secret (required); access_token
	// and refresh_token (a token to start with); code (ISVApp: the authorisation code,
	// valid 15 minutes). A secret that is not there is "" or an error that is
	// fs.ErrNotExist. It is asked before every request, so a changed file counts at once,
	// and must be safe for concurrent use. Space around the value is ignored.
	Secrets func(field string) (string, error)
	// Tokens keeps the token, for all replicas of the account. Default: in memory, which
	// is not enough for an ISVApp: its code buys a token only once.
	Tokens TokenStore
	// Budget is the call limit of the account. It depends on the API package that was bought; the
	// scope (app, merchant, path) is not known, so one Client counts all its calls together
	// (assumed). A zero limit is its default: 5 a second, 100 a minute (documented).
	Budget pace.Budget
	// MinWait and MaxWait bound the wait after the vendor reported that the minute's calls are
	// used up. Defaults 15 s and 60 s (assumed).
	MinWait, MaxWait time.Duration
	// Attempts is how often one request is sent at most when the network, the gateway or
	// a rate limit is in the way. Default 5. Use 1 for calls that must not happen twice.
	Attempts int
	// Timeout limits one attempt, from connecting to the last byte. Default 30 s.
	Timeout time.Duration
	// MaxBody limits one answer, in bytes after decompression. Default 32 MiB.
	MaxBody int64
	// AuthPath is the folder of the token endpoints. Default /openWeb/auth (documented);
	// the vendor's test gateway was seen with /openWebIsv/auth.
	AuthPath string
	// RefreshAhead is how long before its end a token is refreshed (SelfApp). Default 12 h:
	// an earlier refresh has no effect (seen in use, sources differ).
	RefreshAhead time.Duration
	// TokenSettle is the wait between a renewal and the next call: the gateway may answer
	// from its cache of the old state for a moment (seen in use, length assumed). Default
	// 1 s, negative for none.
	TokenSettle time.Duration
	// HTTP sends the requests. Default: a plain client. Redirects are never followed: they
	// would carry the token to another host.
	HTTP *http.Client
	// Version goes into the User-Agent, erpstream/<version>. Default "dev".
	Version string
	// Log hears of renewals and of repeated attempts, never of secrets. Default: nothing.
	Log *slog.Logger
}

// Configure returns the configuration that the settings and secrets of a connection make. get
// returns one of them as it is now, "" when it is not there; it is kept, for secrets are read before
// each use, and must be safe for concurrent use. The settings are
//
//   - endpoint: the gateway
//   - app_key: names the app (required)
//   - app: self or isv
//   - auth_path: the folder of the token endpoints
//   - app_secret (a secret, required), access_token, refresh_token, code (secrets): see Config.Secrets
//
// What is "" has the default that Config names. Budget, Tokens, Version and Log are the caller's.
func Configure(get func(name string) string) Config {
	return Config{
		Endpoint: get("endpoint"),
		App:      App(get("app")),
		AppKey:   get("app_key"),
		AuthPath: get("auth_path"),
		Secrets:  func(field string) (string, error) { return get(field), nil },
	}
}

// String names the account without its secrets.
func (c Config) String() string {
	return fmt.Sprintf("jushuitan %s app %s at %s", cmp.Or(c.App, SelfApp), c.AppKey, cmp.Or(c.Endpoint, DefaultEndpoint))
}

// GoString is String: no verb of fmt prints more.
func (c Config) GoString() string { return c.String() }

// LogValue is String for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// withDefaults returns c with every zero value replaced, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Endpoint = strings.TrimRight(cmp.Or(c.Endpoint, DefaultEndpoint), "/")
	c.AuthPath = strings.TrimRight(cmp.Or(c.AuthPath, "/openWeb/auth"), "/")
	c.App = cmp.Or(c.App, SelfApp)
	c.Attempts = cmp.Or(c.Attempts, 5)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.MaxBody = cmp.Or(c.MaxBody, 32<<20)
	c.RefreshAhead = cmp.Or(c.RefreshAhead, 12*time.Hour)
	c.TokenSettle = max(0, cmp.Or(c.TokenSettle, time.Second))
	c.Version = cmp.Or(c.Version, "dev")
	c.Budget.PerSecond = cmp.Or(c.Budget.PerSecond, 5)
	c.Budget.PerMinute = cmp.Or(c.Budget.PerMinute, 100)
	c.MinWait = cmp.Or(c.MinWait, 15*time.Second)
	c.MaxWait = cmp.Or(c.MaxWait, time.Minute)
	c.HTTP = cmp.Or(c.HTTP, &http.Client{})
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Tokens == nil {
		c.Tokens = &MemoryStore{}
	}
	return c, c.check()
}

func (c Config) check() error {
	errs := []error{httpcall.CheckEndpoint(c.Endpoint)}
	refuse := func(bad bool, text string) {
		if bad {
			errs = append(errs, errors.New(text))
		}
	}
	refuse(c.App != SelfApp && c.App != ISVApp, fmt.Sprintf("app kind %q is neither self nor isv", c.App))
	refuse(c.AppKey == "", "app_key is empty")
	refuse(c.Secrets == nil, "no source of secrets")
	refuse(c.Attempts < 0 || c.Timeout < 0 || c.MaxBody < 0, "attempts, timeout or body limit is negative")
	refuse(c.MinWait < 0 || c.MaxWait < c.MinWait, "wait for the minute's end is negative, or the longest shorter than the shortest")
	refuse(!isPath(c.AuthPath), "path of the token endpoints does not start with /")
	return errors.Join(append(errs, c.Budget.Check())...)
}

// isPath reports whether p can be joined to the endpoint as it is.
func isPath(p string) bool {
	return strings.HasPrefix(p, "/") && !strings.ContainsAny(p, "?#% \t\r\n")
}

// Client calls the API for one account. It is safe for concurrent use; all calls share
// one budget and one token, so an account should have one Client per process.
type Client struct {
	cfg    Config
	http   *httpcall.Client
	pace   *pace.Limiter
	tokens *tokens
}

// New returns a Client. It checks cfg, naming all faults at once, and calls nobody.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("configure jushuitan client: %w", err)
	}
	c := &Client{
		cfg:  cfg,
		http: httpcall.New(cfg.HTTP, cfg.Timeout, cfg.MaxBody, cfg.Version),
		pace: pace.New(cfg.Budget),
	}
	c.tokens = &tokens{cfg: cfg, send: c.exchange}
	return c, nil
}

// String names the account without its secrets. It and the next two are methods of the
// value, so that a copy prints no more than the Client.
func (c Client) String() string { return c.cfg.String() }

// GoString is String: no verb of fmt prints more.
func (c Client) GoString() string { return c.cfg.String() }

// LogValue is String for slog.
func (c Client) LogValue() slog.Value { return c.cfg.LogValue() }

// Rest makes the next call keep its distance from one that another process may just have made.
func (c *Client) Rest() { c.pace.Rest() }

// Skew is that of httpcall.Client: how far the vendor's clock is ahead, at least and at most.
func (c *Client) Skew() (least, most time.Duration) { return c.http.Skew() }

// Call sends biz to path and returns the answer's data, bytes untouched, nil when the
// vendor sent none. biz is nil (then {}), JSON text as []byte, json.RawMessage or string
// (sent as it is), or any value for encoding/json.
//
// Call blocks: for the account's budget, for a token, and between attempts, until ctx
// ends; then the error is the cause of that, unclassified. Network and gateway trouble and
// rate limits are tried again up to Config.Attempts times, each time with a new timestamp,
// and a refused token is renewed once; so a request may arrive more than once: Call is for
// queries. Every error but that of ctx is classified:
//
//   - Permanent: the request is wrong (class request), or the code is unknown (vendor), or
//     the answer is larger than Config.MaxBody (size)
//   - Busy: rate, http, answer (not the vendor's JSON), network, timeout, vendor (its
//     internal error), token-store
//   - Down: signature, token, ip, permission (for this path only), clock, secret, connection
//
// A refusal by the vendor is an *Error in the chain. No error carries a secret.
func (c *Client) Call(ctx context.Context, path string, biz any) (json.RawMessage, error) {
	env, err := c.call(ctx, path, biz)
	return env.data, err
}

// Page is Call for a query endpoint: it reads the page object in data. The rows are
// looked for under rowsKeys, by default datas, orders, inventorys, shops; the first that
// is not null counts, none is an empty page. An answer that is no page object is Busy,
// class answer. Errors and blocking are those of Call.
func (c *Client) Page(ctx context.Context, path string, biz any, rowsKeys ...string) (Page, error) {
	env, err := c.call(ctx, path, biz)
	if err != nil {
		return Page{}, err
	}
	page, err := decodePage(env.data, rowsKeys)
	if err != nil {
		return Page{}, fault.Busy("answer", 0, fmt.Errorf("jushuitan %s: %w", path, err))
	}
	page.RequestID = env.requestID
	return page, nil
}

// TokenExpires returns when the token in use ends, for a warning in time: an ISV app
// stops then until a person authorises it again. Zero means that no token is in use yet
// or that its end is not known.
func (c *Client) TokenExpires() time.Time { return c.tokens.cached().ExpiresAt }

// call sends a business request, and once more with a new token when the vendor says that
// the token is not valid. A second refusal stands.
func (c *Client) call(ctx context.Context, path string, biz any) (envelope, error) {
	text, err := bizText(biz)
	if err != nil {
		return envelope{}, fault.Permanent("request", fmt.Errorf("jushuitan %s: %w", path, err))
	}
	if !isPath(path) {
		return envelope{}, fault.Permanent("request", fmt.Errorf("path %q does not start with / or carries a query", path))
	}
	token, err := c.tokens.current(ctx)
	if err != nil {
		return envelope{}, fmt.Errorf("token for %s: %w", path, err)
	}
	env, err := c.exchange(ctx, business(path, token, text))
	if !wantsToken(err) {
		return env, err
	}
	if token, err = c.tokens.renew(ctx, token); err != nil {
		return envelope{}, fmt.Errorf("renew token for %s: %w", path, err)
	}
	return c.exchange(ctx, business(path, token, text))
}

// bizText returns the exact text that is signed and sent.
func bizText(biz any) (string, error) {
	var text []byte
	switch v := biz.(type) {
	case nil:
		return "{}", nil
	case []byte:
		text = v
	case json.RawMessage:
		text = v
	case string:
		text = []byte(v)
	default:
		return encodeBiz(biz)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return "{}", nil
	}
	if !json.Valid(text) {
		return "", errors.New("biz is not JSON")
	}
	return string(text), nil
}

func encodeBiz(biz any) (string, error) {
	text, err := httpcall.JSON(biz)
	if err != nil {
		return "", fmt.Errorf("encode biz: %w", err)
	}
	return string(text), nil
}

// request is one request without what is new in each attempt: timestamp and sign.
type request struct {
	path   string
	params map[string]string
	auth   bool // a token endpoint: not counted by the limits (assumed), its body never shown
}

func business(path string, token Token, biz string) request {
	return request{path: path, params: map[string]string{
		"access_token": token.Access,
		"version":      "2",
		"biz":          biz,
	}}
}

// exchange sends req until it is answered, refused for good, or the attempts are used up.
// A refused timestamp is renewed once, beside the attempts.
func (c *Client) exchange(ctx context.Context, req request) (envelope, error) {
	restamped := false
	for n := 1; ; n++ {
		env, err := c.once(ctx, req)
		if err == nil {
			return env, nil
		}
		if ctx.Err() != nil {
			return envelope{}, fmt.Errorf("jushuitan %s: %w", req.path, context.Cause(ctx))
		}
		what := remedyFor(err)
		if what == restamp && !restamped {
			restamped = true
			n--
			continue
		}
		if what == giveUp || what == renewToken || what == restamp {
			return envelope{}, err
		}
		wait := c.wait(what, n)
		if n >= c.cfg.Attempts {
			return envelope{}, fault.Spent(err, n, wait)
		}
		c.cfg.Log.DebugContext(ctx, "try again", "path", req.path, "attempt", n, "wait", wait, "err", err)
		if err := pace.Sleep(ctx, wait); err != nil {
			return envelope{}, fmt.Errorf("jushuitan %s: %w", req.path, err)
		}
	}
}

// longestBackoff bounds the wait that doubles with each attempt.
const longestBackoff = 8 * time.Second

// wait returns how long to wait after attempt n. What the rate limits ask for holds back
// every call of the account, also when this one gives up.
func (c *Client) wait(what remedy, n int) time.Duration {
	switch what {
	case waitSecond:
		return c.pace.Hold(pace.Backoff(time.Second, longestBackoff, n))
	case waitMinute:
		return c.pace.Hold(min(max(c.pace.MinuteLeft(), c.cfg.MinWait), c.cfg.MaxWait))
	default:
		return pace.Backoff(500*time.Millisecond, longestBackoff, n)
	}
}

// once makes one attempt, with a timestamp and a sign of its own.
func (c *Client) once(ctx context.Context, req request) (envelope, error) {
	if !req.auth {
		_, end, err := c.pace.Begin(ctx)
		if err != nil {
			return envelope{}, err
		}
		defer end()
	}
	secret, err := readSecret(c.cfg.Secrets, "app_secret")
	if err == nil && secret == "" {
		err = errors.New("secret app_secret is missing: put the app's secret from the vendor's console there")
	}
	if err != nil {
		return envelope{}, fault.Down("secret", err)
	}
	form := c.form(req, secret)
	answer, err := c.http.Do(ctx, httpcall.Form(c.cfg.Endpoint+req.path, form))
	if err != nil {
		return envelope{}, fmt.Errorf("jushuitan %s: %w", req.path, err)
	}
	hidden := httpcall.Hide(secret, form["sign"], form["access_token"], form["refresh_token"], form["code"])
	return req.read(answer, hidden)
}

// form returns what is sent: req's parameters, the common ones, and the sign over all.
// None is ever empty: an empty value is signed by some and left out by others.
func (c *Client) form(req request, secret string) map[string]string {
	form := maps.Clone(req.params)
	form["app_key"] = c.cfg.AppKey
	form["timestamp"] = strconv.FormatInt(time.Now().Unix(), 10)
	form["charset"] = "utf-8"
	form["sign"] = Sign(secret, form)
	return form
}
