package kis

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Settings are the limits and credentials of the vendor, and one switch for each point at which
// nobody knows for sure how the vendor behaves.
type Settings struct {
	// PerMinute limits the calls of the account set; 0: no limit. 60 are assumed.
	PerMinute int
	// LimitStatus is the HTTP status beyond the limit (errcode 5007): 429 or 519. Not known.
	LimitStatus int
	// LostReplies is the share (0 to 1) of creates that are done and never answered.
	LostReplies float64
	// ClockSkew is how far KIS-Timestamp may be off.
	ClockSkew time.Duration
	// CallsOnce refuses a KIS-State, KIS-Timestamp and KIS-TraceID that came together before.
	CallsOnce bool

	// User are the tokens of a user who has signed in (flow U).
	User User
	// UserSignature demands KIS-Signature on the calls of a session; else it may be left out.
	UserSignature bool
	// AccountDB is the database of the account set; where it is not empty, a call may name no other.
	AccountDB string

	// FlatForm takes bills without Object and Head, too.
	FlatForm bool
	// AnyCase takes field names in any letter case.
	AnyCase bool
	// UnknownFields is "refuse" or "ignore".
	UnknownFields string
	// Mandatory are the head fields that a bill must have.
	Mandatory []string
	// UniqueNumbers refuses a second bill with the same FBillNo.
	UniqueNumbers bool
	// MaxLines is the most lines of a bill.
	MaxLines int
	// ChangeBills has the calls that update and delete bills, which nobody has seen.
	ChangeBills bool

	// DetailsAtOnce is the most ids of one GetListDetails; 0: any number.
	DetailsAtOnce int
	// DuplicateSKUs is the number of goods that two materials claim to be.
	DuplicateSKUs int
}

// User is what an interactive sign-in has left behind.
type User struct {
	AccessToken, SessionID, SessionSecret, RefreshToken string
	// PID, AcctNumber and ICRMID name product, account set and app.
	PID, AcctNumber, ICRMID string
}

// Default returns the vendor as the known facts have it, and cautious where they are silent.
func Default() Settings {
	return Settings{
		PerMinute: 60, LimitStatus: http.StatusTooManyRequests, ClockSkew: 5 * time.Minute, CallsOnce: true,
		User: User{
			AccessToken: "0a1b2c3d4e5f60718293a4b5c6d7e8f9", SessionID: "5e551011d0000000000000000000beef",
			SessionSecret: "5ec2e700000000000000000000000b0b", RefreshToken: "2ef2e5000000000000000000000000aa",
			PID: "11112222333344445555666677778888", AcctNumber: "UE000000172023121500000001S", ICRMID: "88887777666655554444333322221111",
		},
		UnknownFields: "refuse", Mandatory: []string{"FDCStockID", "FFManagerID", "FSManagerID"}, UniqueNumbers: true,
		MaxLines: 500, DetailsAtOnce: 20,
	}
}

// Check returns all that is wrong with s.
func (s Settings) Check() error {
	var errs []error
	reject := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("kis: "+format, args...))
		}
	}
	reject(s.PerMinute < 0, "limit is %d a minute, want 0 or more", s.PerMinute)
	reject(s.LimitStatus != 429 && s.LimitStatus != 519, "status beyond the limit is %d, want 429 or 519", s.LimitStatus)
	reject(!(s.LostReplies >= 0 && s.LostReplies <= 1), "share of lost replies is %v, want 0 to 1", s.LostReplies)
	reject(s.ClockSkew < 0, "clock skew is %v, want 0 or more", s.ClockSkew)
	reject(s.UnknownFields != "refuse" && s.UnknownFields != "ignore", "unknown fields is %q, want refuse or ignore", s.UnknownFields)
	reject(s.MaxLines < 1, "most lines of a bill are %d, want at least 1", s.MaxLines)
	reject(s.DetailsAtOnce < 0, "most ids of one call for details are %d, want 0 or more", s.DetailsAtOnce)
	reject(s.DuplicateSKUs < 0, "goods that two materials claim to be are %d, want 0 or more", s.DuplicateSKUs)
	reject(slices.Contains([]string{s.User.AccessToken, s.User.SessionID, s.User.SessionSecret, s.User.RefreshToken}, ""), "a token of the user is empty")
	for _, name := range s.Mandatory {
		_, known := headFields()[name]
		reject(!known && !custom(name), "mandatory head field %q is unknown", name)
	}
	return errors.Join(errs...)
}

// Flags makes s changeable by arguments; what s holds are their defaults.
func Flags(flags *flag.FlagSet, s *Settings) {
	flags.IntVar(&s.PerMinute, "kis-per-minute", s.PerMinute, "calls a minute before errcode 5007; 0: no limit")
	flags.IntVar(&s.LimitStatus, "kis-limit-status", s.LimitStatus, "HTTP status beyond the limit: 429 or 519")
	flags.Float64Var(&s.LostReplies, "kis-lost-replies", s.LostReplies, "share (0 to 1) of creates that are done and never answered")
	flags.DurationVar(&s.ClockSkew, "kis-clock-skew", s.ClockSkew, "how far KIS-Timestamp may be off")
	flags.BoolVar(&s.CallsOnce, "kis-calls-once", s.CallsOnce, "refuse a State, Timestamp and TraceID that came before")
	flags.BoolVar(&s.UserSignature, "kis-user-signature", s.UserSignature, "demand KIS-Signature on the calls of a session")
	flags.StringVar(&s.AccountDB, "kis-account-db", s.AccountDB, "database of the account set; empty: any")
	flags.BoolVar(&s.FlatForm, "kis-flat-form", s.FlatForm, "take bills without Object and Head")
	flags.BoolVar(&s.AnyCase, "kis-any-case", s.AnyCase, "take field names in any letter case")
	flags.StringVar(&s.UnknownFields, "kis-unknown-fields", s.UnknownFields, "refuse or ignore")
	flags.Func("kis-mandatory", "head fields that a bill must have, with commas between (default "+strings.Join(s.Mandatory, ",")+")", func(text string) error {
		s.Mandatory = strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
		return nil
	})
	flags.BoolVar(&s.UniqueNumbers, "kis-unique-numbers", s.UniqueNumbers, "refuse a second bill with the same FBillNo")
	flags.IntVar(&s.MaxLines, "kis-max-lines", s.MaxLines, "most lines of a bill")
	flags.BoolVar(&s.ChangeBills, "kis-change-bills", s.ChangeBills, "have calls that update and delete bills")
	flags.IntVar(&s.DetailsAtOnce, "kis-details-at-once", s.DetailsAtOnce, "most ids of one GetListDetails; 0: any number")
	flags.IntVar(&s.DuplicateSKUs, "kis-duplicate-skus", s.DuplicateSKUs, "number of goods that two materials claim to be")
}
