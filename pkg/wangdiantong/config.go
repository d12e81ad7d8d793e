package wangdiantong

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/httpcall"
	"github.com/erpstream/erpstream/pkg/pace"
)

// Edition is one of the vendor's two products. They share a name and little else.
type Edition string

const (
	// Enterprise is 企业版.
	Enterprise Edition = "enterprise"
	// Flagship is 旗舰版.
	Flagship Edition = "flagship"
)

// Transport is the way to an account.
type Transport string

const (
	// Direct calls the vendor's own gateway. It withholds the orders of Taobao and of some other
	// platforms (documented).
	Direct Transport = "direct"
	// Qimen calls through Taobao's 奇门 gateway, with a key of Taobao's besides.
	Qimen Transport = "qimen"
)

// TargetAppKey is the key under which Qimen knows the vendor, for both editions (seen in use).
const TargetAppKey = "21363512"

// Config is what New needs. Edition, SID, Secrets and the keys of the transport are required,
// every other zero value means the default that its comment names.
type Config struct {
	Edition Edition
	// Transport is Direct by default.
	Transport Transport
	// Endpoint is the gateway. Default: the vendor's production gateway for Edition and Transport.
	// Without a path it gets the usual one (/openapi2, /openapi, /router/qm); with a path it is
	// the whole, for test gateways such as …/router/qmtest.
	Endpoint string
	// SID names the merchant: sid, and wdt3_customer_id for Flagship through Qimen.
	SID string
	// AppKey is Wangdiantong's key: appkey, key or wdt_appkey. Enterprise through Qimen has none.
	AppKey string
	// TopAppKey is Taobao's key, for Qimen.
	TopAppKey string
	// TargetAppKey is whom Qimen calls. Default TargetAppKey.
	TargetAppKey string
	// Secrets returns the present value of one secret: app_secret, Wangdiantong's, for Flagship of
	// the form secret:salt (Enterprise through Qimen needs none); top_app_secret, Taobao's, for
	// Qimen. A secret that is not there is "" or an error. It is asked before every request, so a
	// changed file counts at once, and must be safe for concurrent use. Space around the value is
	// ignored.
	Secrets func(field string) (string, error)
	// SignMethod is how Qimen's signature is made. Default MD5.
	SignMethod SignMethod
	// CountBytes makes lengths in the enterprise edition's signature count bytes instead of
	// characters; see SignEnterprise. A difference shows with Chinese parameters only, as a
	// refused signature.
	CountBytes bool
	// Budget is the call limit of the account. Calls are spaced evenly and made one at a time.
	// Without PerMinute it is 50: the vendor allows 60 (seen in use), over all methods (assumed).
	Budget pace.Budget
	// RateWait is the shortest wait after the vendor said that the minute's calls are used up;
	// it doubles with each attempt, up to 20 times itself. Default 30 s (seen in use; the vendor's
	// own advice is 5 to 10 minutes, which the doubling reaches).
	RateWait time.Duration
	// Attempts is how often one request is sent at most when the network, the gateway or a rate
	// limit is in the way. Default 5.
	Attempts int
	// Timeout limits one attempt, from connecting to the last byte. Default 60 s.
	Timeout time.Duration
	// MaxBody limits one answer, in bytes after decompression. Default 32 MiB.
	MaxBody int64
	// HTTP sends the requests. Default: a plain client. Redirects are never followed.
	HTTP *http.Client
	// Now is the clock of the timestamps that requests carry. Default time.Now.
	Now func() time.Time
	// Version goes into the User-Agent, erpstream/<version>. Default "dev".
	Version string
	// Log hears of repeated attempts, never of secrets. Default: nothing.
	Log *slog.Logger
}

