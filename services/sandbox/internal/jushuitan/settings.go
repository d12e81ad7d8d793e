package jushuitan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Settings are the credentials and limits of the vendor, and one switch for each point at which
// nobody knows for sure how the vendor behaves.
type Settings struct {
	// AppKey and AppSecret belong to the one app there is.
	AppKey, AppSecret string
	// AppKind is "self" for a merchant's own app or "isv" for a service provider's.
	AppKind string

	// PerSecond and PerMinute limit the calls of one token; 0 means no limit.
	PerSecond, PerMinute int
	// CountRejected lets calls beyond a limit count against it, too.
	CountRejected bool
	// BothExceeded is the code (199 or 200) where both limits are exceeded.
	BothExceeded int

	// ClockSkew is how far a timestamp may be off.
	ClockSkew time.Duration
	// SignEmpty says what becomes of empty parameters in the signature: "skip", "keep", or
	// "either" to accept both.
	SignEmpty string
	// SignAnyCase accepts signatures in upper case.
	SignAnyCase bool
	// BadSignCode (10 or 120) and BadTimeCode (140 or 180) follow the newer or older numbering.
	BadSignCode, BadTimeCode int

	// ExpiresIn is the life of a token.
	ExpiresIn time.Duration
	// RefreshMode is "extend" (same token, new expiry) or "rotate" (a new pair).
	RefreshMode string
	// RefreshWindow is how long before expiry a refresh starts to have an effect.
	RefreshWindow time.Duration
	// RotateGrace is how long a replaced access token stays good.
	RotateGrace time.Duration
	// RefreshLag is how long business calls still fail after a refresh.
	RefreshLag time.Duration

	// AllowIPs lists who may call; empty means everyone.
	AllowIPs []netip.Prefix
	// DenyPaths lists the business paths that the app has no permission for.
	DenyPaths []string

	// PageSizeAboveMax is "clamp" or "strict" (code 140).
	PageSizeAboveMax string
	// EmptyDatas is how a page without rows looks: "array" or "null".
	EmptyDatas string
	// TotalsWithout is how totals look that were not asked for: "omit", "null" or "zero".
	TotalsWithout string
	// MaxWindow is the widest window of time.
	MaxWindow time.Duration
	// WindowBounds is "closed" (both ends included) or "half-open" (the end is not).
	WindowBounds string
	// StartTSStatuses is which statuses a query by row version returns: "default" (as any other
	// query) or "all".
	StartTSStatuses string
	// NewerTSText writes ts as text on the newer purchase receipt path.
	NewerTSText bool
	// EmitTS writes ts into rows of the other goods movements, too.
	EmitTS bool
	// RequestID adds a request_id to every answer.
	RequestID bool

	// Edits is how many edits each of EditFeeds (some of Feeds) gets while the vendor is polled,
	// beginning with the first business query: EditRate of them a second, or EditOnPage after each
	// page.
	Edits      int
	EditFeeds  []string
	EditRate   float64
	EditOnPage int
	// LateCommits is how many further edits each of EditFeeds gets, shops excepted, that are seen only
	// up to LateBy after the time of modification that they bear.
	LateCommits int
	LateBy      time.Duration
}

// Default returns the vendor as the known facts have it, and cautious where they are silent.
func Default() Settings {
	return Settings{
		AppKey: "sandbox-app-key-0001", AppSecret: "sandbox-secret-0001", AppKind: "self",
		PerSecond: 5, PerMinute: 100, CountRejected: true, BothExceeded: 199,
		ClockSkew: 15 * time.Minute, SignEmpty: "either", BadSignCode: 10, BadTimeCode: 140,
		ExpiresIn: 30 * 24 * time.Hour, RefreshMode: "extend", RefreshWindow: 12 * time.Hour,
		PageSizeAboveMax: "clamp", EmptyDatas: "array", TotalsWithout: "omit",
		MaxWindow: 7 * 24 * time.Hour, WindowBounds: "closed", StartTSStatuses: "default",
		NewerTSText: true, RequestID: true, EditFeeds: []string{FeedPurchaseIn},
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
	oneOf := func(name, value string, allowed ...string) {
		reject(!slices.Contains(allowed, value), "%s is %q, want one of %q", name, value, allowed)
	}
	reject(s.AppKey == "", "app key is empty")
	reject(s.AppSecret == "", "app secret is empty")
	oneOf("app kind", s.AppKind, "self", "isv")
	reject(s.PerSecond < 0 || s.PerMinute < 0, "limits are %d a second and %d a minute, want 0 or more", s.PerSecond, s.PerMinute)
	reject(s.BothExceeded != 199 && s.BothExceeded != 200, "code for both limits is %d, want 199 or 200", s.BothExceeded)
	reject(s.ClockSkew < 0, "clock skew is %v, want 0 or more", s.ClockSkew)
	oneOf("empty parameters in the signature", s.SignEmpty, "skip", "keep", "either")
	reject(s.BadSignCode != 10 && s.BadSignCode != 120, "code for a bad signature is %d, want 10 or 120", s.BadSignCode)
	reject(s.BadTimeCode != 140 && s.BadTimeCode != 180, "code for a bad timestamp is %d, want 140 or 180", s.BadTimeCode)
	reject(s.ExpiresIn < time.Second, "life of a token is %v, want at least 1s", s.ExpiresIn)
	oneOf("refresh mode", s.RefreshMode, "extend", "rotate")
	reject(min(s.RefreshWindow, s.RotateGrace, s.RefreshLag) < 0, "refresh window, rotate grace and refresh lag have to be 0 or more")
	oneOf("page size above the maximum", s.PageSizeAboveMax, "clamp", "strict")
	oneOf("empty datas", s.EmptyDatas, "array", "null")
	oneOf("totals not asked for", s.TotalsWithout, "omit", "null", "zero")
	reject(s.MaxWindow < time.Second, "widest window is %v, want at least 1s", s.MaxWindow)
	oneOf("window bounds", s.WindowBounds, "closed", "half-open")
	oneOf("statuses of queries by row version", s.StartTSStatuses, "default", "all")
	for _, feed := range s.EditFeeds {
		oneOf("feed to edit", feed, Feeds...)
	}
	reject(s.LateCommits < 0 || s.LateBy < 0, "late commits are %d by %v, want 0 or more", s.LateCommits, s.LateBy)
	reject(s.Edits < 0 || s.EditOnPage < 0 || !(s.EditRate >= 0 && s.EditRate <= 1000),
		"edits are %d, %d a page, %v a second; want 0 or more and at most 1000 a second", s.Edits, s.EditOnPage, s.EditRate)
	return errors.Join(errs...)
}
