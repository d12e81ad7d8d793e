package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

const (
	kindDeadShare = "dead-share"
	// shareOver is the time over which the share of dead letters is taken, shareMin how many records there
	// must be for one.
	shareOver = time.Hour
	shareMin  = 20
)

// deaths counts the records of the last hour by flow: those that died and those that did not.
type deaths struct {
	js jetstream.JetStream
	// receipts and letters are the first sequences of RECEIPTS and DEAD that were not read yet.
	receipts, letters uint64
	flows             map[string]map[int64]*minute
}

// minute is what one minute had of a flow; classes counts the letters by class.
type minute struct {
	alive, dead int64
	classes     map[string]int64
}

func newDeaths(js jetstream.JetStream) *deaths {
	return &deaths{js: js, flows: map[string]map[int64]*minute{}}
}

// at returns the minute of a flow.
func (d *deaths) at(name string, t time.Time) *minute {
	if d.flows[name] == nil {
		d.flows[name] = map[int64]*minute{}
	}
	key := t.Unix() / 60
	if d.flows[name][key] == nil {
		d.flows[name][key] = &minute{classes: map[string]int64{}}
	}
	return d.flows[name][key]
}

// read takes in what came since the last time.
func (d *deaths) read(ctx context.Context, now time.Time) error {
	since := func(next uint64) consume.Reading {
		if next > 0 {
			return consume.Reading{From: next}
		}
		return consume.Reading{Since: now.Add(-shareOver)}
	}
	err := consume.Read(ctx, d.js, topology.Receipts, since(d.receipts), func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		d.receipts = meta.Sequence.Stream + 1
		all := new(ledgerv1.Receipts)
		if err := proto.Unmarshal(msg.Data(), all); err != nil {
			return nil //nolint:nilerr // the audit says which it is
		}
		for _, r := range all.GetReceipts() {
			if r.GetOutcome() != ledgerv1.Outcome_OUTCOME_RETRIED {
				d.at(all.GetFlow(), meta.Timestamp).alive++
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	letters := since(d.letters)
	letters.HeadersOnly = true
	return consume.Read(ctx, d.js, topology.Dead, letters, func(msg jetstream.Msg, meta *jetstream.MsgMetadata) error {
		d.letters = meta.Sequence.Stream + 1
		if name := msg.Headers().Get(topology.HeaderDeadFlow); name != "" && !topology.IsDeadNote(msg.Subject()) {
			m := d.at(name, meta.Timestamp)
			m.dead++
			m.classes[msg.Headers().Get(topology.HeaderDeadClass)]++
		}
		return nil
	})
}

// sum adds up the last hour of a flow, and forgets what is older.
func (d *deaths) sum(name string, now time.Time) minute {
	all := minute{classes: map[string]int64{}}
	for at, m := range d.flows[name] {
		if at < now.Add(-shareOver).Unix()/60 {
			delete(d.flows[name], at)
			continue
		}
		all.alive += m.alive
		all.dead += m.dead
		for class, n := range m.classes {
			all.classes[class] += n
		}
	}
	return all
}

// most is the class of most letters.
func (m minute) most() string {
	return slices.MaxFunc(slices.Sorted(maps.Keys(m.classes)), func(a, b string) int { return cmp.Compare(m.classes[a], m.classes[b]) })
}

// lookAtDeaths sees whether too many of a flow's records die. The alarm ends at half of the share that
// raises it, so that it does not come and go.
func (w *watch) lookAtDeaths(ctx context.Context, set flow.Set) error {
	if w.deadShare == 0 {
		return nil
	}
	if err := w.deaths.read(ctx, w.now()); err != nil {
		return err
	}
	for _, name := range set.Names(flow.KindFlow) {
		m := w.deaths.sum(name, w.now())
		total := m.alive + m.dead
		var err error
		switch {
		case total >= shareMin && m.dead*100 > total*int64(w.deadShare):
			err = w.alarms.raise(ctx, event.Event{Severity: event.Critical, Kind: kindDeadShare, Subject: name, Text: fmt.Sprintf(
				"%d of the %d records of flow %s that ended in the last hour died (%d %%, more than %d %%), %d of them of class %s: `erpstream dead list --flow %s` shows why",
				m.dead, total, name, m.dead*100/total, w.deadShare, m.classes[m.most()], m.most(), name)})
		case m.dead*200 <= total*int64(w.deadShare):
			err = w.alarms.resolve(ctx, kindDeadShare, kindDeadShare+sayResolved, name,
				fmt.Sprintf("%d of the %d records of flow %s that ended in the last hour died", m.dead, total, name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
