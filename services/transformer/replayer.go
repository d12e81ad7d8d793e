package main

import (
	"context"
	"errors"
	"time"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/replay"
)

const (
	// replayBeat is how often a replica says that it still works on a replay, silence how long another one
	// hears nothing before it takes the replay over.
	replayBeat = 4 * time.Second
	silence    = 15 * time.Second
	// letGo is how long a replica that stops takes at most to say that another one may go on.
	letGo = 2 * time.Second
)

// replayer maps the past of one flow again, one replay after the other. Each replica has one; the job says
// which of them is at work. One that hears nothing of it for a while takes it over: it waits by its own
// clock, so the clocks of replicas need not agree, and two that are at it for a moment do no harm, for what
// they make has the same ids, and one of them alone can note it.
type replayer struct {
	transform
	// onParked is called when some records were parked.
	onParked func()
}

// run carries out replays until ctx is done.
func (r replayer) run(ctx context.Context) error {
	var seen replay.Entry
	var since time.Time // when seen was seen first
	for ctx.Err() == nil {
		e, open, changed := r.board.next(r.name)
		if e.ID != seen.ID || e.Step > seen.Step {
			seen, since = e, time.Now()
		}
		var patience <-chan time.Time
		switch ours := e.Holder == "" || e.Holder == r.instance; {
		case !open, e.Step < seen.Step: // the board does not have our own note yet
		case e.AtLeast > r.revision: // whoever asked wants another one, which is on its way
		case ours || time.Since(since) >= silence:
			seen, since = r.carryOut(ctx, e), time.Now()
			continue
		default:
			patience = time.After(silence - time.Since(since))
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-patience:
		}
	}
	return ctx.Err()
}

// carryOut takes a replay up and works on it until it is done, somebody else has it, or ctx is done. It
// returns the least that the board will have of it: what it noted last, or what another one did after that.
func (r replayer) carryOut(ctx context.Context, e replay.Entry) replay.Entry {
	u := &undertaking{replayer: r, entry: e}
	working, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := u.note(ctx, func(j *replay.Job) {
		j.State, j.Holder, j.Why, j.Revision = replay.Running, r.instance, "", r.revision
	})
	if err == nil {
		r.log.InfoContext(ctx, "replay taken up", "replay", e.ID, "partition", e.Partition, "records", e.Records())
		quiet := u.beat(working, stop)
		err = u.run(working)
		quiet()
	}
	if lost := context.Cause(working); errors.Is(lost, replay.ErrTaken) {
		err = lost
	}
	r.leave(ctx, u, err)
	last := u.now()
	if errors.Is(err, replay.ErrTaken) {
		last.Step++
	}
	return last
}

// leave notes how a replay ended, or that another replica may go on with it. err is why it did.
func (r replayer) leave(ctx context.Context, u *undertaking, err error) {
	log := r.log.With("replay", u.now().ID)
	switch {
	case errors.Is(err, replay.ErrTaken):
		log.InfoContext(ctx, "replay left to others", "err", err)
		return
	case err == nil:
		err = consume.Insist(ctx, func() error {
			return u.note(ctx, func(j *replay.Job) { j.State, j.Holder, j.Why = replay.Finished, "", "" })
		})
		log.InfoContext(ctx, "replay done", "records", u.now().Records())
	case fault.IsPermanent(err):
		log.ErrorContext(ctx, "replay can't be carried out", "err", err)
		failed := err.Error()
		err = consume.Insist(ctx, func() error {
			return u.note(ctx, func(j *replay.Job) { j.State, j.Holder, j.Why = replay.Failed, "", failed })
		})
	case ctx.Err() != nil:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), letGo)
		defer cancel()
		err = u.note(ctx, func(j *replay.Job) { j.Holder, j.Why = "", "" })
	}
	if err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, "replay stands still, it goes on soon", "err", err)
		_ = u.note(ctx, func(j *replay.Job) { j.Why = err.Error() })
		consume.Pause(ctx, retryAfter)
	}
}
