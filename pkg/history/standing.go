package history

import (
	"time"

	"github.com/erpstream/erpstream/pkg/dead"
)

// target is a message in TARGET.
type target struct {
	sequence uint64
	at       time.Time
	// foreign messages are for another sink than the flow's now, so nothing is known of its position.
	foreign bool
}

// standing says where a version is now. What is under way stands over what became of it before, and what
// a target said stands over a dead letter: a letter that was replayed is dead no more.
func (v *version) standing(passed positions) Standing {
	switch {
	case v.inFlight(passed):
		return InFlight
	case v.isParked:
		return Parked
	case v.outcome != "":
		return v.outcome
	case len(v.letters) > 0:
		return v.afterDeath()
	case len(v.targets) > 0 && v.targets[len(v.targets)-1].foreign:
		return InFlight
	case len(v.targets) == 0 && v.RawSequence > passed.raw:
		return Waiting
	default:
		return Missing
	}
}

// inFlight reports whether a sink has a message of the version to settle yet.
func (v *version) inFlight(passed positions) bool {
	for _, m := range v.targets {
		if !m.foreign && m.sequence > passed.target && !v.settledAfter(m.at) && !v.died(m.sequence) {
			return true
		}
	}
	return false
}

// settledAfter reports whether there is an outcome that came after a moment.
func (v *version) settledAfter(at time.Time) bool {
	for _, e := range v.Events {
		if e.Kind == Settle && !e.Time.Before(at) {
			return true
		}
	}
	return false
}

// died reports whether there is a letter of a message of TARGET.
func (v *version) died(sequence uint64) bool {
	for _, l := range v.letters {
		if l.Stage == dead.Sink && l.StreamSequence == sequence {
			return true
		}
	}
	return false
}

// afterDeath is where a version is that has letters and no outcome: dead while one is open.
func (v *version) afterDeath() Standing {
	standing := Dropped
	for _, l := range v.letters {
		switch {
		case l.Note == nil:
			return Dead
		case l.Note.Action == dead.Replayed:
			standing = Missing // replayed, and nowhere
		}
	}
	return standing
}
