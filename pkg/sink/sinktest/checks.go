package sinktest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/sink"
)

// large is how many messages a large batch has.
const large = 1000

// prompt is how soon Write returns after its context ended.
const prompt = 5 * time.Second

// checks are the promises, in the order that reads best when several fail. Those that change what is
// stored are left out for a store that can't.
var checks = []struct {
	name    string
	check   func(*run, T)
	changes bool
}{
	{"stores a batch", storesBatch, false},
	{"takes an empty batch", takesEmptyBatch, false},
	{"same message again changes nothing", sameAgain, false},
	{"same message twice in a batch", sameTwiceInBatch, false},
	{"newer replaces", newerReplaces, true},
	{"older after newer is superseded", olderAfterNewer, true},
	{"older and newer in one batch", olderAndNewerInBatch, true},
	{"equal version, later record wins", equalVersion, true},
	{"removed message removes", removes, true},
	{"removed stays removed", staysRemoved, true},
	{"newer after removal is stored", storedAfterRemoval, true},
	{"removed and stored in one batch", removedInBatch, true},
	{"poison harms no other", poisonAlone, false},
	{"ended context", endedContext, false},
	{"context ends while writing", contextEnds, false},
	{"large batch", largeBatch, false},
}

func storesBatch(r *run, t T) {
	a, b := r.key(), r.key()
	batch := r.write(t, r.message(a, 1, "one"), r.message(b, 1, "two"))
	r.want(t, a, "one")
	r.want(t, b, "two")
	outcome(t, "a first message", batch[0].Outcome, sink.Committed)
}

func takesEmptyBatch(r *run, t T) { r.write(t) }

func sameAgain(r *run, t T) {
	a, b := r.key(), r.key()
	batch := []sink.Message{r.message(a, 1, "one"), r.message(b, 1, "two")}
	for range 2 {
		again := append([]sink.Message(nil), batch...)
		r.write(t, again...)
		r.want(t, a, "one")
		r.want(t, b, "two")
		outcome(t, "a message that comes again", again[1].Outcome, sink.Committed, sink.Unchanged)
	}
}

func sameTwiceInBatch(r *run, t T) {
	key := r.key()
	m := r.message(key, 1, "one")
	r.write(t, m, m)
	r.want(t, key, "one")
}

func newerReplaces(r *run, t T) {
	key := r.key()
	r.write(t, r.message(key, 1, "old"))
	batch := r.write(t, r.message(key, 2, "new"))
	r.want(t, key, "new")
	outcome(t, "a newer message", batch[0].Outcome, sink.Committed)
}

func olderAfterNewer(r *run, t T) {
	key, other := r.key(), r.key()
	older := r.message(key, 1, "old")
	r.write(t, r.message(key, 2, "new"))
	batch := r.write(t, older, r.message(other, 1, "other"))
	r.want(t, key, "new")
	r.want(t, other, "other")
	outcome(t, "an older message", batch[0].Outcome, sink.Superseded)
	outcome(t, "another document's message beside it", batch[1].Outcome, sink.Committed)
}

func olderAndNewerInBatch(r *run, t T) {
	for _, newerFirst := range []bool{false, true} {
		key := r.key()
		older, newer := 0, 1
		batch := []sink.Message{r.message(key, 1, "old"), r.message(key, 2, "new")}
		if newerFirst {
			batch[0], batch[1] = batch[1], batch[0]
			older, newer = 1, 0
		}
		r.write(t, batch...)
		r.want(t, key, "new")
		outcome(t, "the older of one batch", batch[older].Outcome, sink.Superseded, sink.Committed)
		outcome(t, "the newer of one batch", batch[newer].Outcome, sink.Committed)
	}
}

func equalVersion(r *run, t T) {
	key := r.key()
	first, second := r.message(key, 1, "first"), r.message(key, 1, "second")
	r.write(t, first)
	r.write(t, second)
	r.want(t, key, "second")
	batch := r.write(t, first)
	r.want(t, key, "second")
	outcome(t, "the earlier record of a version", batch[0].Outcome, sink.Superseded)
	both := r.key()
	r.write(t, r.message(both, 1, "first"), r.message(both, 1, "second"))
	r.want(t, both, "second")
}

func removes(r *run, t T) {
	key, never := r.key(), r.key()
	r.write(t, r.message(key, 1, "one"))
	r.write(t, r.removed(key, 2), r.removed(never, 1))
	r.want(t, key, "")
	r.want(t, never, "")
}

