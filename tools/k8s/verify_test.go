package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// parsed returns the objects of a text.
func parsed(t *testing.T, text string) []object {
	t.Helper()
	objects, err := parseObjects([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// withTypes is a verifier that asks nobody.
func withTypes(t *testing.T) verifier {
	t.Helper()
	types, err := newSchemas(nil)
	if err != nil {
		t.Fatal(err)
	}
	return verifier{types: types}
}

const makers = `# A comment is no document.
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: main, namespace: erp}, spec: {replicas: 2, selector: {}, template: {
  metadata: {labels: {a: b}}, spec: {containerz: [], containers: [{name: c, image: i:v1, resources: {
    requests: {cpu: 100m, memory: 192Mi}, limits: {memory: 192Mi}}, startupProbe: {httpGet: {path: /healthz}}, readinessProbe: {tcpSocket: {port: 1}}}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: main, namespace: erp}, spec: {jobTemplate: {spec: {template: {spec: {restartPolicy: Never}}}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: alone, namespace: erp}, spec: {}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: main, namespace: erp}}
`

// A pod has all that stands in its template, what is misspelt, too: the server is to see it.
func TestPodOfTemplate(t *testing.T) {
	want := []string{
		`{"apiVersion":"v1","kind":"Pod","metadata":{"labels":{"a":"b"},"name":"deployment-main","namespace":"erp"},"spec":{"containers":[{"image":"i:v1"`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"cronjob-main","namespace":"erp"},"spec":{"restartPolicy":"Never"}}`,
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"alone","namespace":"erp"},"spec":{}}`,
	}
	found := withTypes(t).workloads(parsed(t, makers))
	if len(found) != len(want) {
		t.Fatalf("%d workloads, want %d", len(found), len(want))
	}
	for i, w := range found {
		pod, err := podOf(w)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(pod.Object)
		if err != nil || !strings.HasPrefix(string(text), want[i]) {
			t.Errorf("%s: %s, %v\nwant %s", w, text, err, want[i])
		}
		if i == 0 && !strings.Contains(string(text), `"containerz":[]`) {
			t.Errorf("%s: what is misspelt is not in the pod: %s", w, text)
		}
	}
}

func TestAppliedInOrder(t *testing.T) {
	objects := parsed(t, "{kind: Job, apiVersion: v1}\n---\n{kind: CustomResourceDefinition, apiVersion: v1}\n---\n{kind: ConfigMap, apiVersion: v1}\n---\n{kind: Namespace, apiVersion: v1}\n")
	var got []string
	for _, o := range inOrder(objects) {
		got = append(got, o.GetKind())
	}
	if want := "Namespace, CustomResourceDefinition, Job, ConfigMap"; joined(got) != want {
		t.Errorf("applied: %s, want %s", joined(got), want)
	}
}

// TestRefusal has the words of kube-apiserver 1.36.
func TestRefusal(t *testing.T) {
	o := parsed(t, makers)[0]
	for _, tt := range []struct {
		said metav1.Status
		want string
	}{
		{
			metav1.Status{Message: `failed to create typed patch object (erp/main; apps/v1, Kind=Deployment): .spec.template.spec.contaners: field not declared in schema`},
			"Deployment/main: spec.template.spec.contaners: unknown field",
		},
		{
			metav1.Status{Message: "failed to create typed patch object (erp/main; apps/v1, Kind=Deployment): errors:\n  .spec.a: field not declared in schema\n  .spec.b[name=\"c\"].d: expected string, got 15"},
			"Deployment/main: spec.a: unknown field\nDeployment/main: spec.b[name=\"c\"].d: expected string, got 15",
		},
		{
			metav1.Status{Message: `Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.a", unknown field "spec.b"`},
			"Deployment/main: spec.a: unknown field\nDeployment/main: spec.b: unknown field",
		},
		{
			metav1.Status{Message: "is invalid", Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Field: "spec.replicas", Message: "Invalid value: -1"}}}},
			"Deployment/main: spec.replicas: Invalid value: -1",
		},
		{metav1.Status{Message: "pods \"main\" is forbidden"}, "Deployment/main: pods \"main\" is forbidden"},
	} {
		var got []string
		for _, f := range refusal(o, tt.said) {
			got = append(got, f.String())
		}
		if strings.Join(got, "\n") != tt.want {
			t.Errorf("%s: %q, want %q", tt.said.Message, got, tt.want)
		}
	}
}

func TestListing(t *testing.T) {
	var out bytes.Buffer
	withTypes(t).inShort("erp", parsed(t, makers)).print(&out)
	want := `      namespace erp holds
      Deployment/main, replicas: 2
        c: i:v1, cpu 100m/-, memory 192Mi/192Mi, probes: startup /healthz, readiness
      CronJob/main
      Pod/alone
      ConfigMap/main
      in all 4: ConfigMap 1, CronJob 1, Deployment 1, Pod 1
`
	if out.String() != want {
		t.Errorf("listing:\n%swant\n%s", out.String(), want)
	}
}
