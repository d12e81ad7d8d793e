package up

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

// showEvery is how often the live table is drawn.
const showEvery = time.Second

// show draws the live table until ctx is done.
func (m *machine) show(ctx context.Context, out io.Writer) error {
	books := ledger.Open(m.js)
	ticker := time.NewTicker(showEvery)
	defer ticker.Stop()
	var before []Account
	var at time.Time
	for {
		accounts, err := m.accounts(ctx, books, time.Time{})
		if ctx.Err() != nil {
			fmt.Fprintln(out, "\nstopping …")
			return nil
		}
		now := time.Now()
		terminal.Command(out, terminal.ClearScreen)
		fmt.Fprint(out, m.screen(accounts, rates(before, accounts, now.Sub(at)), m.troubles(ctx), err))
		before, at = accounts, now
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}

// rates is how many records each flow delivered a second since the last look.
func rates(before, now []Account, since time.Duration) []float64 {
	rates := make([]float64, len(now))
	for i := range now {
		if i < len(before) && since > 0 {
			rates[i] = float64(now[i].Delivered-before[i].Delivered) / since.Seconds()
		}
	}
	return rates
}

// screen is one full picture.
func (m *machine) screen(accounts []Account, rates []float64, troubles []status.Entry, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "erpstream up · %s · Ctrl-C stops everything, the data stays in %s\n\n", time.Since(m.began).Round(time.Second), m.Data)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "flow\tsource total\tpublished\tdelivered\tdead\tparked\tin flight\tlag\trate/s\t")
	for i, a := range accounts {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%.0f\t\n", a.Flow, a.SourceTotal, a.Published,
			a.Delivered, a.Dead, a.Parked, a.InFlight, lag(a.cursor), rates[i])
	}
	_ = table.Flush()
	fmt.Fprintf(&b, "\nSQL      %s\nsandbox  %s\nNATS     %s\nlogs     %s\n", m.db.shown(), m.sandbox, m.natsURL, m.logFile())
	for _, t := range troubles {
		fmt.Fprintf(&b, "\n! %s, %s is %s since %s: %s\n", t.Service, t.Unit, t.State, t.Since.Format(time.TimeOnly), t.Error)
	}
	if err != nil {
		fmt.Fprintf(&b, "\n! accounts: %v\n", err)
	}
	return b.String()
}

// lag is how far the source is behind now; it never gets below the source's settle time.
func lag(cursor time.Time) string {
	if cursor.IsZero() {
		return "-"
	}
	d := time.Since(cursor)
	if d > 48*time.Hour {
		return fmt.Sprintf("%.0fd", d.Hours()/24)
	}
	return d.Round(time.Second).String()
}
