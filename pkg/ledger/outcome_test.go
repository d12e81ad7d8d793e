package ledger

import "testing"

func TestARecordIsCountedOnce(t *testing.T) {
	o := newOutcomes()
	steps := []struct {
		sequence  uint64
		became    outcome
		delivered int64
		dead      int64
	}{
		{1, delivered, 1, 0},
		{1, delivered, 1, 0}, // redelivered
		{pageSize + 7, deadSink, 1, 1},
		{pageSize + 7, deadSink, 1, 1},  // buried again
		{pageSize + 7, delivered, 2, 0}, // replayed
		{pageSize + 7, deadSink, 2, 0},  // the letter is read late
		{1, superseded, 1, 0},
	}
	for i, s := range steps {
		o.set(s.sequence, s.became)
		if o.counts[delivered] != s.delivered || o.counts[deadSink] != s.dead {
			t.Errorf("step %d: delivered %d, dead %d, want %d, %d", i, o.counts[delivered], o.counts[deadSink], s.delivered, s.dead)
		}
	}
}
