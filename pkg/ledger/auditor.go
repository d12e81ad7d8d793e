package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	ledgerv1 "github.com/erpstream/erpstream/proto/gen/erpstream/ledger/v1"
)

// looks is how often what seems to be missing is looked for, lookAgain the time between: a replica of a
// stream may be behind its leader for a moment, and a record that goes from one place in PARKED to another
// can be passed while it does.
const (
	looks     = 3
	lookAgain = time.Second
)

// slack is allowed where ages are compared: for clocks, and for a flow that is made while records leave
// RAW.
const slack = 24 * time.Hour

// expiry is how long a record may be in RAW beyond its age.
const expiry = time.Hour

// auditor audits one flow.
type auditor struct {
	js   jetstream.JetStream
	q    Query
	flow flow.Flow

	history  *history
	audited  []*window
	report   FlowReport
	made     time.Time
	rawAge   time.Duration
	outcomes *outcomes
	// letters are the dead by record: the sequence of the newest letter in DEAD.
	letters map[uint64]uint64
	tails   []*tail
	places  places
}

func newAuditor(js jetstream.JetStream, q Query, f flow.Flow) *auditor {
	return &auditor{
		js: js, q: q, flow: f, outcomes: newOutcomes(), letters: map[uint64]uint64{},
		report: FlowReport{Flow: f.Name, Source: f.From, Account: Account{Balanced: true}},
	}
}

func (a *auditor) run(ctx context.Context) (FlowReport, error) {
	if err := a.open(ctx); err != nil {
		return a.report, err
	}
	if err := a.look(ctx); err != nil {
		return a.report, err
	}
	missing := a.missing()
	for look := 1; look < looks && len(missing) > 0; look++ {
		consume.Pause(ctx, lookAgain)
		if err := a.look(ctx); err != nil {
			return a.report, err
		}
		a.met(missing)
	}
	if len(missing) > 0 {
		if err := a.locate(ctx, missing); err != nil {
			return a.report, err
		}
	}
	a.sum(missing)
	return a.report, nil
}

// open reads the windows and sorts out those that can be audited.
func (a *auditor) open(ctx context.Context) error {
	began := time.Now()
	kept, err := a.retention(ctx, topology.Receipts)
	if err != nil {
		return err
	}
	if a.rawAge, err = a.retention(ctx, topology.Raw); err != nil {
		return err
	}
	if a.made, err = a.madeAt(ctx); err != nil {
		return err
	}
	if a.history, err = readHistory(ctx, a.tail("", nil), a.flow.From); err != nil {
		return err
	}
	if a.history.last.sequence > 0 {
		a.report.Cursor = &a.history.cursor
	}
	oldest := time.Time{}
	if kept > 0 {
		oldest = began.Add(-kept)
	}
	since := a.choose(oldest)
	receipts := a.tail(topology.Receipts, a.takeReceipts)
	receipts.filters, receipts.since = []string{topology.ReceiptFilter(a.flow.Name)}, since
	letters := a.tail(topology.Dead, a.takeLetter)
	letters.filters, letters.since, letters.headersOnly = []string{topology.DeadSubject("*", a.flow.Name)}, since, true
	a.tails = []*tail{&receipts, &letters}
	return nil
}

// choose sorts out the windows of the range that are young enough, and returns from when on there can be
// outcomes of theirs.
func (a *auditor) choose(oldest time.Time) (since time.Time) {
	var old, lost []*window
	for _, w := range slices.DeleteFunc(a.history.windows, a.outside) {
		if w.read.Before(oldest) {
			old = append(old, w)
		} else {
			a.audited = append(a.audited, w)
		}
	}
	lost = slices.DeleteFunc(a.history.lost, a.outside)
	a.leaveOut(old, fmt.Sprintf("older than %s keeps outcomes", topology.Receipts))
	a.leaveOut(lost, fmt.Sprintf("from before stream %s was made anew", topology.Raw))
	if len(a.audited) == 0 {
		return time.Time{}
	}
	return a.audited[0].read.Add(-slack)
}

// outside reports whether a window does not reach into the range.
func (a *auditor) outside(w *window) bool {
	return !a.q.To.IsZero() && !w.from.Before(a.q.To) || !a.q.From.IsZero() && !w.to.After(a.q.From)
}

// leaveOut tells of windows that can't be audited.
func (a *auditor) leaveOut(windows []*window, why string) {
	if len(windows) == 0 {
		return
	}
	n := NotAudited{Windows: len(windows), Until: windows[len(windows)-1].read, Why: why}
	for _, w := range windows {
		n.Published += w.intake.Published
	}
	a.report.NotAudited = append(a.report.NotAudited, n)
}

