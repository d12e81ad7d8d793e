package wangdiantong

import (
	"flag"
	"fmt"
	"strconv"
	"strings"
)

// Flags registers a flag for everything in s that is not shared with other vendors: how many
// edits there are is for the caller to set.
func Flags(flags *flag.FlagSet, s *Settings) {
	credentialFlags(flags, s)
	flags.IntVar(&s.PerMinute, "wdt-per-minute", s.PerMinute, "calls a minute of one account; 0: no limit")
	flags.IntVar(&s.Concurrent, "wdt-concurrent", s.Concurrent, "calls of one account at once; 0: no limit")
	flags.StringVar(&s.RateWindow, "wdt-rate-window", s.RateWindow, "fixed: each minute of the clock starts anew, or sliding: any 60 seconds")
	flags.BoolVar(&s.LimitPerMethod, "wdt-limit-per-method", s.LimitPerMethod, "the calls of each method are limited by themselves")
	flags.DurationVar(&s.EnterpriseSkew, "wdt-clock-skew", s.EnterpriseSkew, "how far timestamps of the enterprise edition may be off")
	flags.DurationVar(&s.FlagshipSkew, "wdt-flagship-clock-skew", s.FlagshipSkew, "how far timestamps of the flagship edition may be off")
	flags.DurationVar(&s.QimenSkew, "wdt-qimen-clock-skew", s.QimenSkew, "how far timestamps at Qimen may be off")
	flags.DurationVar(&s.ClockOffset, "wdt-clock-offset", s.ClockOffset, "how far the vendor's clock goes ahead")
	flags.StringVar(&s.SignLength, "wdt-sign-length", s.SignLength, "lengths in enterprise signatures: strict (characters), or lenient (bytes, too)")
	flags.StringVar(&s.GatewayErrors, "wdt-gateway-errors", s.GatewayErrors, "shape of errors of Qimen itself: response or error_response")
	flags.StringVar(&s.PageSizeAboveMax, "wdt-page-size-above-max", s.PageSizeAboveMax, "clamp or reject")
	flags.StringVar(&s.TotalCount, "wdt-total-count", s.TotalCount, "type of total_count of the enterprise edition: string or int")
	flags.StringVar(&s.EmptyList, "wdt-empty-list", s.EmptyList, "list of a page without rows: array or absent")
	flags.StringVar(&s.QimenStatus, "wdt-qimen-status", s.QimenStatus, "type of status of the flagship edition at Qimen: int or string")
	flags.StringVar(&s.QimenNumbers, "wdt-qimen-numbers", s.QimenNumbers, "numbers in rows of the flagship edition at Qimen: number or string")
	flags.StringVar(&s.ProcessStatus, "wdt-process-status", s.ProcessStatus, "type of process_status of refunds: int or string")
	flags.BoolVar(&s.HidePlatforms, "wdt-hide-platforms", s.HidePlatforms, "direct calls do not show refunds of Taobao and Pinduoduo")
	flags.Func("wdt-refund-types", "types that refunds have, with commas between (default: 1,2,3,4,6,7)", func(text string) (err error) {
		s.RefundTypes, err = numbers(text)
		return err
	})
	flags.DurationVar(&s.VisibleAfter, "wdt-visible-after", s.VisibleAfter, "how long after its modification a document can first be read")
	flags.IntVar(&s.DuplicateRows, "wdt-duplicate-rows", s.DuplicateRows, "rows at the end of each page that are sent twice")
	flags.Func("wdt-codes", "codes of the enterprise edition, like sid=2030,rate=1012; also appkey, sign, timestamp, parameter, window, internal", s.Codes.set)
}

func credentialFlags(flags *flag.FlagSet, s *Settings) {
	flags.StringVar(&s.Sid, "wdt-sid", s.Sid, "sid of the enterprise edition")
	flags.StringVar(&s.AppKey, "wdt-app-key", s.AppKey, "app key of the enterprise edition")
	flags.StringVar(&s.AppSecret, "wdt-app-secret", s.AppSecret, "app secret of the enterprise edition")
	flags.StringVar(&s.FlagshipSid, "wdt-flagship-sid", s.FlagshipSid, "sid of the flagship edition")
	flags.StringVar(&s.FlagshipKey, "wdt-flagship-key", s.FlagshipKey, "key of the flagship edition")
	flags.StringVar(&s.FlagshipSecret, "wdt-flagship-secret", s.FlagshipSecret, "secret:salt of the flagship edition")
	flags.StringVar(&s.TopAppKey, "wdt-top-app-key", s.TopAppKey, "app key at Qimen")
	flags.StringVar(&s.TopSecret, "wdt-top-secret", s.TopSecret, "app secret at Qimen")
	flags.StringVar(&s.TargetAppKey, "wdt-target-app-key", s.TargetAppKey, "app key of Wangdiantong at Qimen")
}

// numbers reads whole numbers with commas between them.
func numbers(text string) ([]int, error) {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	return all, nil
}

// set reads codes by name.
func (c *Codes) set(text string) error {
	places := map[string]*int{
		"sid": &c.Sid, "appkey": &c.AppKey, "sign": &c.Sign, "timestamp": &c.Timestamp,
		"parameter": &c.Parameter, "window": &c.Window, "internal": &c.Internal, "rate": &c.Rate,
	}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		place, known := places[name]
		if !known {
			return fmt.Errorf("there is no code named %q", name)
		}
		code, err := strconv.Atoi(value)
		if err != nil {
			return fmt.Errorf("code %s: %w", name, err)
		}
		*place = code
	}
	return nil
}