// Configure returns the Config that the settings of a connection describe; get returns the
// setting or secret of a name, "" where there is none. The settings are edition, transport,
// endpoint, sid, app_key, top_app_key, target_app_key, sign_method (md5, hmac, hmac-sha256),
// sign_length (characters or bytes) and rate_wait (such as 30s); the secrets, asked when they are
// used, are those of Config.Secrets. The error names all settings that can't be read; New checks
// the rest.
func Configure(get func(name string) string) (Config, error) {
	cfg := Config{
		Edition:      Edition(get("edition")),
		Transport:    Transport(get("transport")),
		Endpoint:     get("endpoint"),
		SID:          get("sid"),
		AppKey:       get("app_key"),
		TopAppKey:    get("top_app_key"),
		TargetAppKey: get("target_app_key"),
		Secrets:      func(field string) (string, error) { return get(field), nil },
		SignMethod:   SignMethod(get("sign_method")),
	}
	var errs []error
	switch length := get("sign_length"); length {
	case "", "characters":
	case "bytes":
		cfg.CountBytes = true
	default:
		errs = append(errs, fmt.Errorf("sign_length %q is neither characters nor bytes", length))
	}
	if text := get("rate_wait"); text != "" {
		wait, err := time.ParseDuration(text)
		if err != nil || wait <= 0 {
			errs = append(errs, fmt.Errorf("rate_wait %q is no time such as 30s", text))
		}
		cfg.RateWait = wait
	}
	return cfg, errors.Join(errs...)
}

// String names the account without its secrets.
func (c Config) String() string {
	return fmt.Sprintf("wangdiantong %s %s account %s at %s", c.Edition, cmp.Or(c.Transport, Direct), c.SID, c.address())
}

// GoString is String: no verb of fmt prints more.
func (c Config) GoString() string { return c.String() }

// LogValue is String for slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// gateway returns the vendor's production gateway and the path on any gateway: enterprise direct is
// documented, flagship direct too (with http; https is seen in use), both Qimen ones are seen in
// use. The first label of a Qimen host is the scene, which a method need not repeat (seen in use).
func gateway(e Edition, t Transport) (host, path string) {
	switch {
	case e == Flagship && t == Qimen:
		return "https://3ldsmu02o9.api.taobao.com", "/router/qm"
	case e == Flagship:
		return "https://wdt.wangdian.cn", "/openapi"
	case t == Qimen:
		return "https://hu3cgwt0tc.api.taobao.com", "/router/qm"
	default:
		return "https://api.wangdian.cn", "/openapi2"
	}
}

// address returns the endpoint with its path.
func (c Config) address() string {
	host, path := gateway(c.Edition, c.Transport)
	endpoint := strings.TrimRight(cmp.Or(c.Endpoint, host), "/")
	if u, err := url.Parse(endpoint); err == nil && u.Path == "" {
		return endpoint + path
	}
	return endpoint
}

// withDefaults returns c with every zero value replaced, or all that is wrong with it.
func (c Config) withDefaults() (Config, error) {
	c.Endpoint = c.address()
	c.Transport = cmp.Or(c.Transport, Direct)
	c.TargetAppKey = cmp.Or(c.TargetAppKey, TargetAppKey)
	c.SignMethod = cmp.Or(c.SignMethod, MD5)
	c.Budget.PerMinute = cmp.Or(c.Budget.PerMinute, 50)
	c.RateWait = cmp.Or(c.RateWait, 30*time.Second)
	c.Attempts = cmp.Or(c.Attempts, 5)
	c.Timeout = cmp.Or(c.Timeout, time.Minute)
	c.MaxBody = cmp.Or(c.MaxBody, 32<<20)
	c.HTTP = cmp.Or(c.HTTP, &http.Client{})
	c.Version = cmp.Or(c.Version, "dev")
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Now == nil {
		c.Now = time.Now
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
	refuse(c.Edition != Enterprise && c.Edition != Flagship,
		fmt.Sprintf("edition %q is neither enterprise nor flagship", c.Edition))
	refuse(c.Transport != Direct && c.Transport != Qimen,
		fmt.Sprintf("transport %q is neither direct nor qimen", c.Transport))
	refuse(c.SID == "", "sid is empty")
	refuse(c.AppKey == "" && (c.Edition == Flagship || c.Transport == Direct), "app_key is empty")
	refuse(c.TopAppKey == "" && c.Transport == Qimen, "top_app_key is empty")
	refuse(c.SignMethod != MD5 && c.SignMethod != HMAC && c.SignMethod != HMACSHA256,
		fmt.Sprintf("sign_method %q is none of md5, hmac, hmac-sha256", c.SignMethod))
	refuse(c.Secrets == nil, "no source of secrets")
	refuse(c.Attempts < 0 || c.Timeout < 0 || c.MaxBody < 0 || c.RateWait < 0,
		"attempts, timeout, body limit or rate wait is negative")
	return errors.Join(append(errs, c.Budget.Check())...)
}
