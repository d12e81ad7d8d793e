package scaling

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// ScaledObject is the object of KEDA (keda.sh/v1alpha1) that moves one Deployment.
type ScaledObject struct {
	APIVersion string   `json:"apiVersion" yaml:"apiVersion"`
	Kind       string   `json:"kind" yaml:"kind"`
	Metadata   Metadata `json:"metadata" yaml:"metadata"`
	Spec       Spec     `json:"spec" yaml:"spec"`
}

// Metadata names an object.
type Metadata struct {
	Name      string            `json:"name" yaml:"name"`
	Namespace string            `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	Labels    map[string]string `json:"labels" yaml:"labels"`
}

// Spec says what is moved, by what and between which bounds.
type Spec struct {
	ScaleTargetRef  Name      `json:"scaleTargetRef" yaml:"scaleTargetRef"`
	PollingInterval int       `json:"pollingInterval" yaml:"pollingInterval"`
	MinReplicaCount int       `json:"minReplicaCount" yaml:"minReplicaCount"`
	MaxReplicaCount int       `json:"maxReplicaCount" yaml:"maxReplicaCount"`
	Fallback        Fallback  `json:"fallback" yaml:"fallback"`
	Advanced        Advanced  `json:"advanced" yaml:"advanced"`
	Triggers        []Trigger `json:"triggers" yaml:"triggers"`
}

// Name is the name of a Deployment.
type Name struct {
	Name string `json:"name" yaml:"name"`
}

// Fallback says what a figure counts as that can't be read.
type Fallback struct {
	FailureThreshold int    `json:"failureThreshold" yaml:"failureThreshold"`
	Replicas         int    `json:"replicas" yaml:"replicas"`
	Behavior         string `json:"behavior" yaml:"behavior"`
}

// Advanced makes one figure of all triggers, and bounds how fast replicas come and go.
type Advanced struct {
	ScalingModifiers Modifiers `json:"scalingModifiers" yaml:"scalingModifiers"`
	HPA              HPA       `json:"horizontalPodAutoscalerConfig" yaml:"horizontalPodAutoscalerConfig"`
}

// Modifiers is the formula over the triggers' names, and how much of its value is one replica's.
type Modifiers struct {
	Formula    string `json:"formula" yaml:"formula"`
	Target     string `json:"target" yaml:"target"`
	MetricType string `json:"metricType" yaml:"metricType"`
}

// HPA is what KEDA hands on to the HorizontalPodAutoscaler.
type HPA struct {
	Behavior Behavior `json:"behavior" yaml:"behavior"`
}

// Behavior bounds how fast replicas come and go.
type Behavior struct {
	ScaleUp   Rules `json:"scaleUp" yaml:"scaleUp"`
	ScaleDown Rules `json:"scaleDown" yaml:"scaleDown"`
}

// Rules are those of one direction.
type Rules struct {
	Window   int      `json:"stabilizationWindowSeconds" yaml:"stabilizationWindowSeconds"`
	Policies []Policy `json:"policies" yaml:"policies"`
}

// Policy lets so many replicas, or percent of them, come or go in a period.
type Policy struct {
	Type   string `json:"type" yaml:"type"`
	Value  int    `json:"value" yaml:"value"`
	Period int    `json:"periodSeconds" yaml:"periodSeconds"`
}

// Trigger is one figure that KEDA reads.
type Trigger struct {
	Type     string            `json:"type" yaml:"type"`
	Name     string            `json:"name" yaml:"name"`
	Metadata map[string]string `json:"metadata" yaml:"metadata"`
}

// behavior bounds how fast replicas come and go: a burst that is worked off within half a minute brings none,
// and what comes stays for five minutes.
var behavior = Behavior{
	ScaleUp:   Rules{Window: 30, Policies: []Policy{{"Percent", 100, 30}, {"Pods", 2, 30}}},
	ScaleDown: Rules{Window: 300, Policies: []Policy{{"Pods", 1, 60}}},
}

// object is the ScaledObject of a tier: for each consumer what waits there, and which share of the replicas
// stand still. What waits for a target that is down, or for a flow that is paused, brings no replicas; neither
// does more at one consumer than replicas find work there.
func (t tier) object(o Options) ScaledObject {
	target := t.share(o)
	var triggers []Trigger
	var terms []string
	for _, u := range t.units {
		name := strings.ReplaceAll(u.name, "-", "_") // names have no underscore, so no two become one
		triggers = append(triggers,
			Trigger{"nats-jetstream", "lag_" + name, map[string]string{
				"natsServerMonitoringEndpoint": o.Monitor,
				"useHttps":                     strconv.FormatBool(o.HTTPS),
				"account":                      o.Account,
				"stream":                       t.stream,
				"consumer":                     u.consumer,
				"lagThreshold":                 strconv.Itoa(target),
			}},
			Trigger{"metrics-api", "idle_" + name, map[string]string{
				"url":           o.Watchdog,
				"format":        "prometheus",
				"valueLocation": fmt.Sprintf(`erpstream_unit_idle_ratio{tier=%q,unit=%q}`, t.deployment, u.name),
				"targetValue":   "1",
			}},
		)
		terms = append(terms, fmt.Sprintf("((idle_%[1]s ?? 0) > 0.5 ? 0 : min(lag_%[1]s, %d))", name, t.atOnce*target))
	}
	return ScaledObject{
		APIVersion: "keda.sh/v1alpha1", Kind: "ScaledObject",
		Metadata: Metadata{Name: t.deployment, Namespace: o.Namespace, Labels: map[string]string{
			"app.kubernetes.io/name": t.deployment, "app.kubernetes.io/part-of": "erpstream",
		}},
		Spec: Spec{
			ScaleTargetRef: Name{t.deployment}, PollingInterval: 30, MinReplicaCount: o.Min, MaxReplicaCount: t.most(o),
			Fallback: Fallback{FailureThreshold: 3, Replicas: o.Min, Behavior: "scalingModifiers"},
			Advanced: Advanced{
				ScalingModifiers: Modifiers{Formula: strings.Join(terms, " +\n"), Target: strconv.Itoa(target), MetricType: "AverageValue"},
				HPA:              HPA{behavior},
			},
			Triggers: triggers,
		},
	}
}

// Write writes the objects as YAML documents, with what stands still as comments above them.
func (p Plan) Write(w io.Writer) error {
	var b strings.Builder
	for _, f := range p.Fixed {
		fmt.Fprintf(&b, "# %s: replicas: %d, no ScaledObject: %s.\n", f.Deployment, f.Replicas, f.Why)
	}
	for _, o := range p.Objects {
		text, err := yaml.MarshalWithOptions(o, yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
		if err != nil {
			return fmt.Errorf("write ScaledObject %s: %w", o.Metadata.Name, err)
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
