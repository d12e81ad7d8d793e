package poll

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// lookWait is how long a job that lets ticks through waits for an answer of NATS.
const lookWait = time.Second

// letThrough makes the poller look for ticks between the calls of a job, until stop is called, and do them
// in between: a live poll is delayed by no more than a call. Such a tick is taken out of the queue, where
// it waits for the end of the job. What becomes of it is told as ever, and is nothing to the job.
func (q *Queue) letThrough(job jetstream.Msg, src Source) (stop func()) {
	meta, err := job.Metadata()
	if err != nil {
		return func() {}
	}
	l := &lookout{queue: q, next: meta.Sequence.Stream + 1}
	if src.Feed.Snapshot { // what one reading of it brings must not be older than what RAW has by then
		l.but = src.Name
	}
	q.Poller.between = l.look
	return func() { q.Poller.between = nil }
}

// lookout finds ticks that wait behind a job.
type lookout struct {
	queue *Queue
	// polls is looked up with the first tick.
	polls jetstream.Stream
	// next is the sequence from which on no message was looked at.
	next uint64
	// but is a source whose ticks have to wait.
	but string
}

// look does the ticks that wait, one of each source: where there is more to read the job goes on before.
func (l *lookout) look(ctx context.Context) {
	done := map[string]bool{}
	for ctx.Err() == nil {
		source, sequence := l.find(ctx)
		if source == "" {
			return
		}
		if done[source] {
			l.next = sequence
			return
		}
		src, ok := l.queue.Sources()[source]
		if !ok || source == l.but {
			continue
		}
		done[source] = true
		l.queue.Poller.aside(func() { _ = l.queue.tick(ctx, src) }) // told there
		if ctx.Err() == nil {
			l.settle(ctx, sequence)
		}
	}
}

// find returns the source and the sequence of the next tick, "" when there is none or NATS does not say.
func (l *lookout) find(ctx context.Context) (source string, sequence uint64) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	if l.polls == nil {
		polls, err := l.queue.JS.Stream(ctx, topology.Polls)
		if err != nil {
			return "", 0
		}
		l.polls = polls
	}
	for {
		msg, err := l.polls.GetMsg(ctx, l.next, jetstream.WithGetMsgSubject(topology.PollFilter(l.queue.Connection)))
		if err != nil {
			return "", 0
		}
		l.next = msg.Sequence + 1
		if isTick(msg.Header) {
			return sourceOf(msg.Subject), msg.Sequence
		}
	}
}

// settle takes a tick that is done with out of the queue. Where that fails it comes once more.
func (l *lookout) settle(ctx context.Context, sequence uint64) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	if err := l.polls.DeleteMsg(ctx, sequence); err != nil {
		l.queue.Log.DebugContext(ctx, "a tick comes once more", "err", err)
	}
}

// aside lets do poll while a job is between two of its calls.
func (p *Poller) aside(do func()) {
	closing, between := p.closing, p.between
	if closing != nil {
		<-closing.done
	}
	p.closing, p.between = nil, nil
	do()
	p.closing, p.between = closing, between
}
