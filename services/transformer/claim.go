package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/consume"
	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/mapping"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/topology"
)

// A value that one document alone may have is an entry in the bucket "unique", which lives as long as the
// rule says. It is made only where there is none, so of documents that have the same value the first keeps
// it, whichever replica maps them. What has an entry is the document: its later versions, and the same one
// that comes again because a replica died, find their own.

const (
	classQuality = "quality"
	// claimRounds is how often entries are read that another replica makes at the same time, claimPause how
	// long a server that is behind is given.
	claimRounds = 8
	claimPause  = 50 * time.Millisecond
	// claimsAtOnce is how many entries are asked for in one request; the server answers at most 1024.
	claimsAtOnce = 500
	uniqueStream = "KV_" + topology.BucketUnique
)

// holder is the document that has a value.
type holder struct {
	Key string `json:"key"`
	// Sequence is that of its record in RAW.
	Sequence uint64 `json:"raw_sequence"`
}

// claims are the holders of values by the subject of their entry; those that are to be made are in wanted.
type claims struct {
	held   map[string]holder
	wanted map[string]time.Duration
}

// claim gets records the values that they claim, and makes of those that can't have them what their rules
// say. Records that have to go back in the batch must not be claimed for, so all is decided before it is
// written.
func (t transform) claim(ctx context.Context, outcomes []outcome) error {
	subjects := t.claimed(outcomes)
	if len(subjects) == 0 {
		return nil
	}
	for round := range claimRounds {
		if round > 0 {
			consume.Pause(ctx, claimPause)
		}
		held, err := t.holders(ctx, subjects)
		if err != nil {
			return fmt.Errorf("read bucket %s: %w", topology.BucketUnique, err)
		}
		c := claims{held: held, wanted: map[string]time.Duration{}}
		broken := make([][]mapping.Claim, len(outcomes))
		for i := range outcomes {
			broken[i] = c.decide(t.name, &outcomes[i])
		}
		lost, err := t.write(ctx, c)
		if err != nil {
			return fmt.Errorf("write bucket %s: %w", topology.BucketUnique, err)
		}
		if lost {
			continue
		}
		for i := range outcomes {
			t.sentence(&outcomes[i], broken[i], c.held)
		}
		return nil
	}
	return fault.Busy("nats", time.Second, fmt.Errorf("bucket %s: other replicas made the same entries %d times", topology.BucketUnique, claimRounds))
}

// claimed returns the subjects of the entries that records claim, each once.
func (t transform) claimed(outcomes []outcome) []string {
	var subjects []string
	seen := map[string]bool{}
	for _, o := range outcomes {
		if o.err != nil || o.target == nil {
			continue
		}
		for _, c := range o.claims {
			if subject := claimSubject(t.name, c); !seen[subject] {
				seen[subject] = true
				subjects = append(subjects, subject)
			}
		}
	}
	return subjects
}

func claimSubject(flow string, c mapping.Claim) string {
	return "$KV." + topology.BucketUnique + "." + topology.UniqueKey(flow, c.Field, c.Value)
}

// holders reads who has values.
func (t transform) holders(ctx context.Context, subjects []string) (map[string]holder, error) {
	held := map[string]holder{}
	for len(subjects) > 0 {
		part := subjects[:min(len(subjects), claimsAtOnce)]
		messages, err := jetstreamext.GetLastMsgsFor(ctx, t.js, uniqueStream, part)
		if err != nil {
			return nil, err
		}
		for msg, err := range messages {
			if errors.Is(err, jetstreamext.ErrNoMessages) {
				break
			}
			if err != nil {
				return nil, err
			}
			var h holder
			if len(msg.Data) == 0 {
				continue // taken away by hand
			}
			if err := json.Unmarshal(msg.Data, &h); err != nil {
				return nil, fmt.Errorf("%s: %w", msg.Subject, err)
			}
			held[msg.Subject] = h
		}
		subjects = subjects[len(part):]
	}
	return held, ctx.Err()
}

// decide returns the claims of a record that another document stands in the way of. A record that goes on
// gets the others.
func (c claims) decide(flow string, o *outcome) []mapping.Claim {
	if o.err != nil || o.target == nil {
		return nil
	}
	var broken, free []mapping.Claim
	goesOn := true
	for _, one := range o.claims {
		h, taken := c.held[claimSubject(flow, one)]
		switch {
		case !taken:
			free = append(free, one)
		case h.Key != o.envelope.Key:
			broken = append(broken, one)
			goesOn = goesOn && one.Else == mapping.Warn
		}
	}
	if goesOn {
		for _, one := range free {
			subject := claimSubject(flow, one)
			c.held[subject], c.wanted[subject] = holder{o.envelope.Key, o.sequence}, one.Within
		}
	}
	return broken
}

// write makes the entries that are wanted, all at once. lost tells that another replica was faster with one.
func (t transform) write(ctx context.Context, c claims) (lost bool, err error) {
	var pending []jetstream.PubAckFuture
	for subject, within := range c.wanted {
		msg := nats.NewMsg(subject)
		if msg.Data, err = json.Marshal(c.held[subject]); err != nil {
			return false, err
		}
		msg.Header.Set(jetstream.MsgTTLHeader, within.Truncate(time.Second).String())
		msg.Header.Set(jetstream.ExpectedLastSubjSeqHeader, "0")
		future, err := t.js.PublishMsgAsync(msg)
		if err != nil {
			return false, err
		}
		pending = append(pending, future)
	}
	for _, future := range pending {
		select {
		case <-future.Ok():
		case refused := <-future.Err():
			if !topology.IsFenced(refused) {
				return false, refused
			}
			lost = true
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	return lost, nil
}

// sentence makes of a record what the rules say that it breaks: dead goes before drop, and that before park.
func (t transform) sentence(o *outcome, broken []mapping.Claim, held map[string]holder) {
	var dead []string
	for _, c := range broken {
		h := held[claimSubject(t.name, c)]
		text := fmt.Sprintf("%s: the value is that of document %s (RAW sequence %d), less than %s ago", c.Field, h.Key, h.Sequence, c.Within)
		switch c.Else {
		case mapping.Dead:
			dead = append(dead, c.Rule+": "+text)
		case mapping.Warn:
			o.warnings = append(o.warnings, c.Rule)
		case mapping.Drop:
			o.filtered, o.dropped = true, c.Rule
		case mapping.Park:
			o.parked = t.hold(*o, &mapping.Held{Rule: c.Rule, Why: text})
		}
	}
	o.claims = nil
	switch {
	case len(dead) > 0:
		o.err = fault.Permanent(classQuality, errors.New("quality: "+strings.Join(dead, "; ")))
		o.parked, o.filtered, o.target = nil, false, nil
	case o.filtered:
		o.parked, o.target = nil, nil
	case o.parked != nil:
		o.target = nil
		o.err = t.fits("parked record", o.parked)
	}
}

// waiving is the mapping without the rule that a person waived for a record.
func (m mapper) waiving(header nats.Header) *mapping.Mapping {
	rule, err := record.Decode(header.Get(topology.HeaderWaived))
	if err != nil || rule == "" {
		return m.mapping
	}
	return m.mapping.Waive(rule)
}
