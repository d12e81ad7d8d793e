package e2e

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	chaosForm = flag.String("chaos", "short", "form of the campaign: short (as in make test), once (each scenario), full (ten minutes) or long (an hour)")
	chaosSeed = flag.Uint64("chaos-seed", 1, "seed of the first round; each round has the next")
	chaosWait = flag.Duration("chaos-patience", patience, "how long the accounts of a run may take to balance")
	chaosOut  = flag.String("chaos-out", "", "file that the results are written to, as JSON")
)

// form is how much of the campaign is run: whole rounds of its scenarios, one at least, until the time
// is used up.
type form struct {
	budget    time.Duration
	scenarios []scenario
}

// result is what came of a scenario, over all its seeds.
type result struct {
	Scenario string   `json:"scenario"`
	Seeds    []uint64 `json:"seeds"`
	// Records are those that went into RAW, Kills those by SIGKILL, Faults all that struck while records
	// were on their way, kills included.
	Records int64 `json:"records"`
	Kills   int   `json:"kills"`
	Faults  int   `json:"faults"`
	// Missing, Duplicated and Wrong count documents, or rows, at the targets.
	Missing    int `json:"missing"`
	Duplicated int `json:"duplicated"`
	Wrong      int `json:"wrong"`
	// Superseded are records that came to a sink after newer ones.
	Superseded int64 `json:"superseded"`
	// Redelivery is deliveries by messages at the sinks.
	Redelivery float64 `json:"redelivery_factor"`
	// The recovery is the time from a fault, or from the first work after it, to the next that its part
	// got done.
	RecoveryP50 int64 `json:"recovery_p50_ms"`
	RecoveryP99 int64 `json:"recovery_p99_ms"`

	deliveries, messages uint64
	recoveries           []time.Duration
}

// TestCampaign makes trouble of every kind while documents are on their way, and compares every target
// with the source in the end.
func TestCampaign(t *testing.T) {
	f, ok := forms(t)[*chaosForm]
	if !ok {
		t.Fatalf("-chaos %s: short, once, full or long", *chaosForm)
	}
	var results []result
	var merging sync.Mutex
	defer func() {
		inOrder(results, f.scenarios)
		t.Logf("the campaign:\n%s", tabled(results))
		write(t, results)
	}()
	began := time.Now()
	for round := 1; ; round++ {
		seed := *chaosSeed + uint64(round) - 1
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			for _, s := range f.scenarios {
				t.Run(s.name, func(t *testing.T) {
					t.Parallel() // they mostly wait; -parallel says how many at once
					r := s.run(t, seed)
					merging.Lock()
					defer merging.Unlock()
					results = merge(results, r)
				})
			}
		})
		// Another round only where there is time for it.
		if spent := time.Since(began); spent+spent/time.Duration(round) > f.budget {
			return
		}
	}
}

// inOrder sorts results as their scenarios are.
func inOrder(results []result, scenarios []scenario) {
	place := func(r result) int {
		return slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == r.Scenario })
	}
	slices.SortFunc(results, func(a, b result) int { return place(a) - place(b) })
}

// merge adds a run to the results of its scenario.
func merge(results []result, r result) []result {
	i := slices.IndexFunc(results, func(all result) bool { return all.Scenario == r.Scenario })
	if i < 0 {
		results = append(results, result{Scenario: r.Scenario})
		i = len(results) - 1
	}
	all := &results[i]
	all.Seeds = append(all.Seeds, r.Seeds...)
	all.Records, all.Kills, all.Faults = all.Records+r.Records, all.Kills+r.Kills, all.Faults+r.Faults
	all.Missing, all.Duplicated, all.Wrong = all.Missing+r.Missing, all.Duplicated+r.Duplicated, all.Wrong+r.Wrong
	all.Superseded += r.Superseded
	all.deliveries, all.messages = all.deliveries+r.deliveries, all.messages+r.messages
	all.recoveries = append(all.recoveries, r.recoveries...)
	slices.Sort(all.recoveries)
	all.Redelivery = float64(all.deliveries) / float64(max(all.messages, 1))
	all.RecoveryP50, all.RecoveryP99 = percentile(all.recoveries, 50), percentile(all.recoveries, 99)
	return results
}

// percentile is in milliseconds; 0 where there is nothing.
func percentile(sorted []time.Duration, p int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*p/100].Milliseconds()
}

// tabled is the results as people read them.
func tabled(results []result) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "scenario\tseeds\trecords\tkills\tfaults\tmissing\tduplicated\twrong\tsuperseded\tredelivery\tp50 ms\tp99 ms\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.2f\t%d\t%d\t\n", r.Scenario, len(r.Seeds), r.Records, r.Kills, r.Faults,
			r.Missing, r.Duplicated, r.Wrong, r.Superseded, r.Redelivery, r.RecoveryP50, r.RecoveryP99)
	}
	_ = w.Flush() // into a strings.Builder: can't fail
	return b.String()
}

func write(t *testing.T, results []result) {
	if *chaosOut == "" {
		return
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err = cmp.Or(err, os.WriteFile(*chaosOut, append(text, '\n'), 0o644)); err != nil {
		t.Error(err)
	}
}
