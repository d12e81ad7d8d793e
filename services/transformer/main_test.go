package main

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/pkg/test/natstest"
)

func TestReadConfig(t *testing.T) {
	for alarm, want := range map[string]string{"": "", "30m": "", "0s": "PARKED_ALARM", "-1h": "PARKED_ALARM", "soon": "PARKED_ALARM"} {
		env := service.NewEnv(func(name string) string {
			if name == "PARKED_ALARM" {
				return alarm
			}
			return ""
		})
		if _, err := readConfig(env); err != nil {
			t.Fatal(err)
		}
		if err := env.Err(); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want a fault of %q", alarm, err, want)
		}
	}
}

// TestOneStoreForAllFlowsOfAConnection follows the configuration: two flows that look up, then one,
// then none.
func TestOneStoreForAllFlowsOfAConnection(t *testing.T) {
	js := natstest.Run(t)
	h := host{
		config: config{batch: 100}, stores: map[string]*reference.Store{}, shared: newShared(js, slog.New(slog.DiscardHandler), 100), mappers: map[string]compiled{},
		svc: &service.Service{NC: js.Conn(), JS: js, Log: slog.New(slog.DiscardHandler)},
	}
	_, second, _ := strings.Cut(strings.Replace(bills, "flow: to-kd", "flow: to-kd-too", 1), "---")
	for _, step := range []struct {
		text string
		want []string
	}{
		{bills + "---" + second, []string{"control", "references:kd", "to-kd", "to-kd-too"}},
		{bills, []string{"control", "references:kd", "to-kd"}},
		{documents, []string{"control", "to-bi"}},
	} {
		before, compiled := h.stores["kd"], h.mappers["to-kd"].mapping
		docs, err := flow.Parse("test.yaml", []byte(step.text))
		if err != nil {
			t.Fatal(err)
		}
		tasks := h.tasks(t.Context(), flow.Snapshot{Set: flow.Set{}.With(docs...)}, nil)
		if got := slices.Sorted(maps.Keys(tasks)); !slices.Equal(got, step.want) {
			t.Errorf("tasks %v, want %v", got, step.want)
		}
		if again := h.mappers["to-kd"].mapping; compiled != nil && again != nil && compiled != again {
			t.Error("a flow that is as it was is compiled again")
		}
		if now := h.stores["kd"]; before != nil && now != nil && before != now {
			t.Error("the store is another one, and the flow that goes on has the old one")
		}
	}
}
