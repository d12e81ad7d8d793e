package faults

import (
	"strings"
	"testing"
)

func add(t *testing.T, p *Plan, f Fault) Fault {
	t.Helper()
	f, err := p.Add(f)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFaultStrikesAsOftenAsOrdered(t *testing.T) {
	p := NewPlan(1)
	add(t, p, Fault{Kind: HTML, Count: 2})
	add(t, p, Fault{Kind: Slow})
	for i, want := range []int{2, 1, 0} {
		if got := p.Take("/open/x", true); len(got) != want {
			t.Errorf("call %d met %v, want %d faults", i, got, want)
		}
	}
	if left := p.List(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestFaultsOfOneKindStrikeOneAfterTheOther(t *testing.T) {
	p := NewPlan(1)
	add(t, p, Fault{Kind: RateLimit})
	add(t, p, Fault{Kind: RateLimit, Code: 200})
	first, second := p.Take("/open/x", true)[RateLimit], p.Take("/open/x", true)[RateLimit]
	if first.Code != 199 || second.Code != 200 {
		t.Errorf("codes are %d and %d, want 199 and 200", first.Code, second.Code)
	}
}

func TestWhichCallsAFaultStrikes(t *testing.T) {
	for _, test := range []struct {
		fault    Fault
		path     string
		business bool
		want     bool
	}{
		{Fault{Kind: HTML}, "/open/x", true, true},
		{Fault{Kind: HTML}, "/auth", false, false},
		{Fault{Kind: HTML, Path: "/auth"}, "/auth", false, true},
		{Fault{Kind: HTML, Path: "/open/y"}, "/open/x", true, false},
	} {
		p := NewPlan(1)
		add(t, p, test.fault)
		if _, got := p.Take(test.path, test.business)[HTML]; got != test.want {
			t.Errorf("%+v strikes %s: %v, want %v", test.fault, test.path, got, test.want)
		}
	}
}

func TestProbability(t *testing.T) {
	p := NewPlan(1)
	add(t, p, Fault{Kind: HTML, Count: 1000, Probability: 0.3})
	for range 1000 {
		p.Take("/open/x", true)
	}
	if struck := 1000 - p.List()[0].Count; struck < 250 || struck > 350 {
		t.Errorf("struck %d of 1000 calls, want about 300", struck)
	}
	if n := p.Clear(); n != 1 || len(p.List()) != 0 {
		t.Errorf("cleared %d", n)
	}
}

func TestAddRefuses(t *testing.T) {
	for want, f := range map[string]Fault{
		"kind":        {Kind: "flood"},
		"count":       {Kind: HTML, Count: -1},
		"probability": {Kind: HTML, Probability: 2},
		"delay_ms":    {Kind: Slow, DelayMS: 1 << 40},
		"status":      {Kind: HTML, Status: 99},
		"rows":        {Kind: Shift, Rows: -1},
	} {
		if _, err := NewPlan(1).Add(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: err = %v, want one about %s", f, err, want)
		}
	}
	if f := add(t, NewPlan(1), Fault{Kind: Slow}); f.ID != 1 || f.Count != 1 || f.DelayMS != 1000 {
		t.Errorf("defaults are %+v", f)
	}
}

func TestKindsThatWaitForTheirMoment(t *testing.T) {
	p := NewPlan(1)
	add(t, p, Fault{Kind: LostReply, Count: 2, Path: "/save"})
	if got := p.Take("/save", true); len(got) != 0 {
		t.Errorf("the call met %v before its moment", got)
	}
	if p.Strike(AuditDraft, "/save") || p.Strike(LostReply, "/other") {
		t.Error("another kind or path was struck")
	}
	for i, want := range []bool{true, true, false} {
		if got := p.Strike(LostReply, "/save"); got != want {
			t.Errorf("strike %d: %v, want %v", i, got, want)
		}
	}
	add(t, p, Fault{Kind: AuditDraft, Count: 1000, Probability: 0.25})
	struck := 0
	for range 1000 {
		if p.Strike(AuditDraft, "/save") {
			struck++
		}
	}
	if struck < 200 || struck > 300 || p.List()[0].Count != 1000-struck {
		t.Errorf("struck %d of 1000 calls, left %+v", struck, p.List())
	}
}
