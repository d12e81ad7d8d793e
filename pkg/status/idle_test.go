package status_test

import (
	"maps"
	"testing"

	"github.com/erpstream/erpstream/pkg/status"
)

func TestIdleIsTheShareOfReplicasThatFetchNothing(t *testing.T) {
	entry := func(service, instance, unit, state string) status.Entry {
		return status.Entry{Service: service, Instance: instance, Unit: unit, State: state}
	}
	got := status.Idle([]status.Entry{
		entry("sink-mysql", "a", "bi", status.Open),
		entry("sink-mysql", "b", "bi", status.Open),
		entry("sink-mysql", "c", "bi", status.Running),
		entry("sink-mysql", "a", "crm", status.Running),
		entry("transformer", "a", "bi", status.Paused),
		entry("transformer", "a", "broken", status.Failed),
		entry("sink-kis", "a", "kis", status.Waiting),
	})
	want := map[status.Unit]float64{
		{Service: "sink-mysql", Name: "bi"}: 2.0 / 3, {Service: "sink-mysql", Name: "crm"}: 0,
		{Service: "transformer", Name: "bi"}: 1, {Service: "transformer", Name: "broken"}: 1, {Service: "sink-kis", Name: "kis"}: 0,
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
