// Package latency measures a sink whose target answers late: how much of what many accounts allow is used.
package latency

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
	"github.com/erpstream/erpstream/pkg/topology"
	kingdeev1 "github.com/erpstream/erpstream/proto/gen/erpstream/kingdee/v1"
)

// What the vendor is like: it answers that late, and allows that many calls a minute, of which the sink has
// a part.
const (
	accounts     = 20
	answersAfter = 200 * time.Millisecond
	perMinute    = 500
	sinksPart    = 0.8
)

// warmUp is how long the sink works before its calls count.
const warmUp = 3 * time.Second

// variants are the lines, by how many replicas there are.
var variants = []struct {
	line     string
	replicas int
}{{"kingdee-1-replica", 1}, {"kingdee-4-replicas", 4}}

// Scenario is the measurement.
func Scenario() measure.Scenario {
	s := measure.Scenario{
		Name:    "latency",
		What:    fmt.Sprintf("TARGET -> sink-kingdee -> a vendor that answers after %s, %d account sets, %d calls a minute each", answersAfter, accounts, perMinute),
		CPUUnit: "ms/call",
		Repeat:  1,
		Notes: []string{
			"latency: the share of the calls that the sink may make, four fifths of each account set's; a call that is refused, or a bill that is booked twice, ends the run.",
		},
		Open: func(ctx context.Context, o measure.Options) (measure.Sides, error) {
			if o.Quick {
				return open(ctx, 6*time.Second)
			}
			return open(ctx, 15*time.Second)
		},
	}
	for _, v := range variants {
		s.Lines = append(s.Lines, measure.Line{Name: v.line, Unit: "of the calls", Limit: new(0.95)})
	}
	return s
}

// stage is what all runs use.
type stage struct {
	*rig.Rig
	vendor    *vendor
	documents string
	during    time.Duration // for which calls count
}

func open(ctx context.Context, during time.Duration) (measure.Sides, error) {
	r, err := rig.New("latency")
	if err != nil {
		return measure.Sides{}, err
	}
	s := &stage{Rig: r, during: during}
	if err := s.open(ctx); err != nil {
		return measure.Sides{}, errors.Join(err, r.Close())
	}
	return measure.Sides{Ours: s.run, Close: r.Close}, nil
}

func (s *stage) open(ctx context.Context) (err error) {
	if _, err = s.Build(ctx, "erpstream", "sink-kingdee"); err != nil {
		return err
	}
	if s.vendor, err = listen(s.Rig); err != nil {
		return err
	}
	for n := range accounts {
		if err := s.Secret(name(n), "client_secret", strings.Repeat("0123456789abcdef", 2)); err != nil {
			return err
		}
	}
	s.documents, err = s.configuration()
	return err
}

// name is that of an account set's connection.
func name(n int) string { return fmt.Sprintf("kd-%02d", n) }

// flow books gain bills in one account set; nobody polls for it, and nobody maps.
const flow = `
connection: %[1]s
system: kingdee
endpoint: %[2]s
time_zone: Asia/Shanghai
budget: {per_minute: %[3]d}
settings: {client_id: %[1]s, outer_instance_id: "300000000000000001", app_key: bench}
---
flow: gain-%[1]s
from: wdt-stockgain
target: {kind: kingdee, connection: %[1]s, message: erpstream.kingdee.v1.InventoryGainBill}
map:
  bill_date: date(record.stockin_time)
  remark: '"旺店通盘盈单" + record.order_no'
  operation_key: '"audit"'
  material_entity:
    each: record.details_list
    map: {material_id: string(item.goods_no), stock_id: string(record.warehouse_no), unit_id: '"8"', qty: decimal(item.goods_count)}
---
`

// configuration is a source, and a flow for each account set.
func (s *stage) configuration() (string, error) {
	text, err := rig.Shipped(s.Root, "connections/wdt-main", "http://127.0.0.1:1")
	if err != nil {
		return "", err
	}
	source, err := rig.Shipped(s.Root, "sources/wdt-stockgain", "")
	text += source
	for n := range accounts {
		text += fmt.Sprintf(flow, name(n), s.vendor.url, perMinute)
	}
	return text, err
}

// run runs all variants, each with a server of its own.
func (s *stage) run(ctx context.Context) (measure.Sample, error) {
	sample := measure.Sample{}
	for _, v := range variants {
		figure, err := s.variant(ctx, v.replicas)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", v.line, err)
		}
		sample[v.line] = figure
	}
	return sample, nil
}

