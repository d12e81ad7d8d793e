package poll

import (
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// queued is a message of a queue.
type queued struct {
	jetstream.Msg
	subject string
	header  nats.Header
}

func (q queued) Subject() string      { return q.subject }
func (q queued) Headers() nats.Header { return q.header }

// Whatever lies in a queue is a job or is refused; a job that fails waits for a while that is bounded.
func FuzzJob(f *testing.F) {
	f.Add("poll.jst.receipts", "b1", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00+08:00", "3", "")
	f.Add("poll.jst.receipts", "b1", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "-1", "")
	f.Add("poll.jst.receipts", "b1", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "9223372036854775807", "")
	f.Add("poll.jst.receipts", "", "", "", "", "2026-01-01T00:00:00Z")
	f.Add("", "b", "x", "", "x", "x")
	f.Fuzz(func(t *testing.T, subject, id, from, to, failed, recount string) {
		h := nats.Header{}
		for name, value := range map[string]string{
			topology.HeaderBackfill: id, topology.HeaderBackfillFrom: from, topology.HeaderBackfillTo: to,
			topology.HeaderBackfillFailed: failed, topology.HeaderRecount: recount,
		} {
			if value != "" {
				h.Set(name, value)
			}
		}
		j, err := parseJob(queued{subject: subject, header: h})
		if err != nil {
			return
		}
		if rest := j.rest(); rest < backfillFirst || rest > backfillMost || j.failed+1 <= 0 {
			t.Errorf("a job that failed %s times (%d) waits for %s", failed, j.failed, rest)
		}
		if j.past.ID != "" && (j.past.From.IsZero() && from == "" || j.past.ID != id) {
			t.Errorf("job %+v of %v", j, h)
		}
	})
}
