package topology

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// MinServer is the oldest NATS server that has all that the streams need (message schedules with
// cron and time zone).
const MinServer = "2.14.0"

// Action is what Provision does with a stream.
type Action string

// The actions of a plan.
const (
	Create Action = "create"
	Update Action = "update"
	Keep   Action = "keep"
	// Refuse stands for an update that would destroy data; a person has to do that.
	Refuse Action = "refuse"
)

// Change is one stream's line in a plan.
type Change struct {
	Stream string
	Action Action
	// Diffs says what changes, one setting each: "max_age: 720h0m0s -> 24h0m0s".
	Diffs []string

	config jetstream.StreamConfig
}

// String is the change as a plan shows it.
func (c Change) String() string {
	if len(c.Diffs) == 0 {
		return fmt.Sprintf("%-7s %s", c.Action, c.Stream)
	}
	return fmt.Sprintf("%-7s %s (%s)", c.Action, c.Stream, strings.Join(c.Diffs, "; "))
}

// Plan compares what the server has with what it should have, with that many replicas a stream,
// and changes nothing. It fails when the server is too old or has JetStream off.
func Plan(ctx context.Context, js jetstream.JetStream, replicas int) ([]Change, error) {
	if err := checkServer(ctx, js); err != nil {
		return nil, err
	}
	var plan []Change
	for _, want := range Streams(replicas) {
		stream, err := js.Stream(ctx, want.Name)
		switch {
		case errors.Is(err, jetstream.ErrStreamNotFound):
			plan = append(plan, Change{Stream: want.Name, Action: Create, config: want})
		case err != nil:
			return nil, fmt.Errorf("look up stream %s: %w", want.Name, err)
		default:
			plan = append(plan, compare(stream.CachedInfo().Config, want))
		}
	}
	return plan, nil
}

// Provision carries out a plan, all of it or, when one change is refused, none. It may be called
// again and again; only one caller should do it, services never do.
func Provision(ctx context.Context, js jetstream.JetStream, replicas int) ([]Change, error) {
	plan, err := Plan(ctx, js, replicas)
	if err != nil {
		return nil, err
	}
	for _, c := range plan {
		if c.Action == Refuse {
			return plan, fmt.Errorf("stream %s: the change would destroy data, so nothing was changed: %s", c.Stream, strings.Join(c.Diffs, "; "))
		}
	}
	for _, c := range plan {
		if err := c.carryOut(ctx, js); err != nil {
			return plan, fmt.Errorf("%s stream %s: %w (what is done stays: run it again)", c.Action, c.Stream, err)
		}
	}
	return plan, nil
}

// patience is how long a cluster may take until its leader knows of a server for every replica, as it does not
// while the servers start, and until it answers.
const patience = 15 * time.Second

// noPeers is how the server says that it knows of too few others.
const noPeers = 10005

// carryOut makes or changes the stream. It asks again while the cluster is not ready.
func (c Change) carryOut(ctx context.Context, js jetstream.JetStream) (err error) {
	for deadline := time.Now().Add(patience); ; {
		switch c.Action {
		case Create:
			_, err = js.CreateStream(ctx, c.config)
		case Update:
			_, err = js.UpdateStream(ctx, c.config)
		}
		api, refused := errors.AsType[*jetstream.APIError](err)
		few := refused && api.ErrorCode == noPeers
		if !few && !errors.Is(err, context.DeadlineExceeded) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(patience / 60):
		}
	}
}

func checkServer(ctx context.Context, js jetstream.JetStream) error {
	nc := js.Conn()
	if version := nc.ConnectedServerVersion(); version != "" && OlderThan(version, MinServer) {
		return fmt.Errorf("NATS server at %s is version %s: erpstream needs %s or newer (message schedules)", nc.ConnectedUrlRedacted(), version, MinServer)
	}
	_, err := js.AccountInfo(ctx)
	if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
		return fmt.Errorf("NATS server at %s has JetStream off: start it with `nats-server -js` or a jetstream block", nc.ConnectedUrlRedacted())
	}
	if err != nil {
		return fmt.Errorf("ask NATS for JetStream: %w", err)
	}
	return nil
}

// OlderThan reports whether a version of NATS is older than another; both are of the form 2.14.1 or 2.15.0-preview.1.
func OlderThan(version, than string) bool {
	numbers := func(v string) []int {
		var parts []int
		release, _, _ := strings.Cut(v, "-")
		for field := range strings.SplitSeq(release, ".") {
			n, _ := strconv.Atoi(field)
			parts = append(parts, n)
		}
		return parts
	}
	return slices.Compare(numbers(version), numbers(than)) < 0
}
