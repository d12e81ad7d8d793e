package e2e

import (
	"flag"
	"fmt"
	"testing"
)

// records is how many documents each feed has: more than the tests need for a longer look.
var records = flag.Int("records", 200, "documents of each feed in the tests of all integrations")

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

func TestLateMasterData(t *testing.T) {
	h := newFive(t)
	r := h.untilIdle(nil, "--records", fmt.Sprint(*records), "--sandbox-arg=--late-share=0.2", "--sandbox-arg=--late-after=5s")
	h.allBalanced(r)
	t.Logf("%v in %d ms", h.compareAll(), r.report.ElapsedMS)
}

func TestThreeReplicas(t *testing.T) {
	h := newFive(t)
	r := h.untilIdle(nil, "--records", fmt.Sprint(*records), "--replicas", "3")
	h.allBalanced(r)
	t.Logf("%v in %d ms", h.compareAll(), r.report.ElapsedMS)
}

// TestLostReplies cuts the connection after one save in twenty at either finance system has been
// stored: none is missing, and none is there twice.
func TestLostReplies(t *testing.T) {
	patience := "settings:\n  booking_longest: 5s\n  booking_settle: 1s"
	folder := configCopy(t,
		edit{"connections/kd-main.yaml", "settings:", patience},
		edit{"connections/kis-main.yaml", "settings:", patience},
	)
	h := newFive(t)
	r := h.untilIdle(nil, "--records", fmt.Sprint(*records), "--config", folder,
		"--sandbox-arg=--xingchen-lost-replies=0.05", "--sandbox-arg=--kis-lost-replies=0.05")
	h.allBalanced(r)
	lost := len(lines(r.stderr, "the outcome of the call is open"))
	if lost == 0 {
		t.Error("no answer was lost: the test shows nothing")
	}
	t.Logf("%d answers lost, %v in %d ms", lost, h.compareAll(), r.report.ElapsedMS)
}
