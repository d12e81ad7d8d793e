package model

import (
	"maps"
	"slices"
)

// Memory of a pod in MiB: at rest, with batches in hand, and of a poller or sink for each connection.
const (
	restMiB       = 28
	busyMiB       = 120
	connectionMiB = 0.125
	targetMiB     = 0.5
	fixedReplicas = 2
)

// note ends a point.
func (r *run) note(second, every int) {
	p := &r.point
	p.Second = second + 1
	p.Arrivals /= float64(every)
	p.Done /= float64(every)
	p.Published /= float64(every)
	p.Transformer, p.MySQL = len(r.transformer.pods), len(r.mysql.pods)
	total := 0.0
	for _, part := range slices.Sorted(maps.Keys(p.Cores)) { // in one order, for sums of floating point
		r.sums[part] += p.Cores[part]
		p.Cores[part] /= float64(every)
		total += p.Cores[part]
	}
	for _, f := range r.flights {
		for i := range f.polls {
			p.Unpolled += f.polls[i].vendor.total
		}
		p.Unmapped += f.raw.total
		p.Unwritten += f.target.total
	}
	m := &r.summary.Most
	m.Arrivals, m.Published = max(m.Arrivals, p.Arrivals), max(m.Published, p.Published)
	m.Transformer, m.MySQL = max(m.Transformer, p.Transformer), max(m.MySQL, p.MySQL)
	m.Unpolled, m.Unmapped, m.Unwritten = max(m.Unpolled, p.Unpolled), max(m.Unmapped, p.Unmapped), max(m.Unwritten, p.Unwritten)
	m.Cores, m.MemoryMiB = max(m.Cores, total), max(m.MemoryMiB, r.memory())
	r.summary.Points = append(r.summary.Points, *p)
	r.point = Point{Cores: map[string]float64{}}
}

// memory is what all pods of the services take, in MiB.
func (r *run) memory() float64 {
	sum := busyMiB * float64(len(r.transformer.pods)+len(r.mysql.pods))
	paced := map[string]bool{}
	for _, f := range r.flights {
		sum += fixedReplicas * connectionMiB * float64(f.Connections)
		if f.paced() {
			paced[f.Kind] = true
			sum += fixedReplicas * targetMiB * float64(f.Targets)
		}
	}
	return sum + fixedReplicas*restMiB*float64(1+len(paced))
}

func (r *run) finish(seconds int) Summary {
	s := &r.summary
	s.Done, s.Changes = r.done, r.transformer.changes+r.mysql.changes
	bytes := 0.0
	for _, f := range r.flights {
		s.Records += f.born
		days := float64(seconds) / 86400
		s.Classes = append(s.Classes, ClassSummary{
			Class: f.Name,
			P50:   f.fromVendor.quantile(.5).Seconds(), P99: f.fromVendor.quantile(.99).Seconds(),
			RawP50: f.fromRaw.quantile(.5).Seconds(), RawP99: f.fromRaw.quantile(.99).Seconds(),
			CallsUse: f.calls / (float64(f.Connections*f.Calls) * float64(seconds) / 60),
		})
		bytes += f.polled / days * (r.Costs.RawBytes + r.Costs.TargetBytes + r.Costs.ReceiptBytes)
	}
	s.StoredPerDay, s.Waiting = bytes, s.Records-s.Done
	s.Mean = map[string]Mean{}
	for part, sum := range r.sums {
		s.Mean[part] = Mean{Cores: sum / float64(seconds)}
	}
	for i, name := range []string{"transformer", "sink-mysql"} {
		m := s.Mean[name]
		m.Replicas = r.replicas[i] / float64(seconds)
		s.Mean[name] = m
	}
	return *s
}
