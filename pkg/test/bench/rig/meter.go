package rig

import (
	"github.com/erpstream/erpstream/pkg/test/bench/measure"
)

// Metered is a process whose use can be read.
type Metered interface {
	PID() int
	Usage() (measure.Usage, error)
}

// Meter reads what servers take while programs work.
type Meter struct {
	servers map[string]Metered
	before  map[string]measure.Usage
}

// NewMeter notes what servers took so far, by role, and lets their peaks begin anew where the system can.
func NewMeter(servers map[string]Metered) (*Meter, error) {
	m := &Meter{servers: servers, before: map[string]measure.Usage{}}
	for role, server := range servers {
		_ = measure.ResetPeak(server.PID()) // else it is the peak of the whole time
		usage, err := server.Usage()
		if err != nil {
			return nil, err
		}
		m.before[role] = usage
	}
	return m, nil
}

// Figure is a value with what servers took since NewMeter, and programs since they began; processor time
// is in seconds for each of that many units. Each program has a role of its own name, too.
func (m *Meter) Figure(value, units float64, programs ...*Process) (measure.Figure, error) {
	f := measure.Figure{Value: value, CPU: map[string]float64{}, RSS: map[string]int64{}}
	note := func(role string, u measure.Usage) {
		f.CPU[role] = u.CPU.Seconds() / units
		f.RSS[role] = u.Peak
	}
	for role, server := range m.servers {
		usage, err := server.Usage()
		if err != nil {
			return f, err
		}
		note(role, usage.Since(m.before[role]))
	}
	var all measure.Usage
	for _, p := range programs {
		usage, err := p.Usage()
		if err != nil {
			return f, err
		}
		note(p.name, usage)
		all = all.Plus(usage)
	}
	note(measure.Program, all)
	return f, nil
}
