package wangdiantong

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Settings are the credentials and limits of the vendor, and one switch for each point at which
// nobody knows for sure how the vendor behaves.
type Settings struct {
	// Sid, AppKey and AppSecret are the account of the enterprise edition.
	Sid, AppKey, AppSecret string
	// FlagshipSid, FlagshipKey and FlagshipSecret ("secret:salt") are that of the flagship edition.
	FlagshipSid, FlagshipKey, FlagshipSecret string
	// TopAppKey and TopSecret are the caller's at Qimen, TargetAppKey is Wangdiantong's there.
	TopAppKey, TopSecret, TargetAppKey string

	// PerMinute limits the calls of one account in a minute, Concurrent those at once; 0 means no
	// limit.
	PerMinute, Concurrent int
	// RateWindow is "fixed" (each minute of the clock starts anew) or "sliding" (any 60 seconds).
	RateWindow string
	// LimitPerMethod counts the calls of each method by themselves.
	LimitPerMethod bool

	// EnterpriseSkew, FlagshipSkew and QimenSkew are how far the timestamps of the three ways in
	// may be off. QimenSkew also holds for the datetime of the flagship edition there.
	EnterpriseSkew, FlagshipSkew, QimenSkew time.Duration
	// ClockOffset is how far the vendor's clock goes ahead of ours (behind, if negative).
	ClockOffset time.Duration
	// SignLength says what the lengths in enterprise signatures count: "strict" for characters
	// alone, "lenient" to accept bytes, and empty values left out, too.
	SignLength string

	// Codes are the codes of the enterprise edition. All but Rate and Internal are invented.
	Codes Codes
	// GatewayErrors is the shape of what Qimen itself refuses: "response" (flag=failure) or
	// "error_response".
	GatewayErrors string

	// PageSizeAboveMax is "clamp" or "reject".
	PageSizeAboveMax string
	// TotalCount is the type of total_count of the enterprise edition called directly: "string" or
	// "int". Qimen has an int.
	TotalCount string
	// EmptyList is how a page without rows looks: "array" or "absent".
	EmptyList string
	// QimenStatus is the type of status of the flagship edition at Qimen: "int" or "string".
	QimenStatus string
	// QimenNumbers is how numbers in its rows look there: "number" or "string".
	QimenNumbers string
	// ProcessStatus is the type of process_status of refunds: "int" or "string".
	ProcessStatus string
	// HidePlatforms keeps refunds of Taobao and Pinduoduo from direct calls.
	HidePlatforms bool

	// RefundTypes are the types that refunds have; nil means all that there are.
	RefundTypes []int

	// VisibleAfter is how long after its modification a document can first be read.
	VisibleAfter time.Duration
	// DuplicateRows is how many rows at the end of each page are sent twice.
	DuplicateRows int

	// StockInEdits and RefundEdits are how many documents are edited while the vendor is polled,
	// beginning with the first business query: EditRate of each kind a second, or EditOnPage after
	// each page of the kind.
	StockInEdits, RefundEdits int
	// LateStockIns and LateRefunds are how many further edits there are that are seen only up to LateBy
	// after the time of modification that they bear.
	LateStockIns, LateRefunds int
	LateBy                    time.Duration
	EditRate                  float64
	EditOnPage                int
}

// Codes are error codes of the enterprise edition.
type Codes struct {
	Sid, AppKey, Sign, Timestamp, Parameter, Window, Internal, Rate int
}

// Default returns the vendor as the known facts have it, and cautious where they are silent.
func Default() Settings {
	return Settings{
		Sid: "demo2", AppKey: "demo2-test", AppSecret: "b7c1e0f2a4d6",
		FlagshipSid: "wdtdemo3", FlagshipKey: "demo3-test", FlagshipSecret: "f1e2d3c4b5a6:n4cl",
		TopAppKey: "12345678", TopSecret: "topsecret0123456789abcdef", TargetAppKey: "21363512",
		PerMinute: 60, Concurrent: 5, RateWindow: "fixed",
		EnterpriseSkew: 5 * time.Minute, FlagshipSkew: 2 * time.Minute, QimenSkew: 10 * time.Minute,
		SignLength: "strict",
		Codes: Codes{
			Sid: 2030, AppKey: 2060, Sign: 2100, Timestamp: 2100, Parameter: 2104, Window: 2104, Internal: 1020, Rate: 1012,
		},
		GatewayErrors: "response", PageSizeAboveMax: "clamp", TotalCount: "string", EmptyList: "array",
		QimenStatus: "int", QimenNumbers: "number", ProcessStatus: "int", HidePlatforms: true,
	}
}

// Check returns all that is wrong with s.
func (s Settings) Check() error {
	var errs []error
	reject := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("wangdiantong: "+format, args...))
		}
	}
	oneOf := func(name, value string, allowed ...string) {
		reject(!slices.Contains(allowed, value), "%s is %q, want one of %q", name, value, allowed)
	}
	for _, credential := range []struct{ name, value string }{
		{"sid", s.Sid}, {"app key", s.AppKey}, {"app secret", s.AppSecret},
		{"flagship sid", s.FlagshipSid}, {"flagship key", s.FlagshipKey},
		{"app key at Qimen", s.TopAppKey}, {"app secret at Qimen", s.TopSecret}, {"target app key", s.TargetAppKey},
	} {
		reject(credential.value == "", "%s is empty", credential.name)
	}
	secret, salt, _ := strings.Cut(s.FlagshipSecret, ":")
	reject(secret == "" || salt == "", "flagship secret is not of the form secret:salt")
	reject(s.PerMinute < 0 || s.Concurrent < 0, "limits are %d a minute and %d at once, want 0 or more", s.PerMinute, s.Concurrent)
	oneOf("rate window", s.RateWindow, "fixed", "sliding")
	reject(min(s.EnterpriseSkew, s.FlagshipSkew, s.QimenSkew) < 0, "clock skews have to be 0 or more")
	oneOf("length in signatures", s.SignLength, "strict", "lenient")
	reject(slices.Contains(s.Codes.all(), 0), "codes are %+v, want none to be 0", s.Codes)
	oneOf("gateway errors", s.GatewayErrors, "response", "error_response")
	oneOf("page size above the maximum", s.PageSizeAboveMax, "clamp", "reject")
	oneOf("total_count", s.TotalCount, "string", "int")
	oneOf("empty list", s.EmptyList, "array", "absent")
	oneOf("status at Qimen", s.QimenStatus, "int", "string")
	oneOf("numbers at Qimen", s.QimenNumbers, "number", "string")
	oneOf("process_status", s.ProcessStatus, "int", "string")
	reject(s.VisibleAfter < 0 || s.DuplicateRows < 0, "visibility delay and duplicate rows have to be 0 or more")
	reject(min(s.LateStockIns, s.LateRefunds) < 0 || s.LateBy < 0, "late commits are %d and %d by %v, want 0 or more", s.LateStockIns, s.LateRefunds, s.LateBy)
	reject(min(s.StockInEdits, s.RefundEdits, s.EditOnPage) < 0 || !(s.EditRate >= 0 && s.EditRate <= 1000),
		"edits are %d and %d, %d a page, %v a second; want 0 or more and at most 1000 a second",
		s.StockInEdits, s.RefundEdits, s.EditOnPage, s.EditRate)
	return errors.Join(errs...)
}

func (c Codes) all() []int {
	return []int{c.Sid, c.AppKey, c.Sign, c.Timestamp, c.Parameter, c.Window, c.Internal, c.Rate}
}
