package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// The root of the repository, whose manifests the tests spoil.
var root = filepath.Join("..", "..")

// shared is a checker for all tests, for it learns what services say of themselves.
var shared = sync.OnceValues(func() (*checker, error) { return newChecker(context.Background(), root) })

// built are the overlays as they are shipped.
var built = map[string][]object{}

// rendered returns a copy of an overlay as it is shipped.
func rendered(t *testing.T, name string) (objects []object) {
	t.Helper()
	if built[name] == nil {
		var err error
		if built[name], err = build(filepath.Join(root, "k8s", "overlays", name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range built[name] {
		objects = append(objects, object{Unstructured: *o.DeepCopy()})
	}
	return objects
}

// faultsOf checks objects, and returns the faults as text.
func faultsOf(t *testing.T, objects []object) string {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	faults, err := c.check(t.Context(), objects)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// edit replaces text in the manifests of objects with that kind and beginning of name; there must be some.
func edit(t *testing.T, objects []object, name, old, with string) {
	t.Helper()
	found := false
	for i, o := range objects {
		if !strings.HasPrefix(o.String(), name) {
			continue
		}
		text, err := yaml.Marshal(o.Object)
		if err != nil {
			t.Fatal(err)
		}
		spoilt := strings.Replace(string(text), old, with, 1)
		if spoilt == string(text) {
			continue
		}
		found = true
		objects[i].Object = nil
		if err := yaml.Unmarshal([]byte(spoilt), &objects[i].Object); err != nil {
			t.Fatalf("%v in\n%s", err, spoilt)
		}
	}
	if !found {
		t.Fatalf("%s has no %q", name, old)
	}
}

// TestRules spoils what is shipped, in one place each, and wants that to be refused for that reason.
func TestRules(t *testing.T) {
	for _, tt := range []struct{ name, object, old, with, want string }{
		{
			"misspelt field", "Deployment/sink-mysql", "terminationGracePeriodSeconds", "terminationGracePeriodSecond",
			"Deployment/sink-mysql: spec.template.spec.terminationGracePeriodSecond: unknown field",
		},
		{"wrong type", "Service/watchdog", "port: 8080", "port: eighty", "Service/watchdog: json: cannot unmarshal string"},
		{"unknown kind", "Service/watchdog", "apiVersion: v1", "apiVersion: v2", "Service/watchdog: apiVersion: /v2, Kind=Service has no schema"},
		{
			"misspelt field of a custom resource", "ExternalSecret/watchdog-nats", "refreshInterval", "refreshIntervall",
			"ExternalSecret/watchdog-nats: spec.refreshIntervall: unknown field",
		},
		{
			"value that a custom resource does not know", "ExternalSecret/watchdog-nats", "deletionPolicy: Retain", "deletionPolicy: Keep",
			"spec.target.deletionPolicy in body should be one of",
		},
		{
			"misspelt field of a PodMonitor", "PodMonitor/erpstream", "interval: 15s", "intervall: 15s",
			"PodMonitor/erpstream: spec.podMetricsEndpoints[0].intervall: unknown field",
		},
		{
			"root", "Deployment/sink-mysql", "runAsNonRoot: true", "runAsNonRoot: false",
			"Deployment/sink-mysql: spec.template.spec: Pod Security restricted: runAsNonRoot != true",
		},
		{
			"capabilities", "Job/erpstream-config", "drop:\n            - ALL", "drop:\n            - KILL",
			"Pod Security restricted: unrestricted capabilities",
		},
		{"latest", "Deployment/sink-mysql", "sink-mysql:v0.1.0", "sink-mysql:latest", `spec.template.spec.containers[0].image: "erpstream/sink-mysql:latest" has neither a version`},
		{"no tag", "Deployment/sink-mysql", "sink-mysql:v0.1.0", "sink-mysql", `"erpstream/sink-mysql" has neither`},
		{"no CPU request", "Deployment/watchdog", "cpu: 100m", "ephemeral-storage: 1Gi", "containers[0].resources.requests.cpu: is missing"},
		{"memory that may be taken away", "Deployment/watchdog", "requests:\n            cpu: 100m\n            memory: 192Mi", "requests:\n            cpu: 100m\n            memory: 64Mi", "requests.memory: is 64Mi, but the limit is 192Mi"},
		{"CPU limit", "Deployment/watchdog", "limits:", "limits:\n            cpu: 500m", "resources.limits.cpu: is set"},
		{"no probe", "Deployment/watchdog", "startupProbe", "lifecycle", "containers[0].startupProbe: is missing"},
		{"probe of another port", "Deployment/watchdog", "path: /readyz\n            port: metrics", "path: /readyz\n            port: web", `readinessProbe.httpGet.port: "web" is no port`},
		{"liveness that waits for NATS", "Deployment/watchdog", "path: /healthz", "path: /readyz", "livenessProbe.httpGet.path: /readyz is not for this probe"},
		{"root that can be written", "Job/erpstream-config", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "containers[0].securityContext.readOnlyRootFilesystem: is not true"},
		{"folder without end", "Deployment/watchdog", "volumes:", "volumes:\n      - emptyDir: {}\n        name: scratch", "spec.template.spec.volumes[0].emptyDir.sizeLimit: is missing"},
		{"token", "Deployment/watchdog", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "automountServiceAccountToken: is not false"},
		{"killed too early", "Deployment/sink-kis", "terminationGracePeriodSeconds: 90", "terminationGracePeriodSeconds: 80", "terminationGracePeriodSeconds: is 1m20s, not more than GRACE (1m15s) and 7s"},
		{"label of the pods", "Deployment/watchdog", "        app.kubernetes.io/component: watchdog", "        component: watchdog", "spec.template.metadata.labels: app.kubernetes.io/component is missing"},
		{"label of an object", "ServiceAccount/watchdog", "app.kubernetes.io/part-of", "part-of", "ServiceAccount/watchdog: metadata.labels: app.kubernetes.io/part-of is missing"},
		{"another release", "Deployment/watchdog", "watchdog:v0.1.0", "watchdog:v0.2.0", `app.kubernetes.io/version is "v0.1.0", but the image of erpstream is "v0.2.0"`},
		{"selector of a Deployment", "Deployment/watchdog", "matchLabels:\n      app.kubernetes.io/name: watchdog", "matchLabels:\n      app.kubernetes.io/name: watchdogs", "Deployment/watchdog: spec.selector: finds the pods of []"},
		{"selector of a Service", "Service/watchdog", "selector:\n    app.kubernetes.io/name: watchdog", "selector:\n    app.kubernetes.io/name: watchdogs", "Service/watchdog: spec.selector: finds the pods of 0 workloads"},
		{"selector of a budget", "PodDisruptionBudget/watchdog", "matchLabels:\n      app.kubernetes.io/name: watchdog\n", "matchLabels:\n", "PodDisruptionBudget/watchdog: spec.selector: finds the pods of 10 workloads"},
		{"port of a Service", "Service/watchdog", "targetPort: metrics", "targetPort: metric", "Service/watchdog: spec.ports: metrics leads to metric"},
		{"spread of others", "Deployment/watchdog", "- labelSelector:\n          matchLabels:\n            app.kubernetes.io/name: watchdog", "- labelSelector:\n          matchLabels:\n            app.kubernetes.io/name: sink-kis", "the selector by topology.kubernetes.io/zone does not find the pods"},
		{"policy for a misspelt service", "NetworkPolicy/vendors", "- sink-kis", "- sink-kiss", "NetworkPolicy/vendors: spec.podSelector.matchExpressions: no pod has app.kubernetes.io/name=sink-kiss"},
		{"policy for a port that is not there", "NetworkPolicy/metrics", "port: metrics", "port: metric", "no pod that it selects has a port metric"},
		{"monitor of another port", "PodMonitor/erpstream", "port: metrics", "port: metric", "has no such port"},
		{"expression", "PrometheusRule/erpstream", "min by (namespace, pod, part) (erpstream_ready)", "min by (namespace, pod, part) (erpstream_ready", "PrometheusRule/erpstream: spec.groups: ErpstreamNotReady: "},
		{"variable", "Deployment/transformer", "name: GRACE", "name: GRACES", "containers[0].env[6].name: transformer --help knows no GRACES"},
		{"variable of the Job", "Job/erpstream-config", "name: NATS_USER_FILE", "name: NATS_USERS_FILE", "erpstream apply --help knows no NATS_USERS_FILE"},
		{"flag of the Job", "Job/erpstream-config", "- --replicas", "- --replica", "knows no flag --replica"},
		{"Secret that nobody makes", "Deployment/watchdog", "secretName: watchdog-nats\n", "secretName: watchdogs-nats\n", "no ExternalSecret makes the Secret watchdogs-nats"},
		{"secrets of another connection", "Deployment/sink-kis", "secretName: connection-kis-main", "secretName: connection-kd-main", `/etc/erpstream/secrets/kis-main has the Secret "connection-kd-main"`},
		{"secrets that are not needed", "Deployment/sink-kis", "mountPath: /etc/erpstream/secrets/kis-main", "mountPath: /etc/erpstream/secrets/kd-main", "has the secrets of connection kd-main, which it does not use"},
		{"secrets that are missing", "Deployment/sink-kis", "mountPath: /etc/erpstream/secrets/kis-main", "mountPath: /etc/erpstream/secret", "the Secret connection-kis-main is not mounted"},
		{"sandbox of one machine", "ConfigMap/erpstream-config", "endpoint: https://openapi.jushuitan.com", "endpoint: sandbox", "jst-main.yaml: connection jst-main leads to the sandbox"},
		{"flow that is wrong", "ConfigMap/erpstream-config", "each: record.details_list", "each: record.details_list[", "data: erpstream flow check: wdt-stockgain-to-kingdee.yaml:18:31: "},
		{"document that was forgotten", "ConfigMap/erpstream-config", "  jst-otherin-to-kis.yaml:", "  other.yaml:", "deploy/config/flows/jst-otherin-to-kis.yaml is missing: name it in deploy/kustomization.yaml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			objects := rendered(t, "production")
			edit(t, objects, tt.object, tt.old, tt.with)
			if got := faultsOf(t, objects); !strings.Contains(got, tt.want) {
				t.Errorf("faults:\n%s\nwant %q", got, tt.want)
			}
		})
	}
}

func TestShippedOverlaysAreGood(t *testing.T) {
	var out, errOut bytes.Buffer
	if code := run(t.Context(), []string{"-root", root}, &out, &errOut); code != 0 {
		t.Errorf("exit code %d\n%s%s", code, out.String(), errOut.String())
	}
	for _, name := range []string{"dev", "staging", "production"} {
		if !strings.Contains(out.String(), "ok    "+filepath.Join("k8s", "overlays", name)+": ") {
			t.Errorf("no line for %s in\n%s", name, out.String())
		}
	}
}

func TestServiceWithoutDeployment(t *testing.T) {
	var objects []object
	for _, o := range rendered(t, "dev") {
		if !strings.HasSuffix(o.String(), "/transformer") {
			objects = append(objects, o)
		}
	}
	if got := faultsOf(t, objects); got != "service transformer: has no Deployment: make k8s/base/transformer, and name its image in the overlay" {
		t.Errorf("faults:\n%s", got)
	}
}

const scaledObject = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: sink-mysql
  labels: {app.kubernetes.io/instance: erpstream, app.kubernetes.io/part-of: erpstream, app.kubernetes.io/managed-by: kustomize}
spec:
  scaleTargetRef: {name: sink-mysql}
  minReplicaCount: 2
  triggers:
    - type: nats-jetstream
      metadata: {natsServerMonitoringEndpoint: "nats-headless.nats.svc.cluster.local:8222", account: ERPSTREAM, stream: TARGET, consumer: sink-mysql-bi-main}
`

func TestScaledObjects(t *testing.T) {
	for _, tt := range []struct{ overlay, old, with, want string }{
		{"staging", "kind", "kind", ""},
		{"staging", "minReplicaCount", "minReplicasCount", "ScaledObject/sink-mysql: spec.minReplicasCount: unknown field"},
		{"staging", "type: nats-jetstream", "kind: nats-jetstream", "ScaledObject/sink-mysql: spec.triggers[0].kind: unknown field\nScaledObject/sink-mysql: spec.triggers[0].type in body is required"},
		{"staging", "scaleTargetRef: {name: sink-mysql}", "scaleTargetRef: {name: mysql}", "ScaledObject/sink-mysql: spec.scaleTargetRef: there is no Deployment/mysql"},
		{"production", "scaleTargetRef: {name: sink-mysql}", "scaleTargetRef: {name: sink-kis}", "Deployment/sink-kis: spec.replicas: is set, though ScaledObject/sink-mysql scales it: each apply would undo that; components/keda stands behind what sets replicas"},
	} {
		var o object
		if err := yaml.Unmarshal([]byte(strings.Replace(scaledObject, tt.old, tt.with, 1)), &o.Object); err != nil {
			t.Fatal(err)
		}
		if got := faultsOf(t, append(rendered(t, tt.overlay), o)); got != tt.want {
			t.Errorf("%s with %s: faults:\n%s\nwant\n%s", tt.overlay, tt.with, got, tt.want)
		}
	}
}

func TestCommand(t *testing.T) {
	broken := t.TempDir()
	overlay := filepath.Join(broken, "k8s", "overlays", "dev")
	if err := os.MkdirAll(overlay, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(overlay, "kustomization.yaml"), []byte("resources: [missing.yaml]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"-help"}, 0, "Usage: k8s"},
		{[]string{"-nonsense"}, 2, "flag provided but not defined"},
		{[]string{"-root", root, "prod"}, 2, `no overlay "prod"`},
		{[]string{"-root", t.TempDir()}, 2, "no overlays in"},
		{[]string{"-root", broken}, 1, "k8s/overlays/dev: kustomize: "},
		{[]string{"verify", "-help"}, 0, "Usage: k8s verify"},
		{[]string{"verify", "-nonsense"}, 2, "flag provided but not defined"},
		{[]string{"verify", "-root", root, "prod"}, 2, `no overlay "prod"`},
		{[]string{"verify", "-root", broken}, 2, "build/tools/etcd: `make k8s-verify` builds it"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), tt.args, &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
			t.Errorf("k8s %v: exit code %d\n%s", tt.args, code, out.String())
		}
	}
}

func TestImagesThatStay(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("0a", 32)
	for image, good := range map[string]bool{
		"erpstream/transformer:v0.1.0":                      true,
		"registry.example.com:5000/erp/transformer:v0.1.0":  true,
		"registry.example.com/transformer:1.2.3-rc.1":       true,
		"registry.example.com/transformer" + digest:         true,
		"registry.example.com/transformer:v0.1.0" + digest:  true,
		"registry.example.com:5000/transformer":             false,
		"erpstream/transformer:latest":                      false,
		"erpstream/transformer:v1":                          false,
		"erpstream/transformer:main":                        false,
		"erpstream/transformer:latest@sha256:0a":            false,
		"registry.example.com:5000/erp/transformer:nightly": false,
	} {
		if fixed.MatchString(image) != good {
			t.Errorf("%s: %v, want %v", image, !good, good)
		}
	}
	for image, want := range map[string][2]string{
		"registry.example.com:5000/erp/sink-kis:v1.0.0": {"sink-kis", "v1.0.0"},
		"registry.example.com:5000/sink-kis" + digest:   {"sink-kis", strings.TrimPrefix(digest, "@")},
	} {
		if runs(image) != want[0] || tagOf(image) != want[1] {
			t.Errorf("%s is %s %s", image, runs(image), tagOf(image))
		}
	}
}
