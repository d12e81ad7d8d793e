// Package replay is how the past of a flow is mapped again: jobs in the bucket "control", which the
// transformers carry out. A job says how far it is after each batch, by compare-and-set, so that whichever
// replica takes it up goes on where another one died, and no two note the same step.
package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Job is one replay: of each document the newest state that RAW has of it, where that state is of the
// range. An older state has no effect at a target that has the newer one.
type Job struct {
	Flow string `json:"flow"`
	// ID is the number of the replay among those of its flow.
	ID uint64 `json:"id"`
	// Source and System say which records of RAW are meant: those that the flow read when it was asked for.
	Source string `json:"source"`
	System string `json:"system"`
	// From and To bound the time at which a document changed at the source (ce-time): from From on, and
	// before To. The zero time is no bound.
	From time.Time `json:"from,omitzero"`
	To   time.Time `json:"to,omitzero"`
	// Keys are the documents that are meant, all when there are none.
	Keys []string `json:"keys,omitempty"`
	// Rate is how many records are mapped a second at most.
	Rate float64 `json:"rate"`
	// AtLeast is the flow's revision when it was asked for: a replica that does not have it yet leaves the job
	// alone.
	AtLeast uint64 `json:"at_least,omitempty"`
	// Last is the last sequence of RAW that is meant; what comes later is mapped as it comes.
	Last uint64 `json:"last"`
	// By is who asked, Asked when.
	By    string    `json:"by,omitempty"`
	Asked time.Time `json:"asked"`

	State State `json:"state"`
	// Holder is the replica that works on it, "" for none.
	Holder string `json:"holder,omitempty"`
	// Why says what it waits for, or why it failed.
	Why string `json:"why,omitempty"`
	// Updated is when the rest was true.
	Updated time.Time `json:"updated"`
	Progress
}

// Progress is how far a job is. All counts are of records.
type Progress struct {
	// Partition is the index of the partition that is worked on among those of the job, Done the sequence of
	// RAW up to which it is done.
	Partition int    `json:"partition"`
	Done      uint64 `json:"done"`
	// Revision is the flow's that mapped last.
	Revision uint64 `json:"revision,omitempty"`
	// Mapped became target messages, Filtered are left out by the flow, Parked wait for master data, Died
	// became dead letters. Gone had left RAW, by age, before their turn.
	Mapped   uint64 `json:"mapped"`
	Filtered uint64 `json:"filtered"`
	Parked   uint64 `json:"parked"`
	Died     uint64 `json:"died"`
	Gone     uint64 `json:"gone,omitempty"`
}

// Records is how many records the job has seen to.
func (p Progress) Records() uint64 { return p.Mapped + p.Filtered + p.Parked + p.Died + p.Gone }

// State is what becomes of a job.
type State string

// The states of a job. The first two are not final.
const (
	Queued    State = "queued"
	Running   State = "running"
	Finished  State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Open reports whether the job is to go on.
func (s State) Open() bool { return s == Queued || s == Running }

// Partitions returns the partitions of RAW that hold the records of the job, in their order.
func (j Job) Partitions() []string {
	if len(j.Keys) == 0 {
		all := make([]string, topology.Partitions)
		for i := range all {
			all[i] = fmt.Sprintf("%02d", i)
		}
		return all
	}
	var some []string
	for _, key := range j.Keys {
		some = append(some, topology.Partition(key))
	}
	slices.Sort(some)
	return slices.Compact(some)
}

// Percent is how much of RAW is seen to, 0 to 100.
func (j Job) Percent() int {
	if j.State == Finished {
		return 100
	}
	return 100 * j.Partition / len(j.Partitions())
}

// Takes reports whether a record of that key and time is meant.
func (j Job) Takes(key string, at time.Time) bool {
	return (len(j.Keys) == 0 || slices.Contains(j.Keys, key)) && !at.Before(j.From) && (j.To.IsZero() || at.Before(j.To))
}

// Limits of what a person can ask for.
const (
	MostKeys = 1000
	MostRate = 10_000
)

// check refuses a job that could not be carried out.
func (j Job) check() error {
	switch {
	case j.Rate <= 0 || j.Rate > MostRate:
		return fmt.Errorf("the rate %v is not more than 0 and at most %d records a second", j.Rate, MostRate)
	case len(j.Keys) > MostKeys:
		return fmt.Errorf("%d keys are too many: at most %d go into one replay", len(j.Keys), MostKeys)
	case !j.From.IsZero() && !j.To.IsZero() && !j.From.Before(j.To):
		return fmt.Errorf("the range begins at %s, which is not before its end at %s", j.From.Format(time.RFC3339), j.To.Format(time.RFC3339))
	default:
		return nil
	}
}

const prefix = "replay."

// Filter matches the keys of all jobs in the bucket.
const Filter = prefix + "*.*"

func key(flow string, id uint64) string { return prefix + flow + "." + strconv.FormatUint(id, 10) }

// Entry is a job as it is in the bucket.
type Entry struct {
	Job
	// Step is the revision of the entry: it grows with each note of how far the job is.
	Step uint64
}

// Read reads a job from an entry of the bucket; ok is false where the entry is something else. The error is
// that of a job that can't be read, whose flow and number the entry has all the same.
func Read(entry jetstream.KeyValueEntry) (e Entry, ok bool, err error) {
	rest, ok := strings.CutPrefix(entry.Key(), prefix)
	if !ok {
		return Entry{}, false, nil
	}
	flow, number, _ := strings.Cut(rest, ".")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return Entry{}, false, nil //nolint:nilerr // no job has such a key
	}
	e.Step = entry.Revision()
	if entry.Operation() == jetstream.KeyValuePut {
		err = json.Unmarshal(entry.Value(), &e.Job)
	} else {
		err = errors.New("it was deleted")
	}
	e.Flow, e.ID = flow, id
	if err != nil {
		e.State = Failed
		return e, true, fmt.Errorf("replay %d of flow %s: %w", id, flow, err)
	}
	return e, true, nil
}
