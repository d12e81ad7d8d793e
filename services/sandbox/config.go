package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/erpstream/erpstream/services/sandbox/internal/dataset"
	"github.com/erpstream/erpstream/services/sandbox/internal/faults"
	"github.com/erpstream/erpstream/services/sandbox/internal/gateway"
	"github.com/erpstream/erpstream/services/sandbox/internal/jushuitan"
	"github.com/erpstream/erpstream/services/sandbox/internal/kis"
	"github.com/erpstream/erpstream/services/sandbox/internal/wangdiantong"
	"github.com/erpstream/erpstream/services/sandbox/internal/xingchen"
)

// config is all that the command line says.
type config struct {
	Listen  string
	Data    string
	Verbose bool

	MySQLListen, MySQLUser, MySQLPassword string

	Dataset dataset.Params
	// LateAfter is how long after the first call of a finance system the late goods are released;
	// 0: on demand only.
	LateAfter time.Duration
	Edits     edits
	// ClockOffset is how far the clocks of all vendors go ahead.
	ClockOffset time.Duration
	// Faults strike a share of the calls, for ever.
	Faults []standing
	// Poison is the share of the documents that can't be mapped, or that their target refuses.
	Poison float64

	Jushuitan    jushuitan.Settings
	Wangdiantong wangdiantong.Settings
	Gateway      gateway.Settings
	Xingchen     xingchen.Settings
	KIS          kis.Settings
}

// edits says which documents are edited while they are polled: Count in each of Feeds, Rate a
// second or OnPage after each page.
type edits struct {
	Count  int
	Feeds  []string
	Rate   float64
	OnPage int
	// Late is how many further edits of each feed become visible late, by LateBy at most.
	Late   int
	LateBy time.Duration
}

// standing is a fault that a vendor has from the beginning.
type standing struct {
	vendor string
	fault  faults.Fault
}

