package e2e

import "testing"

// TestVendorsWhoseClockIsBehind lets every document be edited while the vendor's clock is 45 s behind:
// each edit bears a time that has long gone by here. Some of them commit late, besides.
func TestVendorsWhoseClockIsBehind(t *testing.T) {
	h := newHouse(t)
	r := h.untilIdle(nil, "--records", "300", "--edits", "300", "--edit-rate", "20",
		"--sandbox-arg=--clock-offset=-45s", "--sandbox-arg=--late-commits=30", "--sandbox-arg=--late-by=2s")
	h.balanced(r)
	if r.flow.Published <= 300 {
		t.Errorf("%d published: no edit came through", r.flow.Published)
	}
	t.Logf("account %+v, %d rows", r.flow, h.compare())
}
