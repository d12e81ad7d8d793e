package e2e

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestEverythingArrivesAndASecondRunGoesOn(t *testing.T) {
	h := newHouse(t)
	first := h.untilIdle(nil, "--records", "600")
	h.balanced(first)
	if first.flow.Published != 600 || first.flow.Delivered != 600 || first.flow.Dead != 0 {
		t.Errorf("account %+v, want 600 published and delivered", first.flow)
	}
	t.Logf("%d rows", h.compare())
	second := h.untilIdle(nil)
	h.balanced(second)
	if second.flow.Published != 600 {
		t.Errorf("the second run published %d more", second.flow.Published-600)
	}
	h.compare()
}

func TestEditsWhilePolled(t *testing.T) {
	h := newHouse(t)
	r := h.untilIdle(nil, "--records", "1500", "--edits", "300", "--edit-rate", "150")
	h.balanced(r)
	if r.flow.Published <= 1500 {
		t.Errorf("%d published: no edit came through", r.flow.Published)
	}
	t.Logf("account %+v, %d rows", r.flow, h.compare())
}

func TestServicesKilledAtRandom(t *testing.T) {
	h := newHouse(t)
	services := []string{"poller-jushuitan", "transformer", "sink-mysql"}
	kills := map[string]int{}
	const each = 10
	r := h.untilIdle(func() {
		// Edits go on for 15 s, so there is work in flight all the while.
		dice := rand.New(rand.NewPCG(7, 11))
		deadline := time.Now().Add(patience)
		for done := 0; done < len(services) && time.Now().Before(deadline); {
			<-time.After(time.Duration(100+dice.IntN(500)) * time.Millisecond)
			service := services[dice.IntN(len(services))]
			if kills[service] < each && h.kill(service) {
				if kills[service]++; kills[service] == each {
					done++
				}
			}
		}
	}, "--records", "5000", "--edits", "2000", "--edit-rate", "100")
	h.balanced(r)
	for _, s := range services {
		if kills[s] != each {
			t.Errorf("%s was killed %d times, want %d", s, kills[s], each)
		}
	}
	t.Logf("kills %v, account %+v, %d rows", kills, r.flow, h.compare())
}
