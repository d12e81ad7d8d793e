package model

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/erpstream/erpstream/pkg/test/scale/hpa"
)

// phases is over how many moments of an interval the polls of alike connections are spread.
const phases = 10

// ackWait is how long what a lost pod had in hand waits for another one.
const ackWait = 15 * time.Second

// seen is how long it takes until the watchdog's figure says that a target is down, or there again.
const seen = 15 * time.Second

// flight is the state of a class.
type flight struct {
	Class
	noise        float64
	polls        [phases]phase
	raw, target  queue
	fromVendor   ages
	fromRaw      ages
	calls        float64
	born, polled float64
}

// phase is the connections that are polled at the same moment.
type phase struct {
	vendor  queue
	upTo    time.Duration // what was born by then is being read
	reading bool
	pay     float64 // seconds that the calls around the pages take
}

// tier is a scaled service at work.
type tier struct {
	Tier
	auto    hpa.Autoscaler
	pods    []time.Duration // when each is ready
	changes int
}

func newTier(t Tier) *tier {
	return &tier{Tier: t, auto: hpa.Autoscaler{Min: t.Min, Max: t.Max, Target: t.Target, Up: t.Up, Down: t.Down}, pods: make([]time.Duration, t.Min)}
}

func (t *tier) ready(now time.Duration) float64 {
	n := 0
	for _, at := range t.pods {
		if at <= now {
			n++
		}
	}
	return float64(n)
}

// look lets the autoscaler decide.
func (t *tier) look(now, start time.Duration, metric float64) {
	have := len(t.pods)
	want := t.auto.Decide(now, have, metric)
	if want != have {
		t.changes++
	}
	for len(t.pods) < want {
		t.pods = append(t.pods, now+start)
	}
	t.pods = t.pods[:want]
}

// run is a scenario under way.
type run struct {
	Scenario
	random             *rand.Rand
	flights            []*flight
	transformer, mysql *tier
	down               map[string]time.Duration // since when
	up                 map[string]time.Duration // since when again
	returns            []handBack
	now                time.Duration
	used               map[string]float64 // cores in this second
	done               float64
	summary            Summary
	point              Point
	sums               map[string]float64
	replicas           [2]float64
}

// handBack is what lost pods had in hand.
type handBack struct {
	at      time.Duration
	to      *queue
	cohorts []cohort
}

// Run simulates a scenario; every is the distance of the points in seconds.
func Run(s Scenario, every int) Summary {
	r := &run{
		Scenario: s, random: rand.New(rand.NewPCG(s.Seed, 1)), transformer: newTier(s.Transformer), mysql: newTier(s.MySQL),
		down: map[string]time.Duration{}, up: map[string]time.Duration{}, used: map[string]float64{}, sums: map[string]float64{},
		point: Point{Cores: map[string]float64{}},
	}
	r.summary.Scenario = s.Name
	for _, c := range s.Classes {
		r.flights = append(r.flights, &flight{Class: c, noise: 1})
	}
	r.flights[0].raw.put(cohort{n: s.Backlog})
	r.flights[0].born = s.Backlog
	seconds := int(s.For / time.Second)
	for second := range seconds {
		r.now = time.Duration(second) * time.Second
		r.step(second)
		if (second+1)%every == 0 {
			r.note(second, every)
		}
	}
	return r.finish(seconds)
}

// step is one second.
func (r *run) step(second int) {
	clear(r.used)
	r.troubles()
	r.idle()
	for _, f := range r.flights {
		r.arrive(f, second)
		r.poll(f, second)
	}
	r.work()
	if r.now%hpa.Sync == 0 {
		r.transformer.look(r.now, r.Start, r.lag(r.transformer, func(f *flight) (float64, int) { return f.raw.total, f.Connections }, nil))
		r.mysql.look(r.now, r.Start, r.lag(r.mysql, func(f *flight) (float64, int) {
			if f.paced() {
				return 0, 1
			}
			return f.target.total, f.Targets
		}, r.known))
	}
	for part, cores := range r.used {
		r.point.Cores[part] += cores
	}
	r.replicas[0] += float64(len(r.transformer.pods))
	r.replicas[1] += float64(len(r.mysql.pods))
}

