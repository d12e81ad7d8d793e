package rig_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// Modes of the test binary: programs that wait, that fail, and one that starts another and waits.
func modes() rig.Modes {
	return rig.Servers().With(rig.Modes{
		"wait": func(ctx context.Context, _ []string) error { <-ctx.Done(); return nil },
		"fail": func(_ context.Context, args []string) error { return errors.New(strings.Join(args, " ")) },
		"start": func(ctx context.Context, _ []string) error {
			r, err := rig.New("test-started")
			if err != nil {
				return err
			}
			p, err := r.Self("child", "wait")
			if err != nil {
				return err
			}
			fmt.Fprintln(os.Stdout, p.PID(), r.Dir)
			<-ctx.Done()
			return nil
		},
	})
}

func TestMain(m *testing.M) { modes().TestMain(m.Run) }

func newRig(t *testing.T) *rig.Rig {
	t.Helper()
	r, err := rig.New("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// A process that fails is an error that says why, for who waits and for who stops it.
func TestFailureHasTheLastWords(t *testing.T) {
	p, err := newRig(t).Self("one", "fail", "no", "room")
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"Wait": p.Wait(t.Context()), "Stop": p.Stop()} {
		if err == nil || !strings.Contains(err.Error(), "one: exit status 1: no room") {
			t.Errorf("%s = %v", what, err)
		}
	}
	if _, err := newRig(t).Self("two", "fail"); err != nil {
		t.Error(err)
	}
}

func TestUnknownMode(t *testing.T) {
	asked, err := modes().Run(t.Context(), []string{"--mode", "what"})
	if !asked || err == nil || !strings.Contains(err.Error(), `no mode "what": fail, nats, start, wait`) {
		t.Errorf("%v, %v", asked, err)
	}
	for _, args := range [][]string{nil, {"-quick"}, {"--mode"}} {
		if asked, err := modes().Run(t.Context(), args); asked || err != nil {
			t.Errorf("%q: %v, %v", args, asked, err)
		}
	}
}

func TestNATS(t *testing.T) {
	r := newRig(t)
	for name, always := range map[string]bool{"safe": true, "fast": false} {
		n, err := r.NATS(t.Context(), name, always)
		if err != nil {
			t.Fatal(err)
		}
		s, err := r.Streams(t.Context(), n, func(n int) []byte { return fmt.Append(nil, n) }, 1500)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		js, err := r.Connect(n)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := js.Stream(t.Context(), "RAW")
		if err != nil {
			t.Fatal(err)
		}
		if got := raw.CachedInfo().State.Msgs; got != 1502 {
			t.Errorf("%s: %d messages in RAW, want 1500 records and two windows", name, got)
		}
	}
}

// A service that ends will settle nothing.
func TestSettledNoticesWhatEnded(t *testing.T) {
	r := newRig(t)
	n, err := r.NATS(t.Context(), "one", false)
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Streams(t.Context(), n, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Self("service", "fail", "no", "table")
	if err != nil {
		t.Fatal(err)
	}
	err = s.Settled(t.Context(), "TARGET", "sink", 1, p)
	if err == nil || !strings.Contains(err.Error(), "service ended: no table") {
		t.Errorf("Settled = %v", err)
	}
}

func TestShipped(t *testing.T) {
	root, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := rig.Shipped(root, "connections/bi-main", "mysql://127.0.0.1:1/x")
	if err != nil || !strings.Contains(text, "\nendpoint: mysql://127.0.0.1:1/x\n") || strings.Contains(text, "endpoint: sandbox") {
		t.Errorf("%s\n%v", text, err)
	}
	if _, err := rig.Shipped(root, "flows/none", ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
