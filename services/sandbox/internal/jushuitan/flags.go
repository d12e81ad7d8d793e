package jushuitan

import (
	"flag"
	"net/netip"
	"strings"
)

// Flags makes s changeable by arguments, but for its edits: how many there are is for the caller to
// set. What s holds are the defaults.
func Flags(flags *flag.FlagSet, s *Settings) {
	flags.StringVar(&s.AppKey, "app-key", s.AppKey, "app key")
	flags.StringVar(&s.AppSecret, "app-secret", s.AppSecret, "app secret")
	flags.IntVar(&s.PerSecond, "per-second", s.PerSecond, "calls a second before code 199; 0: no limit")
	flags.IntVar(&s.PerMinute, "per-minute", s.PerMinute, "calls a minute before code 200; 0: no limit")
	flags.DurationVar(&s.ClockSkew, "clock-skew", s.ClockSkew, "how far timestamps may be off")
	flags.StringVar(&s.AppKind, "jst-app-kind", s.AppKind, "self: a merchant's own app, or isv: a service provider's")
	flags.StringVar(&s.SignEmpty, "jst-sign-empty", s.SignEmpty, "empty parameters in signatures: skip, keep or either")
	flags.BoolVar(&s.SignAnyCase, "jst-sign-any-case", s.SignAnyCase, "accept signatures in upper case")
	flags.IntVar(&s.BadSignCode, "jst-bad-sign-code", s.BadSignCode, "code for a bad signature: 10 or 120")
	flags.IntVar(&s.BadTimeCode, "jst-bad-time-code", s.BadTimeCode, "code for a bad timestamp: 140 or 180")
	flags.DurationVar(&s.ExpiresIn, "jst-expires-in", s.ExpiresIn, "life of a token")
	flags.StringVar(&s.RefreshMode, "jst-refresh-mode", s.RefreshMode, "extend: same token, or rotate: a new pair")
	flags.DurationVar(&s.RefreshWindow, "jst-refresh-window", s.RefreshWindow, "how long before expiry a refresh has an effect")
	flags.DurationVar(&s.RotateGrace, "jst-rotate-grace", s.RotateGrace, "how long a replaced token stays good")
	flags.DurationVar(&s.RefreshLag, "jst-refresh-lag", s.RefreshLag, "how long business calls fail after a refresh")
	flags.BoolVar(&s.CountRejected, "jst-count-rejected", s.CountRejected, "rejected calls count against the limits")
	flags.IntVar(&s.BothExceeded, "jst-both-exceeded", s.BothExceeded, "code where both limits are exceeded: 199 or 200")
	flags.StringVar(&s.PageSizeAboveMax, "jst-page-size-above-max", s.PageSizeAboveMax, "clamp, or strict: code 140")
	flags.StringVar(&s.EmptyDatas, "jst-empty-datas", s.EmptyDatas, "datas of a page without rows: array or null")
	flags.StringVar(&s.TotalsWithout, "jst-totals-without", s.TotalsWithout, "totals with is_get_total false: omit, null or zero")
	flags.DurationVar(&s.MaxWindow, "jst-max-window", s.MaxWindow, "widest window of time")
	flags.StringVar(&s.WindowBounds, "jst-window-bounds", s.WindowBounds, "closed, or half-open: the end is not included")
	flags.StringVar(&s.StartTSStatuses, "jst-start-ts-statuses", s.StartTSStatuses, "statuses of queries by start_ts: default (Confirmed) or all")
	flags.BoolVar(&s.NewerTSText, "jst-newer-ts-text", s.NewerTSText, "ts is text on the newer purchase receipt path")
	flags.BoolVar(&s.EmitTS, "jst-emit-ts", s.EmitTS, "rows of other goods movements have a ts, too")
	flags.BoolVar(&s.RequestID, "jst-request-id", s.RequestID, "answers carry a request_id")
	flags.Func("jst-deny-paths", "business paths without permission, with commas between", func(text string) error {
		s.DenyPaths = strings.Split(text, ",")
		return nil
	})
	flags.Func("jst-allow-ips", "addresses that may call, as CIDR with commas between (default: all)", func(text string) error {
		for part := range strings.SplitSeq(text, ",") {
			prefix, err := netip.ParsePrefix(part)
			if err != nil {
				return err
			}
			s.AllowIPs = append(s.AllowIPs, prefix)
		}
		return nil
	})
}