// troubles begins and ends what goes wrong.
func (r *run) troubles() {
	for _, t := range r.Trouble {
		switch {
		case t.Kind != "" && r.now == t.At:
			r.down[t.Kind] = r.now
			delete(r.up, t.Kind)
		case t.Kind != "" && r.now == t.At+t.For:
			delete(r.down, t.Kind)
			r.up[t.Kind] = r.now
		case t.Kill > 0 && r.now == t.At:
			r.kill(t)
		}
	}
	r.returns = slices.DeleteFunc(r.returns, func(back handBack) bool {
		if back.at == r.now {
			back.to.putFirst(back.cohorts)
		}
		return back.at == r.now
	})
}

// kill takes pods away; their Deployment replaces them, and what they had in hand comes again.
func (r *run) kill(t Trouble) {
	victim, stage := r.transformer, func(f *flight) *queue { return &f.raw }
	if t.Pods == "sink-mysql" {
		victim, stage = r.mysql, func(f *flight) *queue { return &f.target }
	}
	ready := max(1, victim.ready(r.now))
	lost := min(t.Kill, len(victim.pods))
	for i := range lost {
		victim.pods[i] = r.now + max(t.For, r.Start)
	}
	for _, f := range r.flights {
		q := stage(f)
		inHand := min(q.total, victim.Rate) * float64(lost) / ready
		back := handBack{at: r.now + ackWait, to: q}
		q.take(inHand, ever, func(c cohort) { back.cohorts = append(back.cohorts, c) })
		r.returns = append(r.returns, back)
	}
}

// known reports whether the autoscaler counts what waits for a kind of target.
func (r *run) known(f *flight) bool {
	if r.BreakerUnseen {
		return true
	}
	since, isDown := r.down[f.Kind]
	again, wasDown := r.up[f.Kind]
	return (!isDown || r.now < since+seen) && (!wasDown || r.now >= again+seen)
}

// lag is KEDA's formula: of each consumer at most what so many replicas find work at.
func (r *run) lag(t *tier, of func(*flight) (float64, int), counted func(*flight) bool) float64 {
	sum := 0.0
	for _, f := range r.flights {
		if counted != nil && !counted(f) {
			continue
		}
		waits, units := of(f)
		sum += min(waits, float64(t.AtOnce*max(1, units))*t.Target)
	}
	return sum
}

// idle counts what is taken without work.
func (r *run) idle() {
	for _, f := range r.flights {
		r.used["poller"] += r.Costs.PollerIdle * float64(f.Connections) / 1000
		r.used["nats"] += r.Costs.ConsumerIdle * float64(2*f.Connections+f.Targets)
	}
}

// arrive commits records at the vendor; what comes in a second varies as by chance, and by a tenth for a minute.
func (r *run) arrive(f *flight, second int) {
	if second%60 == 0 {
		f.noise = math.Exp(.1 * r.random.NormFloat64())
	}
	mean := f.PerDay * float64(f.Connections) / 86400 * f.Curve.at(r.now) * f.noise
	n := max(0, mean+math.Sqrt(mean)*r.random.NormFloat64())
	f.born += n
	r.point.Arrivals += n
	for i := range f.polls {
		f.polls[i].vendor.put(cohort{born: r.now, n: n / phases})
	}
}

// poll reads what the budget of calls lets be read.
func (r *run) poll(f *flight, second int) {
	every := int(f.Every / time.Second)
	perSecond := float64(f.Calls) / 60
	connections := float64(f.Connections) / phases
	for i := range f.polls {
		p := &f.polls[i]
		if (second+i*every/phases)%every == 0 && !p.reading {
			p.upTo, p.reading, p.pay = r.now-f.Settle, true, 2/perSecond // the total before, and the total after
			f.calls += 2 * connections
		}
		if !p.reading {
			continue
		}
		if p.pay > 0 {
			p.pay--
			continue
		}
		most := connections * perSecond * float64(f.Page)
		n := p.vendor.take(most, p.upTo, func(c cohort) {
			c.raw = r.now
			f.raw.put(c)
		})
		f.polled += n
		f.calls += n / float64(f.Page)
		r.point.Published += n
		r.used["poller"] += n * r.Costs.Poller / 1e6
		r.used["nats"] += n * r.Costs.NATSPoll / 1e6
		p.reading = n >= most
	}
}

