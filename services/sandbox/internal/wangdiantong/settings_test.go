package wangdiantong

import (
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheckRefuses(t *testing.T) {
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
	for want, set := range map[string]func(*Settings){
		"sid":                         func(s *Settings) { s.Sid = "" },
		"app secret at Qimen":         func(s *Settings) { s.TopSecret = "" },
		"secret:salt":                 func(s *Settings) { s.FlagshipSecret = "secret" },
		"limits":                      func(s *Settings) { s.PerMinute = -1 },
		"rate window":                 func(s *Settings) { s.RateWindow = "" },
		"clock skews":                 func(s *Settings) { s.QimenSkew = -1 },
		"length in signatures":        func(s *Settings) { s.SignLength = "loose" },
		"codes":                       func(s *Settings) { s.Codes.Window = 0 },
		"gateway errors":              func(s *Settings) { s.GatewayErrors = "x" },
		"page size above the maximum": func(s *Settings) { s.PageSizeAboveMax = "x" },
		"total_count":                 func(s *Settings) { s.TotalCount = "x" },
		"empty list":                  func(s *Settings) { s.EmptyList = "null" },
		"status at Qimen":             func(s *Settings) { s.QimenStatus = "x" },
		"numbers at Qimen":            func(s *Settings) { s.QimenNumbers = "x" },
		"process_status":              func(s *Settings) { s.ProcessStatus = "x" },
		"visibility delay":            func(s *Settings) { s.DuplicateRows = -1 },
		"edits":                       func(s *Settings) { s.EditRate = 1001 },
	} {
		s := Default()
		set(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("err = %v, want one about %s", err, want)
		}
		if _, err := New(Config{Settings: s}); err == nil {
			t.Errorf("a server was made in spite of its %s", want)
		}
	}
}

func TestFlags(t *testing.T) {
	parse := func(args ...string) (Settings, error) {
		s := Default()
		flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		Flags(flags, &s)
		return s, flags.Parse(args)
	}
	s, err := parse("--wdt-per-minute=7", "--wdt-visible-after=2m", "--wdt-hide-platforms=false", "--wdt-codes=sid=1,rate=2", "--wdt-sign-length=lenient", "--wdt-refund-types=2,3")
	if err != nil || s.PerMinute != 7 || s.VisibleAfter != 2*time.Minute || s.HidePlatforms || s.Codes.Sid != 1 || s.Codes.Rate != 2 || !slices.Equal(s.RefundTypes, []int{2, 3}) || s.SignLength != "lenient" {
		t.Errorf("settings %+v, err = %v", s, err)
	}
	if s.Codes.AppKey != Default().Codes.AppKey {
		t.Error("a code that was not named has changed")
	}
	for _, bad := range []string{"--wdt-codes=sid", "--wdt-codes=other=1", "--wdt-refund-types=2;3"} {
		if _, err := parse(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}
