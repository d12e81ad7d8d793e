package growth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	"github.com/erpstream/erpstream/pkg/topology"
)

// active is how many flows have records.
const active = 5

const database = "bench_growth"

// stage is what all runs use.
type stage struct {
	*rig.Rig
	db   *rig.MariaDB
	runs int
}

// run is what is at work in one run.
type run struct {
	*stage
	form
	nats     *rig.NATS
	js       jetstream.JetStream
	streams  *rig.Streams
	programs []*rig.Process
	took     time.Duration
	used     measure.Figure // in seconds
}

// run lets the records before the slice come through, and then measures the slice.
func (s *stage) run(ctx context.Context, f form) (*run, error) {
	s.runs++
	n, err := s.NATS(ctx, strconv.Itoa(s.runs), true)
	if err != nil {
		return nil, err
	}
	r := &run{stage: s, form: f, nats: n}
	return r, errors.Join(r.all(ctx), r.stop())
}

func (r *run) all(ctx context.Context) error {
	if err := r.start(ctx); err != nil {
		return err
	}
	if err := r.through(ctx, 0, r.fill); err != nil {
		return err
	}
	if err := r.tables(ctx); err != nil { // those of all runs are of one size
		return err
	}
	roles := map[string]rig.Metered{measure.NATS: r.nats, measure.MariaDB: r.db}
	for i, p := range r.programs {
		roles[strconv.Itoa(i)] = p
	}
	meter, err := rig.NewMeter(roles)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := r.through(ctx, r.fill, r.fill+r.slice); err != nil {
		return err
	}
	r.took = time.Since(began)
	r.used, err = meter.Figure(0, 1)
	return err
}

// figure is what the slice took, in seconds for each of that many units.
func (r *run) figure(units float64) (measure.Figure, error) {
	f := measure.Figure{CPU: map[string]float64{}, RSS: map[string]int64{}}
	for _, role := range []string{measure.NATS, measure.MariaDB} {
		f.CPU[role], f.RSS[role] = r.used.CPU[role]/units, r.used.RSS[role]
	}
	for i := range r.programs {
		replica := strconv.Itoa(i)
		f.CPU[measure.Program] += r.used.CPU[replica] / units
		f.RSS[measure.Program] = max(f.RSS[measure.Program], r.used.RSS[replica])
	}
	return f, r.check()
}

// check refuses a run whose rows are not all there.
func (r *run) check() error {
	var rows int
	if err := r.db.QueryRow("SELECT COUNT(*) FROM " + database + ".purchasein_query").Scan(&rows); err != nil {
		return err
	}
	if want := r.slice * r.lines; rows != want {
		return fmt.Errorf("%d rows, want %d", rows, want)
	}
	return nil
}

func (r *run) start(ctx context.Context) (err error) {
	if err := r.tables(ctx); err != nil {
		return err
	}
	documents, err := r.documents()
	if err != nil {
		return err
	}
	if err := r.Provision(ctx, r.nats, documents); err != nil {
		return err
	}
	if r.js, err = r.Connect(r.nats); err != nil {
		return err
	}
	if r.streams, err = r.Streams(ctx, r.nats, floor.Record, 0); err != nil {
		return err
	}
	for replica := range r.replicas {
		for _, name := range []string{"transformer", "sink-mysql"} {
			service, err := r.Service(r.nats, name, replica)
			if err != nil {
				return err
			}
			r.programs = append(r.programs, service.Process)
		}
	}
	return nil
}

func (r *run) stop() error {
	var errs []error
	for _, p := range r.programs {
		errs = append(errs, p.Stop())
	}
	return errors.Join(append(errs, r.nats.Stop())...)
}

// tables makes the tables anew.
func (s *stage) tables(ctx context.Context) error {
	ddl, err := s.Erpstream(ctx, "ddl", "erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		return err
	}
	rows, guard, _ := strings.Cut(ddl, ";\n")
	return s.db.Fresh(ctx, database, rows, guard)
}

// source is the name of the n-th source.
func source(n int) string { return fmt.Sprintf("source-%03d", n) }

// idle is how many sources without records the flows beyond the active ones share: documents that are
// applied together are a thousand at most.
const idle = 45

// documents are sources, and flows that are the shipped one. Nobody polls.
func (r *run) documents() (string, error) {
	text, err := rig.Shipped(r.Root, "connections/jst-main", "http://127.0.0.1:1")
	if err != nil {
		return "", err
	}
	target, err := rig.Shipped(r.Root, "connections/bi-main", "mysql://"+r.db.Addr+"/"+database)
	if err != nil {
		return "", err
	}
	shipped, err := rig.Shipped(r.Root, "flows/jst-purchasein-to-mysql", "")
	if err != nil {
		return "", err
	}
	text += target
	for n := range min(r.flows, active+idle) {
		text += fmt.Sprintf("source: %s\nconnection: jst-main\nfeed: %s\nevery: 24h\nstart: 2026-10-01T00:00:00+08:00\n---\n", source(n), feed)
	}
	for n := range r.flows {
		from := source(n)
		if n >= active {
			from = source(active + n%idle)
		}
		text += strings.NewReplacer("flow: jst-purchasein-to-mysql", fmt.Sprintf("flow: flow-%03d", n), "from: jst-purchasein", "from: "+from).Replace(shipped)
	}
	return text, nil
}

const feed = "jushuitan.purchasein"

// through publishes records and waits until the sink has settled them.
func (r *run) through(ctx context.Context, first, end int) error {
	for n := first; n < end; n += topology.BatchLimit {
		var batch []*nats.Msg
		for i := n; i < min(end, n+topology.BatchLimit); i++ {
			batch = append(batch, message(i, body(i, r.lines)))
		}
		if _, err := jetstreamext.PublishMsgBatch(ctx, r.js, batch); err != nil {
			return fmt.Errorf("publish records from %d on: %w", n, err)
		}
	}
	return r.streams.Settled(ctx, topology.Target, topology.SinkConsumer("mysql", "bi-main"), end, r.programs...)
}

// message is a record in RAW, of one of the active sources.
func message(n int, body []byte) *nats.Msg {
	key, name := strconv.Itoa(firstKey+n), source(n%active)
	e := record.Envelope{ID: record.NewID(name, key, 1, body), Source: name, Type: feed, Key: key, Version: 1, Time: began.Add(time.Duration(n) * time.Second)}
	msg := nats.NewMsg(topology.RawSubject("jushuitan", name, key))
	msg.Header, msg.Data = e.Header(), body
	return msg
}

// firstKey is the io_id of floor.Record's first document.
const firstKey = 2_204_001

var began = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

// body is the n-th document, with that many lines like its first.
func body(n, lines int) []byte {
	row := floor.Record(n)
	begin := bytes.Index(row, []byte(`"items":[`)) + len(`"items":[`)
	end := begin + bytes.Index(row[begin:], []byte(`],"batchs"`))
	first, _, _ := bytes.Cut(row[begin:end], []byte(`},{`))
	_, rest, _ := bytes.Cut(first, []byte(`,`)) // what comes after its ioi_id
	out := bytes.Clone(row[:begin])
	for i := range lines {
		if i > 0 {
			out = append(out, ',')
		}
		out = fmt.Appendf(out, `{"ioi_id":%d,%s}`, (firstKey+n)*1000+i, bytes.TrimSuffix(rest, []byte(`}`)))
	}
	return append(out, row[end:]...)
}