// work maps and writes for a second: at both stages as many records as replicas, budgets and the database let,
// fewer where there are not enough processors for all of that.
func (r *run) work() {
	maps, writes := make([]float64, len(r.flights)), make([]float64, len(r.flights))
	r.share(r.transformer.ready(r.now)*r.transformer.Rate, maps, func(f *flight) float64 {
		return min(f.raw.total, float64(f.Connections*r.transformer.AtOnce)*r.transformer.Rate)
	})
	r.share(r.mysql.ready(r.now)*r.mysql.Rate, writes, func(f *flight) float64 {
		if _, down := r.down[f.Kind]; down || f.paced() {
			return 0
		}
		return min(f.target.total, float64(f.Targets*r.mysql.AtOnce)*r.mysql.Rate)
	})
	r.databases(writes)
	for i, f := range r.flights {
		if _, down := r.down[f.Kind]; f.paced() && !down {
			writes[i] = min(f.target.total, float64(f.Targets)*f.BookCalls/60/f.PerRecord)
		}
	}
	slow := r.processors(maps, writes)
	for i, f := range r.flights {
		r.write(f, writes[i]*slow)
		r.transform(f, maps[i]*slow)
	}
}

// share gives each class its part of a capacity, by what it asks for.
func (r *run) share(capacity float64, to []float64, asks func(*flight) float64) {
	sum := 0.0
	for i, f := range r.flights {
		to[i] = asks(f)
		sum += to[i]
	}
	if sum > capacity {
		for i := range to {
			to[i] *= capacity / sum
		}
	}
}

// databases bounds the rows.
func (r *run) databases(writes []float64) {
	rows := 0.0
	for i, f := range r.flights {
		rows += writes[i] * f.Rows
	}
	if r.RowsPerSecond > 0 && rows > r.RowsPerSecond {
		for i := range writes {
			writes[i] *= r.RowsPerSecond / rows
		}
	}
}

// processors says which part of the work there are processors for.
func (r *run) processors(maps, writes []float64) float64 {
	need := 0.0
	for i, f := range r.flights {
		need += maps[i] * (r.Costs.Transformer + r.Costs.NATSHops/2)
		need += writes[i] * (r.Costs.Sink + r.Costs.NATSHops/2 + f.Rows*r.Costs.Row)
	}
	need /= 1e6
	free := r.Cores - r.used["poller"] - r.used["nats"]
	if r.Cores == 0 || need <= free {
		return 1
	}
	return max(0, free/need)
}

func (r *run) transform(f *flight, n float64) {
	n = f.raw.take(n, ever, f.target.put)
	r.point.Published += n
	r.used["transformer"] += n * r.Costs.Transformer / 1e6
	r.used["nats"] += n * r.Costs.NATSHops / 2 / 1e6
}

func (r *run) write(f *flight, n float64) {
	n = f.target.take(n, ever, func(c cohort) {
		f.fromVendor.add(r.now-c.born, c.n)
		f.fromRaw.add(r.now-c.raw, c.n)
	})
	r.done += n
	r.point.Done += n
	r.point.Published += n
	r.used["nats"] += n * r.Costs.NATSHops / 2 / 1e6
	if f.paced() {
		r.used["sink-"+f.Kind] += n * f.PerRecord * r.Costs.Call / 1e6
		return
	}
	r.used["sink-"+f.Kind] += n * r.Costs.Sink / 1e6
	r.used["database"] += n * f.Rows * r.Costs.Row / 1e6
}
