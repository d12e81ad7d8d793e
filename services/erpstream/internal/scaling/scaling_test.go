package scaling

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

var update = flag.Bool("update", false, "rewrite the committed objects")

const (
	config    = "../../../../deploy/config"
	committed = "../../../../k8s/components/keda/scaled-objects.yaml"
)

// shipped are the options with which the committed objects are made: the command's defaults. The account is that
// which nats-config makes: with another KEDA finds no consumer and scales nothing.
var shipped = Options{
	Monitor: "nats-headless.nats.svc.cluster.local:8222", Account: natsconfig.Account,
	Watchdog: "http://watchdog.erpstream.svc.cluster.local:8080/metrics",
	Min:      2, Max: 8, Work: 15 * time.Second,
}

func TestTheCommittedObjectsAreThoseOfTheShippedConfig(t *testing.T) {
	var b bytes.Buffer
	if err := Make(shippedSet(t), shipped).Write(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(committed, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Errorf("%s is not what the shipped config asks for; run this test with -update", committed)
	}
}

func shippedSet(t *testing.T) flow.Set {
	t.Helper()
	files, err := filepath.Glob(config + "/*/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	set := flow.Set{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents, err := flow.Parse(file, data)
		if err != nil {
			t.Fatal(err)
		}
		set = set.With(documents...)
	}
	return set
}

// accounts is a set in which n connections of a kind are the target of a flow each.
func accounts(kind string, n int) flow.Set {
	var documents []flow.Document
	for i := range n {
		connection := fmt.Sprintf("%s-%03d", kind, i)
		documents = append(documents,
			flow.Document{Name: connection, Connection: &flow.Connection{Name: connection, System: kind}},
			flow.Document{Name: "to-" + connection, Flow: &flow.Flow{Name: "to-" + connection, Target: flow.Target{Kind: kind, Connection: connection}}})
	}
	return flow.Set{}.With(documents...)
}

func object(p Plan, name string) *ScaledObject {
	if i := slices.IndexFunc(p.Objects, func(o ScaledObject) bool { return o.Metadata.Name == name }); i >= 0 {
		return &p.Objects[i]
	}
	return nil
}

func TestReplicasAreBoundedByWhatFindsWork(t *testing.T) {
	o := shipped
	o.Min, o.Max = 1, 10
	for _, tt := range []struct {
		connections        int
		transformer, mysql int
	}{{1, 2, 3}, {2, 4, 6}, {4, 8, 10}, {40, 10, 10}} {
		plan := Make(accounts("mysql", tt.connections), o)
		if got := object(plan, "transformer").Spec.MaxReplicaCount; got != tt.transformer {
			t.Errorf("%d flows: at most %d transformers, want %d", tt.connections, got, tt.transformer)
		}
		if got := object(plan, "sink-mysql").Spec.MaxReplicaCount; got != tt.mysql {
			t.Errorf("%d connections: at most %d sinks, want %d", tt.connections, got, tt.mysql)
		}
	}
	if got := object(Make(accounts("mysql", 1), shipped), "transformer").Spec.MaxReplicaCount; got != 2 {
		t.Errorf("at most %d, which is less than the fewest", got)
	}
}

func TestPacedSinksAreNotScaled(t *testing.T) {
	for _, tt := range []struct {
		kind           string
		connections    int
		replicas, most int
	}{{"kingdee", 1, 2, 400}, {"kingdee", 100, 9, 40_000}, {"kis", 100, 2, 4800}} {
		plan := Make(accounts(tt.kind, tt.connections), shipped)
		if object(plan, "sink-"+tt.kind) != nil {
			t.Errorf("sink-%s is scaled", tt.kind)
		}
		want := fmt.Sprintf("%d calls a minute", tt.most)
		if len(plan.Fixed) != 1 || plan.Fixed[0].Replicas != tt.replicas || !strings.Contains(plan.Fixed[0].Why, want) {
			t.Errorf("%d of %s: %+v, want %d replicas and %s", tt.connections, tt.kind, plan.Fixed, tt.replicas, want)
		}
	}
	c := flow.Connection{System: "kingdee", Budget: flow.Budget{PerMinute: 600, PerSecond: 5}}
	if got := perMinute(c); got != 240 {
		t.Errorf("%d calls a minute of 5 a second, want four fifths of 300", got)
	}
}

// TestEachConsumerIsCountedOnce compares the triggers with the consumers that the services make.
func TestEachConsumerIsCountedOnce(t *testing.T) {
	set := shippedSet(t)
	want := map[string]bool{}
	for name, f := range set.Flows {
		want[topology.Raw+"/"+topology.TransformerConsumer(name)] = true
		if f.Target.Kind == "mysql" || f.Target.Kind == "reference" {
			want[topology.Target+"/"+topology.SinkConsumer(f.Target.Kind, f.Target.Connection)] = true
		}
	}
	for _, o := range Make(set, shipped).Objects {
		for _, trigger := range o.Spec.Triggers {
			if n := strings.Count(o.Spec.Advanced.ScalingModifiers.Formula, trigger.Name+" ") + strings.Count(o.Spec.Advanced.ScalingModifiers.Formula, trigger.Name+","); n != 1 {
				t.Errorf("%s is %d times in the formula of %s", trigger.Name, n, o.Metadata.Name)
			}
			if trigger.Type != "nats-jetstream" {
				continue
			}
			consumer := trigger.Metadata["stream"] + "/" + trigger.Metadata["consumer"]
			if !want[consumer] {
				t.Errorf("%s is counted twice, or is none of ours", consumer)
			}
			delete(want, consumer)
		}
	}
	if len(want) > 0 {
		t.Errorf("not counted: %v", want)
	}
}