func staysRemoved(r *run, t T) {
	key := r.key()
	older := r.message(key, 2, "old")
	r.write(t, r.message(key, 1, "one"))
	r.write(t, r.removed(key, 3))
	batch := r.write(t, older)
	r.want(t, key, "")
	outcome(t, "a message older than the removal", batch[0].Outcome, sink.Superseded)
	unseen := r.key()
	r.write(t, r.removed(unseen, 2))
	r.write(t, r.message(unseen, 1, "old"))
	r.want(t, unseen, "")
}

func storedAfterRemoval(r *run, t T) {
	key := r.key()
	r.write(t, r.message(key, 1, "one"))
	r.write(t, r.removed(key, 2))
	r.write(t, r.message(key, 3, "back"))
	r.want(t, key, "back")
}

func removedInBatch(r *run, t T) {
	gone, back := r.key(), r.key()
	r.write(t, r.message(gone, 1, "one"), r.removed(gone, 2), r.removed(back, 1), r.message(back, 2, "back"))
	r.want(t, gone, "")
	r.want(t, back, "back")
}

func poisonAlone(r *run, t T) {
	if r.Poison == nil {
		return
	}
	good, bad := r.key(), r.key()
	poison := r.Poison(bad, 1)
	poison = r.publish(&poison, bad, 1)
	batch := []sink.Message{r.message(good, 1, "good"), poison}
	err := r.Sink.Write(t.Context(), batch)
	if partial, ok := errors.AsType[*sink.BatchError](err); ok {
		if partial.Errs[0] != nil || partial.Errs[1] == nil {
			t.Errorf("errors of a batch = %v, want one of message 1 only", partial.Errs)
		}
		r.want(t, good, "good")
		err = partial.Errs[1]
	} else if err != nil {
		r.want(t, good, "") // it said that none is stored
	}
	if !fault.IsPermanent(err) {
		t.Fatalf("error of a batch with poison is %s, want permanent: %v", fault.KindOf(err), err)
	}
	if err := r.Sink.Write(t.Context(), []sink.Message{poison}); !fault.IsPermanent(err) && !permanentAlone(err) {
		t.Errorf("error of poison alone is %s, want permanent: %v", fault.KindOf(err), err)
	}
	r.write(t, batch[0])
	r.want(t, good, "good")
	r.want(t, bad, "")
}

// permanentAlone reports whether err says that the only message of a batch is bad.
func permanentAlone(err error) bool {
	partial, ok := errors.AsType[*sink.BatchError](err)
	return ok && fault.IsPermanent(partial.Errs[0])
}

func endedContext(r *run, t T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	key := r.key()
	start := time.Now()
	if err := r.Sink.Write(ctx, []sink.Message{r.message(key, 1, "one")}); err == nil {
		t.Errorf("Write with an ended context returned no error")
	} else if fault.KindOf(err) != fault.Unknown {
		t.Errorf("an ended context is %s, want it unclassified: it is nobody's fault: %v", fault.KindOf(err), err)
	}
	if took := time.Since(start); took > prompt {
		t.Errorf("Write with an ended context took %s", took)
	}
	r.want(t, key, "")
}

// contextEnds ends the context at several moments of a write: what the sink says is there must be,
// and nothing else, but for the one message that was being written when a batch is written one by
// one: what became of that may be open.
func contextEnds(r *run, t T) {
	for _, after := range []time.Duration{100 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
		batch := r.batch(large)
		ctx, cancel := context.WithTimeout(t.Context(), after)
		start := time.Now()
		err := r.Sink.Write(ctx, batch)
		cancel()
		if took := time.Since(start); took > after+prompt {
			t.Errorf("Write returned %s after its context ended", took-after)
		}
		want, open := large, 0
		if partial, ok := errors.AsType[*sink.BatchError](err); ok {
			want, open = large-len(partial.Errs), 1
		} else if err != nil {
			want = 0
		}
		if got := r.count(batch); got < want || got > want+open {
			t.Errorf("%d of %d documents are stored after Write = %v", got, large, err)
		}
	}
}

func largeBatch(r *run, t T) {
	batch := r.batch(large)
	r.write(t, batch...)
	if got := r.count(batch); got != large {
		t.Errorf("%d of %d documents are stored", got, large)
	}
}

// batch returns n messages of new documents.
func (r *run) batch(n int) []sink.Message {
	batch := make([]sink.Message, n)
	for i := range batch {
		key := r.key()
		batch[i] = r.message(key, 1, content(key))
	}
	return batch
}

// content is what a message of batch holds.
func content(key string) string { return fmt.Sprintf("content of %s", key) }

// count returns how many of a batch's documents are stored.
func (r *run) count(batch []sink.Message) int {
	stored, n := r.Stored(), 0
	for i := range batch {
		if key := batch[i].Key; stored[key] == content(key) {
			n++
		}
	}
	return n
}
