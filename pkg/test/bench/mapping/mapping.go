// Package mapping measures what the shipped purchase-in flow costs a record, in this process, beside a
// hand-written function that does the same.
package mapping

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"runtime"
	"syscall"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/flow/verdict"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/test/bench/floor"
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

const (
	line        = "mapping"
	allocations = "mapping-allocs"
)

// Scenario is the comparison.
func Scenario() measure.Scenario {
	return measure.Scenario{
		Name: "mapping",
		What: "a purchase receipt of 1.2 KB with 3 lines -> the protobuf message of the shipped flow",
		Lines: []measure.Line{
			{Name: line, Unit: "ns/record", Less: true, Ratio: new(2.0)},
			{Name: allocations, Unit: "/record", Less: true, Limit: new(0.0)},
		},
		Notes: []string{"mapping: processor time with that of the garbage collector; both write over their last message."},
		Open:  open,
	}
}

// different is how many records take turns.
const different = 1000

// spent is how long a side works in each run.
const spent = time.Second

func open(_ context.Context, o measure.Options) (measure.Sides, error) {
	compiled, err := shipped()
	if err != nil {
		return measure.Sides{}, err
	}
	w := work{bodies: make([][]byte, different), spent: spent}
	for n := range w.bodies {
		w.bodies[n] = floor.Record(n)
	}
	if o.Quick {
		w.spent /= 4
	}
	var room, byHand []byte
	ours := func(body []byte) (_ []byte, err error) {
		room, _, err = compiled.Append(room[:0], record.Envelope{}, body, nil)
		return room, err
	}
	hand := func(body []byte) (_ []byte, err error) {
		byHand, err = floor.PurchaseIn(byHand[:0], body)
		return byHand, err
	}
	if err := w.equal(ours, hand); err != nil {
		return measure.Sides{}, err
	}
	return measure.Sides{Ours: w.side(ours, true), Floor: w.side(hand, false)}, nil
}

// shipped compiles the flow jst-purchasein-to-mysql of deploy/config.
func shipped() (*mapping.Mapping, error) {
	root, err := rig.Root()
	if err != nil {
		return nil, err
	}
	set := flow.Set{}
	for _, name := range []string{"connections/bi-main", "connections/jst-main", "sources/jst-purchasein", "flows/jst-purchasein-to-mysql"} {
		text, err := rig.Shipped(root, name, "")
		if err != nil {
			return nil, err
		}
		docs, err := flow.Parse(name, []byte(text))
		if err != nil {
			return nil, err
		}
		set = set.With(docs...)
	}
	judge, err := verdict.New(set, set.Flows["jst-purchasein-to-mysql"])
	if err != nil {
		return nil, err
	}
	return judge.Mapping, nil
}

// work is what both sides do.
type work struct {
	bodies [][]byte
	spent  time.Duration
}

// mapper makes the message of a record.
type mapper func(body []byte) ([]byte, error)

// equal compares the messages of both.
func (w work) equal(a, b mapper) error {
	for n, body := range w.bodies {
		one, err := a(body)
		if err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		other, err := b(body)
		if err != nil {
			return fmt.Errorf("record %d, floor: %w", n, err)
		}
		if !bytes.Equal(one, other) {
			return fmt.Errorf("record %d: the messages differ", n)
		}
	}
	return nil
}

// side maps all records in turn, for as long as a run takes. Whether allocations are counted is asked for.
func (w work) side(m mapper, counted bool) measure.Side {
	return func(ctx context.Context) (measure.Sample, error) {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		began, records := processor(), 0
		for elapsed := time.Duration(0); elapsed < w.spent && ctx.Err() == nil; elapsed = processor() - began {
			for _, body := range w.bodies {
				if _, err := m(body); err != nil {
					return nil, err
				}
			}
			records += len(w.bodies)
		}
		took := processor() - began
		runtime.ReadMemStats(&after)
		each := float64(max(1, records))
		sample := measure.Sample{line: {Value: float64(took.Nanoseconds()) / each}}
		if counted {
			sample[allocations] = measure.Figure{Value: math.Round(float64(after.Mallocs-before.Mallocs) / each)}
		}
		return sample, ctx.Err()
	}
}

// processor is the user and system time that this process took so far.
func processor() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it knows no failure but wrong arguments
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
