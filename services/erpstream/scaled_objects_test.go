package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/erpstream/erpstream/services/erpstream/internal/scaling"
)

func TestScaledObjectsArePrinted(t *testing.T) {
	committed, err := os.ReadFile("../../k8s/components/keda/scaled-objects.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if out := wants(t, 0, nil, "scaled-objects", shippedConfig); out != string(committed) {
		t.Error("it is not k8s/components/keda/scaled-objects.yaml")
	}
	file := filepath.Join(t.TempDir(), "objects.yaml")
	wants(t, 0, nil, "scaled-objects", shippedConfig, "--out", file, "--namespace", "erp", "--account", "ERP", "--monitor", "nats.x.svc:8222", "--monitor-https")
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for want, times := range map[string]int{"namespace: erp\n": 3, "account: ERP\n": 12, "natsServerMonitoringEndpoint: nats.x.svc:8222\n": 12, `useHttps: "true"`: 12} {
		if got := strings.Count(string(written), want); got != times {
			t.Errorf("%q is there %d times, want %d", want, got, times)
		}
	}
	var plan scaling.Plan
	out := wants(t, 0, nil, "scaled-objects", shippedConfig, "--json", "--work", "1m", "--max-replicas", "3")
	if err := json.Unmarshal([]byte(out), &plan); err != nil || len(plan.Objects) != 3 || len(plan.Fixed) != 5 {
		t.Fatalf("%v: %d objects, %d fixed", err, len(plan.Objects), len(plan.Fixed))
	}
	if spec := plan.Objects[0].Spec; spec.MaxReplicaCount != 3 || spec.Advanced.ScalingModifiers.Target != "300000" {
		t.Errorf("%+v", spec)
	}
}

func TestScaledObjectsNameWhatIsWrong(t *testing.T) {
	wants(t, 2, []string{"requires at least 1 arg"}, "scaled-objects")
	wants(t, 2, []string{"no such file"}, "scaled-objects", "nowhere")
	wants(t, 2, []string{"nothing is to be scaled"}, "scaled-objects", shippedConfig+"/connections")
	wants(t, 2, []string{"flow.yaml:2:7: from: unknown source", "jst-shops"}, "scaled-objects", write(t, "flow.yaml", misread))
	wants(t, 2, []string{`--monitor "http://nats:8222" is not host:port`, `--watchdog "watchdog:8080"`, "--account is empty", "--min-replicas 0", "--max-replicas -1", "--work 0s"},
		"scaled-objects", shippedConfig, "--monitor", "http://nats:8222", "--watchdog", "watchdog:8080", "--account", "", "--min-replicas", "0", "--max-replicas", "-1", "--work", "0s")
}
