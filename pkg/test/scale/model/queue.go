package model

import (
	"math"
	"time"
)

// cohort is records that were born, and came to RAW, in the same second.
type cohort struct {
	born, raw time.Duration
	n         float64
}

// queue holds cohorts, the oldest first.
type queue struct {
	all   []cohort
	total float64
}

func (q *queue) put(c cohort) {
	if c.n <= 0 {
		return
	}
	q.total += c.n
	if last := len(q.all) - 1; last >= 0 && q.all[last].born == c.born && q.all[last].raw == c.raw {
		q.all[last].n += c.n
		return
	}
	q.all = append(q.all, c)
}

// putFirst puts cohorts before all others.
func (q *queue) putFirst(cohorts []cohort) {
	q.all = append(cohorts, q.all...)
	for _, c := range cohorts {
		q.total += c.n
	}
}

// take takes up to n records that were born by a time, the oldest first, and hands their cohorts to each.
func (q *queue) take(n float64, born time.Duration, each func(cohort)) float64 {
	taken := 0.0
	for len(q.all) > 0 && n-taken > 1e-9 && q.all[0].born <= born {
		c := &q.all[0]
		part := *c
		part.n = min(c.n, n-taken)
		taken += part.n
		c.n -= part.n
		if c.n <= 1e-9 {
			q.all = q.all[1:]
		}
		each(part)
	}
	q.total = max(0, q.total-taken)
	return taken
}

// ever is later than any birth.
const ever = time.Duration(math.MaxInt64)

// ages counts records by how old they were, in seconds.
type ages struct {
	n     []float64
	total float64
}

func (a *ages) add(age time.Duration, n float64) {
	s := int(age / time.Second)
	for len(a.n) <= s {
		a.n = append(a.n, 0)
	}
	a.n[s] += n
	a.total += n
}

// quantile is the age that a share of the records does not exceed, to the second.
func (a *ages) quantile(share float64) time.Duration {
	sum := 0.0
	for s, n := range a.n {
		if sum += n; sum >= share*a.total {
			return time.Duration(s) * time.Second
		}
	}
	return 0
}