// readConfig reads the arguments. What a data directory was made with counts where the
// arguments are silent.
func readConfig(args []string, now time.Time, help io.Writer) (config, error) {
	c := config{
		Jushuitan: jushuitan.Default(), Wangdiantong: wangdiantong.Default(),
		Gateway: gateway.Default(), Xingchen: xingchen.Default(), KIS: kis.Default(),
	}
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(help)
	c.processFlags(flags)
	datasetFlags(flags, &c.Dataset, now)
	worldFlags(flags, &c)
	editFlags(flags, &c.Edits)
	c.troubleFlags(flags)
	jushuitan.Flags(flags, &c.Jushuitan)
	wangdiantong.Flags(flags, &c.Wangdiantong)
	gateway.Flags(flags, &c.Gateway)
	xingchen.Flags(flags, &c.Xingchen)
	kis.Flags(flags, &c.KIS)
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	if flags.NArg() > 0 {
		return c, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	err := c.orderEdits()
	if err == nil && c.Data != "" {
		err = c.adoptStored(flags)
	}
	if c.Dataset.Shops == 0 {
		c.Dataset.Shops = max(fewestShops, c.Dataset.Records/recordsPerShop)
	}
	if c.LateAfter < 0 {
		err = errors.Join(err, fmt.Errorf("late goods are released after %v, want 0 or more", c.LateAfter))
	}
	if !(c.Poison >= 0 && c.Poison <= 1) {
		err = errors.Join(err, fmt.Errorf("share of poison is %v, want 0 to 1", c.Poison))
	}
	return c, errors.Join(err, c.Dataset.Check(), c.Jushuitan.Check(), c.Wangdiantong.Check(), c.Gateway.Check(), c.Xingchen.Check(), c.KIS.Check())
}

func (c *config) processFlags(flags *flag.FlagSet) {
	flags.StringVar(&c.Listen, "listen", "127.0.0.1:9401", "address to serve the vendors and /_sandbox/ on")
	flags.StringVar(&c.Data, "data", "", "directory that keeps edits, tokens and what was saved over a restart; empty: nothing is kept")
	flags.BoolVar(&c.Verbose, "verbose", false, "log every call")
	flags.StringVar(&c.MySQLListen, "mysql-listen", "", "address of the MySQL-compatible server, which keeps its data in memory; empty: none")
	flags.StringVar(&c.MySQLUser, "mysql-user", "root", "user of the MySQL-compatible server")
	flags.StringVar(&c.MySQLPassword, "mysql-password", "", "password of that user")
}

func datasetFlags(flags *flag.FlagSet, p *dataset.Params, now time.Time) {
	year, month, day := now.In(dataset.Shanghai).Date()
	p.Anchor = time.Date(year, month, day, 0, 0, 0, 0, dataset.Shanghai)
	flags.IntVar(&p.Records, "records", 200, "number of documents of each polled kind that the flows of the demo take; some kinds have others beside them")
	flags.Uint64Var(&p.Seed, "seed", 1, "choice of the data; equal seed, records, days and anchor make equal data")
	flags.IntVar(&p.Days, "days", 30, "span of days that the data was modified in")
	flags.Func("anchor", "RFC 3339 time at which the data ends (default: start of today in Asia/Shanghai)", func(text string) (err error) {
		p.Anchor, err = time.Parse(time.RFC3339, text)
		return err
	})
	flags.IntVar(&p.Burst, "burst", 0, "number of documents of Jushuitan that share one second")
	flags.Float64Var(&p.Unconfirmed, "unconfirmed-share", 0, "share (0 to 1) of purchase receipts with another status than Confirmed")
	flags.Float64Var(&p.NullItems, "null-items-share", 0, "share of purchase receipts whose items are null or empty")
	flags.Float64Var(&p.QuotedQty, "quoted-qty-share", 0.05, `share of lines of purchase receipts whose quantity is text, like "2.0000"`)
	flags.Float64Var(&p.FractionalQty, "fractional-qty-share", 0.1, "share of lines of purchase receipts whose quantity is not whole")
}

// There is one shop for so many records, but not fewer than a page of them is worth looking at.
const (
	recordsPerShop = 20
	fewestShops    = 20
)

func worldFlags(flags *flag.FlagSet, c *config) {
	flags.IntVar(&c.Dataset.Goods, "goods", 300, "number of goods that documents and materials are of")
	flags.IntVar(&c.Dataset.Shops, "shops", 0, "number of shops; 0: one for 20 records, at least 20")
	flags.Float64Var(&c.Dataset.LateShare, "late-share", 0, "share of goods that the finance systems do not know before they are released")
	flags.DurationVar(&c.LateAfter, "late-after", 0, "time from the first call of a finance system to the release of late goods; 0: only by POST /_sandbox/world/release")
}

func editFlags(flags *flag.FlagSet, e *edits) {
	e.Feeds = []string{jushuitan.FeedPurchaseIn, feedStockIn, feedRefund}
	flags.IntVar(&e.Count, "edits", 0, "number of edits of each feed while polled")
	flags.Func("edit-feeds", "feeds to edit, with commas between: purchasein, otherin, shops, stockin, refund (default purchasein,stockin,refund)", func(text string) error {
		e.Feeds = strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
		return nil
	})
	flags.Float64Var(&e.Rate, "edit-rate", 0, "edits of each feed a second, from the first business query of its vendor on")
	flags.IntVar(&e.OnPage, "edit-on-page", 0, "edits after each page of a feed")
	flags.IntVar(&e.Late, "late-commits", 0, "number of further edits of each feed that is edited, shops excepted, that are seen only some time after the time of change that they bear, as when a transaction commits late")
	flags.DurationVar(&e.LateBy, "late-by", 2*time.Second, "most time by which late commits are late; whoever reads with a shorter settle time will miss some")
}

// troubleFlags are those that make all vendors difficult.
func (c *config) troubleFlags(flags *flag.FlagSet) {
	flags.DurationVar(&c.ClockOffset, "clock-offset", 0, "how far the clocks of all vendors go ahead, negative: behind; -wdt-clock-offset comes on top")
	flags.Float64Var(&c.Poison, "poison-share", 0, "share of the documents that can't be mapped or are refused by the target of their flow; /_sandbox/jushuitan/poison and /_sandbox/wangdiantong/poison list them")
	flags.Func("fault", "fault of a share of a vendor's calls, like jushuitan:rate_limit=0.02 or kis:cut_within=0.01; again for each; /_sandbox/ lists the kinds", func(text string) error {
		f, err := parseFault(text)
		c.Faults = append(c.Faults, f)
		return err
	})
}

// parseFault reads vendor:kind=share.
func parseFault(text string) (standing, error) {
	what, share, _ := strings.Cut(text, "=")
	vendor, kind, _ := strings.Cut(what, ":")
	probability, err := strconv.ParseFloat(share, 64)
	if err != nil || !(probability > 0 && probability <= 1) || !slices.Contains(faults.Kinds, faults.Kind(kind)) {
		return standing{}, fmt.Errorf("want vendor:kind=share with a share above 0 and up to 1, and a kind of %q", faults.Kinds)
	}
	return standing{vendor, faults.Fault{Kind: faults.Kind(kind), Probability: probability, Count: math.MaxInt32}}, nil
}

// orderEdits tells each vendor its edits.
func (c *config) orderEdits() error {
	e := c.Edits
	c.Jushuitan.Edits, c.Jushuitan.EditRate, c.Jushuitan.EditOnPage, c.Jushuitan.EditFeeds = e.Count, e.Rate, e.OnPage, nil
	c.Wangdiantong.EditRate, c.Wangdiantong.EditOnPage = e.Rate, e.OnPage
	c.Jushuitan.LateCommits, c.Jushuitan.LateBy, c.Wangdiantong.LateBy = e.Late, e.LateBy, e.LateBy
	if e.Late > 0 && e.Rate == 0 && e.OnPage == 0 {
		return errors.New("late commits need an edit rate or edits on a page, which say when they come")
	}
	for _, feed := range e.Feeds {
		switch {
		case slices.Contains(jushuitan.Feeds, feed):
			c.Jushuitan.EditFeeds = append(c.Jushuitan.EditFeeds, feed)
		case feed == feedStockIn:
			c.Wangdiantong.StockInEdits, c.Wangdiantong.LateStockIns = e.Count, e.Late
		case feed == feedRefund:
			c.Wangdiantong.RefundEdits, c.Wangdiantong.LateRefunds = e.Count, e.Late
		default:
			return fmt.Errorf("feed to edit is %q, want some of %q", feed, append(slices.Clone(jushuitan.Feeds), feedStockIn, feedRefund))
		}
	}
	return nil
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
		"goods":                func() { c.Dataset.Goods = asked.Goods },
		"shops":                func() { c.Dataset.Shops = asked.Shops },
		"late-share":           func() { c.Dataset.LateShare = asked.LateShare },
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
