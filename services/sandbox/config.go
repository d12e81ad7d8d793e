package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
)

// config is all that the command line says.
type config struct {
	Listen  string
	Data    string
	Verbose bool

	MySQLListen, MySQLUser, MySQLPassword string

	Dataset   dataset.Params
	Jushuitan jushuitan.Settings
}

// readConfig reads the arguments. What a data directory was made with counts where the
// arguments are silent.
func readConfig(args []string, now time.Time, help io.Writer) (config, error) {
	c := config{Jushuitan: jushuitan.Default()}
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&c.Listen, "listen", "127.0.0.1:9401", "address to serve the vendors and /_sandbox/ on")
	flags.StringVar(&c.Data, "data", "", "directory that keeps edits and tokens over a restart; empty: nothing is kept")
	flags.BoolVar(&c.Verbose, "verbose", false, "log every call")
	flags.StringVar(&c.MySQLListen, "mysql-listen", "", "address of the MySQL-compatible server, which keeps its data in memory; empty: none")
	flags.StringVar(&c.MySQLUser, "mysql-user", "root", "user of the MySQL-compatible server")
	flags.StringVar(&c.MySQLPassword, "mysql-password", "", "password of that user")
	datasetFlags(flags, &c.Dataset, now)
	jushuitanFlags(flags, &c.Jushuitan)
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	err := errors.Join(c.Dataset.Check(), c.Jushuitan.Check())
	if err == nil && c.Data != "" {
		err = c.adoptStored(flags)
	}
	return c, err
}

func datasetFlags(flags *flag.FlagSet, p *dataset.Params, now time.Time) {
	year, month, day := now.In(dataset.Shanghai).Date()
	p.Anchor = time.Date(year, month, day, 0, 0, 0, 0, dataset.Shanghai)
	flags.IntVar(&p.Records, "records", 200, "number of documents")
	flags.Uint64Var(&p.Seed, "seed", 1, "choice of the data; equal seed, records, days and anchor make equal data")
	flags.IntVar(&p.Days, "days", 30, "span of days that the data was modified in")
	flags.Func("anchor", "RFC 3339 time at which the data ends (default: start of today in Asia/Shanghai)", func(text string) (err error) {
		p.Anchor, err = time.Parse(time.RFC3339, text)
		return err
	})
	flags.IntVar(&p.Burst, "burst", 0, "number of documents that share one second")
	flags.Float64Var(&p.Unconfirmed, "unconfirmed-share", 0, "share (0 to 1) of documents with another status than Confirmed")
	flags.Float64Var(&p.NullItems, "null-items-share", 0, "share of documents whose items are null or empty")
	flags.Float64Var(&p.QuotedQty, "quoted-qty-share", 0.05, `share of lines whose quantity is text, like "2.0000"`)
	flags.Float64Var(&p.FractionalQty, "fractional-qty-share", 0.1, "share of lines whose quantity is not whole")
}

func jushuitanFlags(flags *flag.FlagSet, s *jushuitan.Settings) {
	flags.StringVar(&s.AppKey, "app-key", s.AppKey, "app key")
	flags.StringVar(&s.AppSecret, "app-secret", s.AppSecret, "app secret")
	flags.IntVar(&s.PerSecond, "per-second", s.PerSecond, "calls a second before code 199; 0: no limit")
	flags.IntVar(&s.PerMinute, "per-minute", s.PerMinute, "calls a minute before code 200; 0: no limit")
	flags.DurationVar(&s.ClockSkew, "clock-skew", s.ClockSkew, "how far timestamps may be off")
	flags.IntVar(&s.Edits, "edits", s.Edits, "number of documents to edit while polled")
	flags.Float64Var(&s.EditRate, "edit-rate", s.EditRate, "edits a second, from the first business query on")
	flags.IntVar(&s.EditOnPage, "edit-on-page", s.EditOnPage, "edits after each page")

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

// adoptStored takes from the data directory what it was made with, except where an argument says
// otherwise: then opening it will fail, and say why.
func (c *config) adoptStored(flags *flag.FlagSet) error {
	stored, found, err := dataset.Stored(c.Data)
	if err != nil || !found {
		return err
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	asked := c.Dataset
	c.Dataset = stored
	for name, keep := range map[string]func(){
		"records":              func() { c.Dataset.Records = asked.Records },
		"seed":                 func() { c.Dataset.Seed = asked.Seed },
		"days":                 func() { c.Dataset.Days = asked.Days },
		"anchor":               func() { c.Dataset.Anchor = asked.Anchor },
		"burst":                func() { c.Dataset.Burst = asked.Burst },
		"unconfirmed-share":    func() { c.Dataset.Unconfirmed = asked.Unconfirmed },
		"null-items-share":     func() { c.Dataset.NullItems = asked.NullItems },
		"quoted-qty-share":     func() { c.Dataset.QuotedQty = asked.QuotedQty },
		"fractional-qty-share": func() { c.Dataset.FractionalQty = asked.FractionalQty },
	} {
		if given[name] {
			keep()
		}
	}
	return nil
}