func (a *auditor) tail(stream string, take func(jetstream.Msg) error) tail {
	t := tail{js: a.js, stream: stream, take: take}
	if a.q.Progress != nil {
		t.progress = func(stream string, read, total uint64) { a.q.Progress(a.flow.Name, stream, read, total) }
	}
	return t
}

// retention is how long a stream keeps messages, 0 for ever.
func (a *auditor) retention(ctx context.Context, name string) (time.Duration, error) {
	stream, err := a.js.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", name, err)
	}
	return stream.CachedInfo().Config.MaxAge, nil
}

// madeAt is when the flow began: when its document was applied first, or when the transformer took it
// up where that was earlier. The bucket keeps some revisions of a document only.
func (a *auditor) madeAt(ctx context.Context) (time.Time, error) {
	kv, err := a.js.KeyValue(ctx, topology.BucketConfig)
	if err != nil {
		return time.Time{}, fmt.Errorf("bucket %s: %w", topology.BucketConfig, err)
	}
	revisions, err := kv.History(ctx, flow.KindFlow+"."+a.flow.Name)
	if err != nil {
		return time.Time{}, fmt.Errorf("revisions of flow %s: %w", a.flow.Name, err)
	}
	made := revisions[0].Created()
	info, err := consumerInfo(ctx, a.js, topology.Raw, topology.TransformerConsumer(a.flow.Name))
	if info != nil && info.Created.Before(made) {
		made = info.Created
	}
	return made, err
}

// look reads where records are and then what became of them, in the order in which they go on: what
// leaves a place while it is read is met in the next one.
func (a *auditor) look(ctx context.Context) error {
	if err := a.places.read(ctx, a.js, a.flow, a.tail); err != nil {
		return err
	}
	if len(a.audited) == 0 {
		return nil
	}
	for _, t := range a.tails {
		if err := t.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) takeReceipts(msg jetstream.Msg) error {
	all := new(ledgerv1.Receipts)
	if err := proto.Unmarshal(msg.Data(), all); err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	return a.outcomes.book(all)
}

func (a *auditor) takeLetter(msg jetstream.Msg) error {
	l, err := readLetter(msg)
	if err != nil || l.sequence == 0 {
		return err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return err
	}
	a.outcomes.set(l.sequence, l.became)
	a.letters[l.sequence] = meta.Sequence.Stream
	return nil
}

// missing returns the records that have no outcome and are nowhere.
func (a *auditor) missing() map[uint64]*MissingRecord {
	missing := map[uint64]*MissingRecord{}
	for _, w := range a.audited {
		for s := range w.sequences() {
			if a.where(w, s) == nowhere {
				missing[s] = &MissingRecord{RawSequence: s}
			}
		}
	}
	return missing
}

// met takes those that the last look met from the missing.
func (a *auditor) met(missing map[uint64]*MissingRecord) {
	still := a.missing()
	maps.DeleteFunc(missing, func(s uint64, _ *MissingRecord) bool { return still[s] == nil })
}

// sum writes the report.
func (a *auditor) sum(missing map[uint64]*MissingRecord) {
	for _, w := range a.audited {
		line := a.line(w, missing)
		a.report.add(line.Account)
		a.report.Audited++
		a.report.Balanced = a.report.Balanced && line.Balanced
		if a.q.Windows || !line.Balanced {
			a.report.Windows = append(a.report.Windows, line)
		}
	}
	if a.report.BeforeFlow > 0 {
		a.report.Made = &a.made
	}
}

// line is the report of one window.
func (a *auditor) line(w *window, missing map[uint64]*MissingRecord) WindowReport {
	line := WindowReport{From: w.from, To: w.to, Read: w.read, Closed: w.closed, Backfill: w.backfill, Account: w.intake}
	if n := len(w.batches); n > 0 {
		line.FirstSequence, line.LastSequence = w.batches[0].first, w.batches[n-1].last
	}
	for s := range w.sequences() {
		at, m := a.where(w, s), missing[s]
		if at == nowhere && m == nil { // an earlier look met it
			at = moving
		}
		at.count(&line.Account)
		if m != nil {
			line.Records = append(line.Records, *m)
		}
	}
	line.Balanced = line.Missing == 0 && line.Difference() == 0
	return line
}

// consumerInfo returns what the server knows of a consumer, nil when there is none.
func consumerInfo(ctx context.Context, js jetstream.JetStream, stream, name string) (*jetstream.ConsumerInfo, error) {
	cons, err := js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s: %w", name, err)
	}
	return cons.CachedInfo(), nil
}
