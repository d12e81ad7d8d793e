package xingchen

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"time"
)

// Settings are the limits of the vendor, and one switch for each point at which nobody knows for
// sure how the vendor behaves.
type Settings struct {
	// PerMinute limits the calls of the account set: 500 as seen in use; 0: no limit.
	PerMinute int
	// LostReplies is the share (0 to 1) of saves that are done and never answered.
	LostReplies float64
	// AuditFailures is the share (0 to 1) of audits that fail.
	AuditFailures float64
	// AuditFailure is what becomes of a bill that was saved by a call whose audit fails: "draft" (it
	// stays, not audited) or "rollback" (it is gone).
	AuditFailure string

	// UnknownFields is "refuse" or "ignore".
	UnknownFields string
	// Types is "strict", or "lenient" to take text for numbers and numbers for text.
	Types string
	// UnnamedLines is what becomes of lines that an update of a bill does not name: "remove" or
	// "keep".
	UnnamedLines string
	// MaxLines is the most lines of a bill.
	MaxLines int
	// CodingRule lets the vendor number customers that come without a number.
	CodingRule bool
	// NumberMap fills id_number_map in the replies of saves.
	NumberMap bool
	// EncryptPersonal returns personal fields encrypted.
	EncryptPersonal bool
	// EnableDefault is which rows a list has that does not say: "enabled" or "all".
	EnableDefault string
	// ListLag is how long after a change lists do not show it.
	ListLag time.Duration
}

// Default returns the vendor as the known facts have it, and cautious where they are silent.
func Default() Settings {
	return Settings{
		PerMinute: 500, AuditFailure: "draft", UnknownFields: "refuse", Types: "strict", UnnamedLines: "remove", MaxLines: 500,
		NumberMap: true, EncryptPersonal: true, EnableDefault: "enabled",
	}
}

// Check returns all that is wrong with s.
func (s Settings) Check() error {
	var errs []error
	reject := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("xingchen: "+format, args...))
		}
	}
	oneOf := func(name, value string, allowed ...string) {
		reject(!slices.Contains(allowed, value), "%s is %q, want one of %q", name, value, allowed)
	}
	reject(s.PerMinute < 0, "limit is %d a minute, want 0 or more", s.PerMinute)
	reject(!(s.LostReplies >= 0 && s.LostReplies <= 1), "share of lost replies is %v, want 0 to 1", s.LostReplies)
	reject(!(s.AuditFailures >= 0 && s.AuditFailures <= 1), "share of audits that fail is %v, want 0 to 1", s.AuditFailures)
	oneOf("audit failure", s.AuditFailure, "draft", "rollback")
	oneOf("unknown fields", s.UnknownFields, "refuse", "ignore")
	oneOf("types", s.Types, "strict", "lenient")
	oneOf("unnamed lines", s.UnnamedLines, "remove", "keep")
	reject(s.MaxLines < 1, "most lines of a bill are %d, want at least 1", s.MaxLines)
	oneOf("default of enable", s.EnableDefault, "enabled", "all")
	reject(s.ListLag < 0, "lag of lists is %v, want 0 or more", s.ListLag)
	return errors.Join(errs...)
}

// Flags makes s changeable by arguments; what s holds are their defaults.
func Flags(flags *flag.FlagSet, s *Settings) {
	flags.IntVar(&s.PerMinute, "xingchen-per-minute", s.PerMinute, "calls a minute before HTTP 429; 0: no limit")
	flags.Float64Var(&s.LostReplies, "xingchen-lost-replies", s.LostReplies, "share (0 to 1) of saves that are done and never answered")
	flags.Float64Var(&s.AuditFailures, "xingchen-audit-failures", s.AuditFailures, "share (0 to 1) of audits that fail")
	flags.StringVar(&s.AuditFailure, "xingchen-audit-failure", s.AuditFailure, "a bill saved by a call whose audit fails: draft (it stays) or rollback")
	flags.StringVar(&s.UnknownFields, "xingchen-unknown-fields", s.UnknownFields, "refuse or ignore")
	flags.StringVar(&s.Types, "xingchen-types", s.Types, "strict, or lenient: text for numbers and numbers for text")
	flags.StringVar(&s.UnnamedLines, "xingchen-unnamed-lines", s.UnnamedLines, "lines that an update does not name: remove or keep")
	flags.IntVar(&s.MaxLines, "xingchen-max-lines", s.MaxLines, "most lines of a bill")
	flags.BoolVar(&s.CodingRule, "xingchen-coding-rule", s.CodingRule, "customers without a number get one")
	flags.BoolVar(&s.NumberMap, "xingchen-number-map", s.NumberMap, "replies of saves have the numbers in id_number_map")
	flags.BoolVar(&s.EncryptPersonal, "xingchen-encrypt-personal", s.EncryptPersonal, "personal fields are returned encrypted")
	flags.StringVar(&s.EnableDefault, "xingchen-enable-default", s.EnableDefault, "rows of a list that does not say: enabled or all")
	flags.DurationVar(&s.ListLag, "xingchen-list-lag", s.ListLag, "how long after a change lists do not show it")
}
