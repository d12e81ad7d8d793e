package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/topology"
)

// records is how many documents each feed has: more than the tests need for a longer look.
var records = flag.Int("records", 100, "documents of each feed in the tests of all integrations")

// newFive returns a house that runs all integrations.
func newFive(t *testing.T) *house {
	h := newHouse(t)
	h.only = ""
	return h
}

// allBalanced fails the test unless all five flows, and those of the master data, balance with
// nothing dead.
func (h *house) allBalanced(r run) {
	h.t.Helper()
	if r.code != 0 || len(r.report.Flows) != 5 || len(r.report.References) != 4 {
		h.t.Fatalf("exit code %d, report %+v\n%s", r.code, r.report, last(r.stderr, 4000))
	}
	for _, a := range append(r.report.Flows, r.report.References...) {
		if !a.Balanced || a.Dead != 0 || a.Parked != 0 || a.Published == 0 {
			h.t.Errorf("account %+v, want it balanced with nothing dead", a)
		}
	}
}

func TestFiveIntegrations(t *testing.T) {
	h := newFive(t)
	r := h.untilIdle(nil, "--records", fmt.Sprint(*records), "--edits", "40", "--edit-rate", "20")
	h.allBalanced(r)
	t.Logf("%v in %d ms", h.compareAll(), r.report.ElapsedMS)
}

// TestLateMasterData hides a fifth of the goods from the finance systems for a while: the records that
// need them are parked, and go through without anybody's help.
func TestLateMasterData(t *testing.T) {
	h := newFive(t)
	r := h.untilIdle(nil, "--records", fmt.Sprint(*records), "--sandbox-arg=--late-share=0.2", "--sandbox-arg=--late-after=5s")
	h.allBalanced(r)
	t.Logf("%v in %d ms", h.compareAll(), r.report.ElapsedMS)
	parked, err := h.live().js.Stream(t.Context(), topology.Parked)
	if err != nil {
		t.Fatal(err)
	}
	state := parked.CachedInfo().State
	if state.LastSeq == 0 || state.Msgs != 0 {
		t.Errorf("%d records were parked and %d are left, want some and none", state.LastSeq, state.Msgs)
	}
	t.Logf("%d records were parked", state.LastSeq)
}

// TestReplicas runs two and three of each service: the same arrives, and no vendor sees more calls than
// its account has, or two at once where it takes one.
func TestReplicas(t *testing.T) {
	for _, replicas := range []string{"2", "3"} {
		t.Run(replicas, func(t *testing.T) { runReplicas(t, replicas) })
	}
}

func runReplicas(t *testing.T, replicas string) {
	h := newFive(t)
	l := h.live("--records", fmt.Sprint(*records), "--replicas", replicas)
	var held map[string]documents
	eventually(t, func() error {
		held = read(t, l.sandbox, bookPages...)
		bills, receipts, rows := len(held["xingchen/gain-bills"]), len(held["kis/receipts"]), l.count("SELECT COUNT(*) FROM "+refunds.name)
		gains := 0
		for _, doc := range held["wangdiantong/stockin"] {
			if isGain(doc) {
				gains++
			}
		}
		if bills < gains || receipts < *records || rows < *records || l.count(countDocuments) < *records {
			return fmt.Errorf("%d gain bills of %d, %d KIS receipts and %d refunds of %d", bills, gains, receipts, rows, *records)
		}
		return nil
	})
	t.Logf("%v", h.compareHeld(held))
	var stats struct {
		Vendors map[string]struct {
			Rejections map[string]int `json:"rejections"`
			Violations map[string]int `json:"violations"`
			Accounts   []struct {
				Rate       int `json:"rate_violations"`
				Concurrent int `json:"concurrency_violations"`
			} `json:"accounts"`
		} `json:"vendors"`
	}
	getJSON(t, l.sandbox+"stats", &stats)
	for name, v := range stats.Vendors {
		delete(v.Rejections, notFound)
		if len(v.Rejections) > 0 || len(v.Violations) > 0 {
			t.Errorf("%s: rejections %v, violations %v", name, v.Rejections, v.Violations)
		}
		for _, a := range v.Accounts {
			if a.Rate > 0 || a.Concurrent > 0 {
				t.Errorf("%s: %+v", name, a)
			}
		}
	}
}

// notFound is what Xingchen answers to the search for a customer before it is made.
const notFound = "2000002001"

// impatient returns a configuration whose sinks ask for a bill soon after its answer was lost.
func impatient(t *testing.T) string {
	settings := "settings:\n  booking_longest: 5s\n  booking_settle: 1s"
	return configCopy(t,
		edit{"connections/kd-main.yaml", "settings:", settings},
		edit{"connections/kis-main.yaml", "settings:", settings},
	)
}

// TestLostReplies cuts the connection after one save in twenty at either finance system has been
// stored: none is missing, and none is there twice.
func TestLostReplies(t *testing.T) {
	h := newFive(t)
	r := h.untilIdle(nil, "--records", fmt.Sprint(*records), "--config", impatient(t),
		"--sandbox-arg=--xingchen-lost-replies=0.05", "--sandbox-arg=--kis-lost-replies=0.05")
	h.allBalanced(r)
	lost := len(lines(r.stderr, "the outcome of the call is open"))
	if lost == 0 {
		t.Error("no answer was lost: the test shows nothing")
	}
	t.Logf("%d answers lost, %v in %d ms", lost, h.compareAll(), r.report.ElapsedMS)
}

// TestFinanceServicesKilled kills the services on the way to the finance systems again and again while
// bills are booked: none is missing, and none is there twice.
func TestFinanceServicesKilled(t *testing.T) {
	h := newFive(t)
	services := []string{"sink-kingdee", "sink-kis", "sink-reference", "poller-kingdee", "transformer"}
	kills := map[string]int{}
	const each = 2
	r := h.untilIdle(func() {
		dice := rand.New(rand.NewPCG(3, 5))
		deadline := time.Now().Add(patience)
		for done := 0; done < len(services) && time.Now().Before(deadline); {
			<-time.After(time.Duration(50+dice.IntN(300)) * time.Millisecond)
			service := services[dice.IntN(len(services))]
			if kills[service] < each && h.kill(service) {
				if kills[service]++; kills[service] == each {
					done++
				}
			}
		}
	}, "--records", fmt.Sprint(*records), "--config", impatient(t))
	h.allBalanced(r)
	t.Logf("kills %v, %v in %d ms", kills, h.compareAll(), r.report.ElapsedMS)
	for _, s := range services {
		if kills[s] != each {
			t.Errorf("%s was killed %d times, want %d", s, kills[s], each)
		}
	}
}
