package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/feed"
	"github.com/erpstream/erpstream/pkg/flow"
)

// allowance is how many calls a vendor lets an account make.
type allowance struct {
	perMinute int
	// percent is the part that polling takes: the rest is for the sink that writes to the same account.
	percent int
	// sure is false where the vendor's limit is assumed.
	sure bool
}

// allowances are the vendors' limits, as the clients keep to them where a connection has no budget.
var allowances = map[string]allowance{
	"jushuitan":    {perMinute: 100, percent: 100, sure: true},
	"wangdiantong": {perMinute: 60, percent: 100, sure: true},
	"kingdee":      {perMinute: 500, percent: 20, sure: true},
	"kis":          {perMinute: 60, percent: 20},
}

// CallsPerMinute is how many calls a minute the vendor of a system lets an account make, assumed where it
// does not say; 0 for a system that is not known.
func CallsPerMinute(system string) int { return allowances[system].perMinute }

// half is the part of a budget that schedules may take, in percent: a poll is one call at least, more when
// there is something to read, and retries, backfill and recounts need calls too.
const half = 50

// budgets looks at each connection: what it may spend, and what the schedules of its sources need.
func (l *linter) budgets() {
	for _, name := range l.set.Names(flow.KindConnection) {
		c := l.set.Connections[name]
		vendor, known := allowances[c.System]
		if !known {
			continue
		}
		if spends := perMinute(c.Budget); !c.Sandbox() && vendor.sure && spends > vendor.perMinute {
			l.add(c.Fault("budget", "%d calls a minute are more than the %d that the vendor allows", spends, vendor.perMinute), OverBudget, Error)
		}
		l.schedules(c, vendor)
	}
}

// perMinute is how many calls a minute a budget allows, 0 when it says nothing.
func perMinute(b flow.Budget) int {
	switch {
	case b.PerSecond == 0:
		return b.PerMinute
	case b.PerMinute == 0:
		return 60 * b.PerSecond
	default:
		return min(60*b.PerSecond, b.PerMinute)
	}
}

// schedules adds up what the sources of a connection need.
func (l *linter) schedules(c flow.Connection, vendor allowance) {
	var sources []flow.Source
	perHour := 0
	for _, name := range l.set.Names(flow.KindSource) {
		if s := l.set.Sources[name]; s.Connection == c.Name {
			sources = append(sources, s)
			perHour += s.TicksPerHour()
		}
	}
	if len(sources) == 0 {
		return
	}
	has := cmp.Or(perMinute(c.Budget), vendor.perMinute) * vendor.percent / 100
	share := 100 * perHour / max(60*has, 1)
	severity := Error
	switch {
	case share <= half:
		return
	case share <= 100:
		severity = Warning
	}
	slices.SortStableFunc(sources, func(a, b flow.Source) int { return b.TicksPerHour() - a.TicksPerHour() })
	var names []string
	for _, s := range sources {
		names = append(names, fmt.Sprintf("%s %d", s.Name, s.TicksPerHour()/60))
	}
	of := "calls a minute that connection " + c.Name + " has"
	if vendor.percent < 100 {
		of = fmt.Sprintf("calls a minute, the %d %% for polling, of connection %s", vendor.percent, c.Name)
	}
	text := fmt.Sprintf("the schedules need at least %d of the %d %s (polls a minute: %s): poll less often", perHour/60, has, of, strings.Join(names, ", "))
	path := "every"
	if sources[0].Every == 0 {
		path = "cron"
	}
	l.add(sources[0].Fault(path, "%s", text), OverBudget, severity)
}

// long is a settle beyond which data is late for no reason that a vendor gives.
const long = time.Hour

// source compares what a source says of its windows with what its API needs.
func (l *linter) source(s flow.Source) {
	f, err := feed.Get(s.Feed)
	if err != nil || f.Snapshot {
		return
	}
	if s.Settle != nil && *s.Settle < f.Window.Settle {
		l.add(s.Fault("settle", "%v is shorter than the %v that %s needs: what is committed late is behind the window already", *s.Settle, f.Window.Settle, f.Name), SettleAdvice, Warning)
	}
	if s.Settle != nil && *s.Settle > long {
		l.add(s.Fault("settle", "%v keeps every record back: %s needs %v", *s.Settle, f.Name, f.Window.Settle), SettleAdvice, Info)
	}
	if s.Overlap != nil && *s.Overlap < f.Window.Overlap {
		l.add(s.Fault("overlap", "%v is shorter than the %v that %s needs: what was late for one poll is missed by the next", *s.Overlap, f.Window.Overlap, f.Name), SettleAdvice, Warning)
	}
}
