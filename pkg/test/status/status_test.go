package status_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/erpstream/erpstream/pkg/event"
	"github.com/erpstream/erpstream/pkg/status"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

func TestReplicasSayWhatTheyDo(t *testing.T) {
	js := natstest.Run(t)
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	defer func() { cancel(); done.Wait() }()
	for _, instance := range []string{"host.example-1", "host.example-2"} {
		r, err := status.NewReporter(ctx, js, "sink-mysql", instance, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		done.Go(func() { _ = r.Run(ctx) })
		r.Set("bi", status.Running, 7, nil)
		r.Set("bi", status.Open, 7, errors.New("table is missing"))
	}
	natstest.Eventually(t, func() error {
		entries, err := status.Read(t.Context(), js)
		if err != nil || len(entries) != 2 {
			return fmt.Errorf("%d entries, %w", len(entries), err)
		}
		for _, e := range entries {
			if e.State != status.Open || e.Error != "table is missing" || e.Revision != 7 || e.Unit != "bi" {
				return fmt.Errorf("entry %+v", e)
			}
		}
		return nil
	})
}

func TestEventsAreStoredBySeverityAndKind(t *testing.T) {
	js := natstest.Run(t)
	if err := event.Publish(t.Context(), js, event.Event{Severity: event.Critical, Kind: "breaker-open", Subject: "bi", Text: "表不存在"}); err != nil {
		t.Fatal(err)
	}
	stream, _ := js.Stream(t.Context(), topology.Events)
	msg, err := stream.GetLastMsgForSubject(t.Context(), "event.critical.breaker-open")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"subject":"bi"`, "表不存在", `"time":"2`} {
		if !strings.Contains(string(msg.Data), want) {
			t.Errorf("event %s lacks %s", msg.Data, want)
		}
	}
}
