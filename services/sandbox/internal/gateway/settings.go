package gateway

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"time"
)

// Settings are the credentials of the app, and one switch for each point at which nobody knows
// for sure how the gateway behaves.
type Settings struct {
	// ClientID and ClientSecret belong to the one app there is.
	ClientID, ClientSecret string
	// ClockSkew is how far a timestamp may be off. 5 minutes are documented.
	ClockSkew time.Duration
	// NonceOnce refuses a nonce with a timestamp that came before. Not known.
	NonceOnce bool

	// RotateAfter is the age at which the app secret of an account set is replaced, 24 hours as
	// seen in use; 0: only on demand.
	RotateAfter time.Duration
	// TokenCalls is how many token calls a minute an account set has; 0: any number. Seen in use.
	TokenCalls int
	// TokenLife is the life of tokens. 24 hours are documented.
	TokenLife time.Duration
	// ExpiredStatus is the HTTP status of calls with an expired app-token, assumed to be 401.
	ExpiredStatus int
	// AuthorizeCode answers authorisations in the envelope {"code":200}; else {"errcode":0}. Both
	// were seen.
	AuthorizeCode bool
	// AuthData adds auth_data to the tokens of KIS; without it, the app-token takes its place.
	AuthData bool
	// RouterOptional serves calls without X-GW-Router-Addr, too.
	RouterOptional bool

	// Accounts are the account sets that are authorised, in the order of the answers.
	Accounts []Account
}

// Account is an account set (账套).
type Account struct {
	// System is the product that keeps it: Xingchen or KIS.
	System string
	// OuterInstanceID is what the app calls it.
	OuterInstanceID string
	AccountID, Name string
	AppKey          string
	// Domain is the value of X-GW-Router-Addr that leads to it.
	Domain string
	// Status 1 is an authorisation in force.
	Status int
}

// The products behind the gateway.
const (
	Xingchen = "xingchen"
	KIS      = "kis"
)

// Default returns the gateway as the known facts have it, and cautious where they are silent. The
// first rows of an authorisation are not the ones to be used: a caller has to choose.
func Default() Settings {
	return Settings{
		ClientID: "200421", ClientSecret: "0123456789abcdef0123456789abcdef",
		ClockSkew: 5 * time.Minute, TokenCalls: 2, TokenLife: 24 * time.Hour,
		ExpiredStatus: http.StatusUnauthorized, AuthData: true,
		Accounts: []Account{
			{"", "300000000000000001", "1700000000000000009", "停用账套", "zZ9yX8wV", "https://vip1-hz.jdy.com", 0},
			{"", "300000000000000001", "1700000000000000005", "备用账套", "qQ5rS6tU", "https://vip2-hz.jdy.com", 1},
			{Xingchen, "300000000000000001", "1700000000000000001", "示例账套", "aB3dE9kZ", "https://tf.jdy.com", 1},
			{KIS, "300000000000000002", "1700000000000000002", "示例私有云账套", "kIs7Yx2Q", "https://kis-gw.example", 1},
		},
	}
}

// Check returns all that is wrong with s.
func (s Settings) Check() error {
	var errs []error
	reject := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	reject(s.ClientID == "", "kingdee client id is empty")
	reject(s.ClientSecret == "", "kingdee client secret is empty")
	reject(s.ClockSkew < 0, "kingdee clock skew is %v, want 0 or more", s.ClockSkew)
	reject(s.RotateAfter < 0, "kingdee secrets rotate after %v, want 0 or more", s.RotateAfter)
	reject(s.TokenCalls < 0, "kingdee token calls a minute are %d, want 0 or more", s.TokenCalls)
	reject(s.TokenLife < time.Second, "life of a kingdee token is %v, want at least 1s", s.TokenLife)
	reject(s.ExpiredStatus < 400 || s.ExpiredStatus > 599, "status of expired kingdee tokens is %d, want 400 to 599", s.ExpiredStatus)
	return errors.Join(errs...)
}

// Flags makes s changeable by arguments; what s holds are their defaults.
func Flags(flags *flag.FlagSet, s *Settings) {
	flags.StringVar(&s.ClientID, "kingdee-client-id", s.ClientID, "client id of the Kingdee app")
	flags.StringVar(&s.ClientSecret, "kingdee-client-secret", s.ClientSecret, "client secret of the Kingdee app")
	flags.DurationVar(&s.ClockSkew, "kingdee-clock-skew", s.ClockSkew, "how far Kingdee timestamps may be off")
	flags.BoolVar(&s.NonceOnce, "kingdee-nonce-once", s.NonceOnce, "refuse a Kingdee nonce and timestamp that came before")
	flags.DurationVar(&s.RotateAfter, "kingdee-rotate-after", s.RotateAfter, "age at which Kingdee app secrets are replaced; 0: only on demand")
	flags.IntVar(&s.TokenCalls, "kingdee-token-calls", s.TokenCalls, "Kingdee token calls a minute; 0: no limit")
	flags.DurationVar(&s.TokenLife, "kingdee-token-life", s.TokenLife, "life of Kingdee tokens")
	flags.IntVar(&s.ExpiredStatus, "kingdee-expired-status", s.ExpiredStatus, "HTTP status of calls with an expired Kingdee token")
	flags.BoolVar(&s.AuthorizeCode, "kingdee-authorize-code", s.AuthorizeCode, `Kingdee authorisations answer {"code":200} instead of {"errcode":0}`)
	flags.BoolVar(&s.AuthData, "kingdee-auth-data", s.AuthData, "tokens of KIS have auth_data; without, the app-token takes its place")
	flags.BoolVar(&s.RouterOptional, "kingdee-router-optional", s.RouterOptional, "serve Kingdee calls without X-GW-Router-Addr")
}