// variant lets replicas book for a while.
func (s *stage) variant(ctx context.Context, replicas int) (f measure.Figure, err error) {
	s.vendor.forget()
	n, err := s.NATS(ctx, fmt.Sprint(replicas), true)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, n.Stop()) }()
	if err := s.Provision(ctx, n, s.documents); err != nil {
		return f, err
	}
	js, err := s.Connect(n)
	if err != nil {
		return f, err
	}
	if err := s.publish(ctx, js); err != nil {
		return f, err
	}
	var programs []*rig.Process
	defer func() {
		for _, p := range programs {
			err = errors.Join(err, p.Stop())
		}
	}()
	for replica := range replicas {
		service, err := s.Service(n, "sink-kingdee", replica)
		if err != nil {
			return f, err
		}
		programs = append(programs, service.Process)
	}
	return s.watch(ctx, n, programs)
}

// watch counts the calls of a while, once all account sets are called.
func (s *stage) watch(ctx context.Context, n *rig.NATS, programs []*rig.Process) (f measure.Figure, err error) {
	for s.vendor.begun() < accounts {
		if err := pause(ctx, 100*time.Millisecond, programs); err != nil {
			return f, err
		}
	}
	if err := pause(ctx, warmUp, programs); err != nil {
		return f, err
	}
	roles := map[string]rig.Metered{measure.NATS: n}
	for i, p := range programs {
		roles[rig.Replica("sink-kingdee", i)] = p
	}
	meter, err := rig.NewMeter(roles)
	if err != nil {
		return f, err
	}
	from := time.Now()
	if err := pause(ctx, s.during, programs); err != nil {
		return f, err
	}
	to := time.Now()
	calls, err := s.vendor.count(from, to)
	if err != nil {
		return f, err
	}
	if calls == 0 {
		return f, errors.New("no call was made")
	}
	allowed := accounts * perMinute * sinksPart * to.Sub(from).Minutes()
	if f, err = meter.Figure(float64(calls)/allowed, float64(calls)/1000); err != nil {
		return f, err
	}
	for i := range programs {
		replica := rig.Replica("sink-kingdee", i)
		f.CPU[measure.Program] += f.CPU[replica]
		f.RSS[measure.Program] = max(f.RSS[measure.Program], f.RSS[replica])
	}
	return f, nil
}

// pause waits; a program that ends meanwhile is an error.
func pause(ctx context.Context, d time.Duration, programs []*rig.Process) error {
	for _, p := range programs {
		select {
		case <-p.Done():
			return errors.New("a sink has ended")
		default:
		}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// publish puts more bills into TARGET than can be booked meanwhile.
func (s *stage) publish(ctx context.Context, js jetstream.JetStream) error {
	bills := int((s.during + 4*warmUp).Minutes() * perMinute)
	for n := range accounts {
		var batch []*nats.Msg
		for i := range bills {
			msg, err := bill(n, i)
			if err != nil {
				return err
			}
			batch = append(batch, msg)
		}
		if _, err := jetstreamext.PublishMsgBatch(ctx, js, batch); err != nil {
			return fmt.Errorf("publish bills of %s: %w", name(n), err)
		}
	}
	return nil
}

// bill is a target message for a gain bill.
func bill(account, n int) (*nats.Msg, error) {
	key := fmt.Sprintf("RK%05d", n)
	doc := &kingdeev1.InventoryGainBill{
		BillDate: new("2026-10-10"), Remark: new("旺店通盘盈单" + key), OperationKey: new("audit"),
		MaterialEntity: []*kingdeev1.BillLine{{MaterialId: new("1986543210987654321"), StockId: new("1986543210987654400"), UnitId: new("8"), Qty: new("3")}},
	}
	body, err := proto.Marshal(doc)
	if err != nil {
		return nil, err
	}
	flow := "gain-" + name(account)
	e := record.Envelope{
		ID: fmt.Sprintf("wdt-stockgain/%s/1/%s", key, flow), Source: "wdt-stockgain", Type: "wangdiantong.stockin", Key: key, Version: 1,
		Time: time.Now(), Schema: string(doc.ProtoReflect().Descriptor().FullName()), Flow: flow, FlowRevision: 1, RawSequence: uint64(n + 1),
	}
	msg := nats.NewMsg(topology.TargetSubject("kingdee", name(account), flow, key))
	msg.Header, msg.Data = e.Header(), body
	return msg, nil
}
