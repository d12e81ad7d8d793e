package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/ledger"
	"github.com/erpstream/erpstream/pkg/position"
	"github.com/erpstream/erpstream/pkg/topology"
)

// lastOf returns when the last message of a subject was stored, the zero time where there is none.
func lastOf(ctx context.Context, stream jetstream.Stream, subject string) (time.Time, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("last message of %s: %w", subject, err)
	}
	return msg.Time, nil
}

// account looks for the records of those flows whose turn it is that are nowhere.
func (w *watch) account(ctx context.Context, set flow.Set) error {
	var errs []error
	for _, name := range set.Names(flow.KindFlow) {
		if due, known := w.due[name]; !known {
			w.due[name] = w.now().Add(firstAudit)
			continue
		} else if w.now().Before(due) {
			continue
		}
		w.due[name] = w.now().Add(w.audit)
		if w.now().Before(w.suspect[name]) {
			w.due[name] = w.now().Add(min(firstAudit, w.audit))
		}
		report, err := ledger.Audit(ctx, w.js, ledger.Query{Flows: []string{name}})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, r := range report.Flows {
			errs = append(errs, w.mend(ctx, set.Flows[name], r))
		}
	}
	return errors.Join(errs...)
}

// gap is what lies behind a consumer without an outcome.
type gap struct {
	records int
	// first is the sequence in the consumer's stream of the first of them, key its record's.
	first uint64
	key   string
}

func (g *gap) add(sequence uint64, key string) {
	if g.records++; g.first == 0 || sequence < g.first {
		g.first, g.key = sequence, key
	}
}

// mend sets the consumers of a flow back to what they left out.
func (w *watch) mend(ctx context.Context, f flow.Flow, r ledger.FlowReport) error {
	var unmapped, unwritten, gone gap
	for _, window := range r.Windows {
		for _, m := range window.Records {
			switch m.LastSeen {
			case topology.Target:
				unwritten.add(m.TargetSequence, m.Key)
			case topology.Raw:
				unmapped.add(m.RawSequence, m.Key)
			default:
				gone.add(m.RawSequence, m.Key)
			}
		}
	}
	return errors.Join(
		w.setBack(ctx, f.Name, topology.Raw, topology.TransformerConsumer(f.Name), unmapped),
		w.setBack(ctx, f.Name, topology.Target, topology.SinkConsumer(f.Target.Kind, f.Target.Connection), unwritten),
		w.gone(ctx, f.Name, gone),
	)
}

// setBack sets a consumer back to the first message that it left out. What comes again is settled as it
// was, for the guards know it. It is done once for the same message: what does not get an outcome even then
// needs a person.
func (w *watch) setBack(ctx context.Context, name, stream, consumer string, g gap) error {
	subject := consumer + "." + name
	if g.records == 0 {
		return w.alarms.resolve(ctx, kindLost, kindMended, subject, fmt.Sprintf("consumer %s leaves out no record of flow %s any more", consumer, name))
	}
	raised, err := w.alarms.get(ctx, kindLost, subject)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%d records of flow %s have no outcome, and consumer %s of %s is behind them, from sequence %d on (key %s)", g.records, name, consumer, stream, g.first, g.key)
	e := event.Event{Severity: event.Critical, Kind: kindLost, Subject: subject}
	if raised != nil && raised.Sequence == g.first {
		if w.now().Sub(raised.Since) < w.audit {
			return nil
		}
		e.Text = text + ": it was set back before, and that did not help; look at the log of its service, and backfill the windows that `erpstream audit` names"
		return w.alarms.renew(ctx, e, g.first)
	}
	_, err = w.js.ResetConsumerToSequence(ctx, stream, consumer, g.first)
	if errors.Is(err, jetstream.ErrConsumerInvalidReset) {
		err = w.remake(ctx, stream, consumer, g.first)
	}
	if err != nil {
		return fmt.Errorf("set consumer %s of %s back to sequence %d: %w", consumer, stream, g.first, err)
	}
	w.due[name], w.suspect[name] = w.now().Add(firstAudit), w.now().Add(suspectFor)
	e.Text = text + ": it was set back to there"
	return w.alarms.renew(ctx, e, g.first)
}

// remake makes a service make its consumer anew from a sequence on, where it was made by someone so that
// it can't be set back.
func (w *watch) remake(ctx context.Context, stream, consumer string, from uint64) error {
	info, holder, err := w.consumer(ctx, stream, consumer)
	if err != nil || info == nil {
		return err
	}
	if err := position.Note(ctx, w.kv, stream, consumer, position.Position{Floor: from - 1, Made: info.Created, StreamMade: holder.Created}); err != nil {
		return err
	}
	return w.js.DeleteConsumer(ctx, stream, consumer)
}

// gone tells of records that are in no stream any more.
func (w *watch) gone(ctx context.Context, name string, g gap) error {
	if g.records == 0 {
		return w.alarms.resolve(ctx, "records-gone", "records-gone"+sayResolved, name, fmt.Sprintf("all records of flow %s have an outcome", name))
	}
	return w.alarms.raise(ctx, event.Event{Severity: event.Critical, Kind: "records-gone", Subject: name, Text: fmt.Sprintf(
		"%d records of flow %s have no outcome and are in no stream any more: backfill the windows that `erpstream audit --flow %s` names", g.records, name, name)})
}
