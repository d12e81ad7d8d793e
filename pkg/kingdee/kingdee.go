// Package kingdee is the gateway of 金蝶 Kingdee at api.kingdee.com that 云星辰 V2 (package xingchen)
// and KIS 私有云 (package kis) stand behind: its signature, the authorisation of an account set, the
// token that all replicas share, the envelope of the answers and what its errors mean.
//
// Where a comment states a fact about the vendor it says how sure that is: documented (the vendor's
// own artefacts), seen in use (clients in production rely on it), assumed (our own careful choice;
// then it is a setting or stands where it can be changed).
package kingdee

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/pace"
	"github.com/erpstream/erpstream/pkg/token"
)

// DefaultEndpoint is the vendor's gateway for all tenants (seen in use). The tenant's own domain goes
// into a header and is never called.
const DefaultEndpoint = "https://api.kingdee.com"

// Config is one account set and how it is called. ClientID and ClientSecret are required, and
// OuterInstanceID for accounts that authorise an app; every other zero value means the default that
// its comment names.
type Config struct {
	// Endpoint is scheme and host of the gateway. Default DefaultEndpoint. Plain http is for sandboxes.
	Endpoint string
	// ClientID names the app of open.jdy.com.
	ClientID string
	// ClientSecret returns the app's secret. It is asked whenever something is signed, so a changed
	// file counts at once, and must be safe for concurrent use.
	ClientSecret func() (string, error)
	// OuterInstanceID names what the tenant authorised (第三方实例ID).
	OuterInstanceID string
	// AppKey and AccountID choose the account set among those that are authorised. One of them can
	// be left out, and both where there is one account set only.
	AppKey, AccountID string
	// Domain replaces the tenant's domain, as the authorisation names it, in X-GW-Router-Addr.
	Domain string
	// Name is the entry of the session in Tokens: the connection's name. Default: the app key.
	Name string
	// Tokens keeps the session for all replicas. Default: in memory.
	Tokens token.Store
	// Budget is the call limit. A zero PerMinute is the system's default.
	Budget pace.Budget
	// Attempts is how often a read is sent at most when the network, the gateway or a limit is in the
	// way. Default 5. A write is sent once.
	Attempts int
	// Timeout limits one attempt, from connecting to the last byte. Default 30 s.
	Timeout time.Duration
	// MaxBody limits one answer, in bytes. Default 32 MiB.
	MaxBody int64
	// HTTP sends the requests. Default: a plain client. Redirects are never followed.
	HTTP *http.Client
	// Version goes into the User-Agent, erpstream/<version>. Default "dev".
	Version string
	// Log hears of renewals and of repeated attempts, never of secrets. Default: nothing.
	Log *slog.Logger
}

// Configure returns the configuration that a connection describes. get returns a setting or a secret
// by name, "" where there is none (flow.Connection.Getter): connection, endpoint, client_id,
// outer_instance_id, app_key, account_id, domain, and the secret client_secret, which is read anew
// for each use.
func Configure(get func(name string) string, budget pace.Budget) Config {
	return Config{
		Endpoint:        get("endpoint"),
		ClientID:        get("client_id"),
		ClientSecret:    Secret(get, "client_secret", "put the app's secret from open.jdy.com there"),
		OuterInstanceID: get("outer_instance_id"),
		AppKey:          get("app_key"),
		AccountID:       get("account_id"),
		Domain:          get("domain"),
		Name:            get("connection"),
		Budget:          budget,
	}
}

// Secret returns a function that reads a secret at each call. Its error is Down, class secret, and
// says what to do.
func Secret(get func(name string) string, name, advice string) func() (string, error) {
	return func() (string, error) {
		value := strings.TrimSpace(get(name))
		if value == "" {
			return "", fault.Down(classSecret, fmt.Errorf("secret %s is missing: %s", name, advice))
		}
		return value, nil
	}
}

// String names the account without its secrets.
func (c Config) String() string {
	return fmt.Sprintf("kingdee app %s account set %s at %s", c.ClientID, cmp.Or(c.AppKey, c.AccountID), cmp.Or(c.Endpoint, DefaultEndpoint))
}

// GoString is String: no verb of fmt prints more.
func (c Config) GoString() string { return c.String() }

// LogValue is String for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// withDefaults returns c with every zero value replaced, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Endpoint = strings.TrimRight(cmp.Or(c.Endpoint, DefaultEndpoint), "/")
	c.Name = cmp.Or(c.Name, c.AppKey, "kingdee")
	c.Attempts = cmp.Or(c.Attempts, 5)
	c.Timeout = cmp.Or(c.Timeout, 30*time.Second)
	c.MaxBody = cmp.Or(c.MaxBody, 32<<20)
	c.Version = cmp.Or(c.Version, "dev")
	c.HTTP = cmp.Or(c.HTTP, &http.Client{})
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Tokens == nil {
		c.Tokens = &token.Memory{}
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
	refuse(c.ClientID == "", "client_id is empty")
	refuse(c.ClientSecret == nil, "no source of the client secret")
	refuse(c.Attempts < 0 || c.Timeout < 0 || c.MaxBody < 0, "attempts, timeout or body limit is negative")
	return errors.Join(append(errs, c.Budget.Check())...)
}
