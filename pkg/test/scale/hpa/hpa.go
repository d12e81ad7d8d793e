// Package hpa is the algorithm of Kubernetes' HorizontalPodAutoscaler (autoscaling/v2) for one external metric with
// an average value as its target, which is what KEDA makes of a formula. It follows the controller of Kubernetes
// 1.36 step by step: tolerance, stabilisation windows, rate policies, bounds.
package hpa

import (
	"math"
	"slices"
	"time"
)

// Sync is how often the controller looks, Tolerance how far from the target the metric is let be.
const (
	Sync      = 15 * time.Second
	Tolerance = 0.1
)

// Policy lets so many pods, or percent of them, come or go within a period.
type Policy struct {
	Percent bool
	Value   int
	Period  time.Duration
}

// Rules are those of one direction: of the recommendations within Window the most careful one counts, and the
// policy that allows most.
type Rules struct {
	Window   time.Duration
	Policies []Policy
}

// Autoscaler is one HorizontalPodAutoscaler. Its times only grow.
type Autoscaler struct {
	Min, Max int
	// Target is how much of the metric is one replica's.
	Target   float64
	Up, Down Rules

	recommended []at // what was wanted, not yet stabilised
	added, gone []at // what was done
}

// at is a number of replicas at a time.
type at struct {
	when time.Duration
	n    int
}

// Decide returns how many replicas there are to be, of current ones, with a metric at a time.
func (a *Autoscaler) Decide(now time.Duration, current int, metric float64) int {
	if current == 0 {
		return 0 // switched off, as in Kubernetes
	}
	if current < a.Min || current > a.Max {
		return a.scaled(now, current, min(max(current, a.Min), a.Max))
	}
	wanted := a.stabilised(now, current, a.wanted(current, metric))
	switch {
	case wanted > current:
		wanted = min(wanted, max(current, a.upTo(now, current)), a.Max)
	case wanted < current:
		wanted = max(wanted, min(current, a.downTo(now, current)), a.Min)
	}
	return a.scaled(now, current, wanted)
}

// Hold is a look at which the metric is not known: nothing changes, and nothing is remembered.
func (a *Autoscaler) Hold(current int) int { return current }

// wanted is what the metric asks for.
func (a *Autoscaler) wanted(current int, metric float64) int {
	ratio := metric / (a.Target * float64(current))
	if 1-Tolerance <= ratio && ratio <= 1+Tolerance {
		return current
	}
	return int(math.Ceil(metric / a.Target))
}

// stabilised brings what is wanted between the least that was recommended while more might come, and the most
// while fewer might.
func (a *Autoscaler) stabilised(now time.Duration, current, wanted int) int {
	least, most := wanted, wanted
	for _, r := range a.recommended {
		if r.when > now-a.Up.Window {
			least = min(least, r.n)
		}
		if r.when > now-a.Down.Window {
			most = max(most, r.n)
		}
	}
	a.recommended = slices.DeleteFunc(a.recommended, func(r at) bool { return r.when <= now-max(a.Up.Window, a.Down.Window) })
	a.recommended = append(a.recommended, at{now, wanted})
	return min(max(current, least), most)
}

// upTo is how many replicas the policies let there be.
func (a *Autoscaler) upTo(now time.Duration, current int) int {
	most := math.MinInt
	for _, p := range a.Up.Policies {
		began := current - changed(a.added, now, p.Period) + changed(a.gone, now, p.Period)
		allowed := began + p.Value
		if p.Percent {
			allowed = int(math.Ceil(float64(began) * (1 + float64(p.Value)/100)))
		}
		most = max(most, allowed)
	}
	return most
}

// downTo is how few replicas the policies let there be.
func (a *Autoscaler) downTo(now time.Duration, current int) int {
	least := math.MaxInt
	for _, p := range a.Down.Policies {
		began := current - changed(a.added, now, p.Period) + changed(a.gone, now, p.Period)
		allowed := began - p.Value
		if p.Percent {
			allowed = int(float64(began) * (1 - float64(p.Value)/100))
		}
		least = min(least, allowed)
	}
	return least
}

// scaled notes what is done.
func (a *Autoscaler) scaled(now time.Duration, current, wanted int) int {
	switch {
	case wanted > current:
		a.added = append(a.added, at{now, wanted - current})
	case wanted < current:
		a.gone = append(a.gone, at{now, current - wanted})
	}
	return wanted
}

// changed is how many replicas came, or went, within a period.
func changed(events []at, now, period time.Duration) int {
	n := 0
	for i := len(events) - 1; i >= 0 && events[i].when > now-period; i-- {
		n += events[i].n
	}
	return n
}
