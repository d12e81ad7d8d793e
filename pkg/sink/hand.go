package sink

import (
	"context"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
)

// hand is a batch in hand: its messages, and what became of each. Those that have no envelope are last.
type hand struct {
	part
	msgs []jetstream.Msg
	good int
	stop func() // ends the signs of life
}

// part is some messages of a batch with their errors.
type part struct {
	batch []Message
	errs  []error
}

// to returns the first n messages.
func (p part) to(n int) part { return part{p.batch[:n], p.errs[:n]} }

// from returns the messages from n on.
func (p part) from(n int) part { return part{p.batch[n:], p.errs[n:]} }

// reset forgets what a write that failed may have said of messages.
func (p part) reset() {
	for i := range p.batch {
		p.batch[i].Outcome, p.batch[i].ExternalID = 0, ""
	}
}

// take reads messages, and keeps them alive until they are settled.
func (r *runner) take(work context.Context, msgs []jetstream.Msg) *hand {
	h := &hand{part: part{make([]Message, 0, len(msgs)), make([]error, 0, len(msgs))}, msgs: make([]jetstream.Msg, 0, len(msgs))}
	var bad hand
	for _, msg := range msgs {
		m, err := r.decode(msg)
		if err != nil {
			bad.add(msg, &m, err)
			continue
		}
		h.add(msg, &m, nil)
	}
	h.good = len(h.msgs)
	for i, msg := range bad.msgs {
		h.add(msg, &bad.batch[i], bad.errs[i])
	}
	h.stop = consume.Beat(work, r.opts.AckWait/3, h.msgs...)
	return h
}

func (h *hand) add(msg jetstream.Msg, m *Message, err error) {
	h.msgs, h.batch, h.errs = append(h.msgs, msg), append(h.batch, *m), append(h.errs, err)
}

// decode reads a message's envelope; what has none is a dead letter.
func (r *runner) decode(msg jetstream.Msg) (Message, error) {
	m := Message{Body: msg.Data()}
	meta, err := msg.Metadata()
	if err == nil {
		m.Sequence, m.Attempt = meta.Sequence.Stream, int(meta.NumDelivered) //nolint:gosec // deliveries are few
		m.Envelope, err = record.Parse(msg.Headers())
	}
	if err == nil {
		m.Options, err = r.optionsOf(m.Envelope.Options)
	}
	if m.Flow == "" {
		m.Flow = flowOf(msg.Subject())
	}
	return m, fault.Permanent("envelope", err)
}

// mostOptions is how many texts of options are remembered.
const mostOptions = 1000

// optionsOf reads the options of a flow. The messages of a flow have the same, so they are read once.
func (r *runner) optionsOf(text string) (url.Values, error) {
	if known, ok := r.options[text]; ok {
		return known, nil
	}
	options, err := url.ParseQuery(text)
	if err != nil {
		return nil, err
	}
	if len(r.options) >= mostOptions {
		clear(r.options)
	}
	r.options[text] = options
	return options, nil
}

// flowOf returns the flow in target.<kind>.<connection>.<flow>.<p>.
func flowOf(subject string) string {
	if tokens := strings.Split(subject, "."); len(tokens) == 5 {
		return tokens[3]
	}
	return "unknown"
}
