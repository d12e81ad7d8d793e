package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The namespace and the pod of the self-test.
const (
	strictNamespace = `{apiVersion: v1, kind: Namespace, metadata: {name: k8s-verify, labels: {
  pod-security.kubernetes.io/enforce: restricted, pod-security.kubernetes.io/warn: restricted}}}`
	goodPod = `{containers: [{name: main, image: "example.com/main:v1", securityContext: {
  runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, seccompProfile: {type: RuntimeDefault}}}]}`
)

// trial is a manifest that a server has to take, and has to have something against once it is spoilt.
type trial struct {
	manifest  string // without its metadata
	old, with string // what spoils it
	want      string // what is then said
}

// trials spoil what a verification is there for, in each way that a server learns a kind.
var trials = []trial{
	{
		`apiVersion: apps/v1, kind: Deployment, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: ` + goodPod + `}}`,
		"template", "templates", "spec.templates: unknown field",
	},
	{
		`apiVersion: apps/v1, kind: Deployment, spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: ` + goodPod + `}}`,
		"runAsNonRoot: true", "runAsNonRoot: false", "warning: would violate PodSecurity",
	},
	{`apiVersion: v1, kind: Pod, spec: ` + goodPod, "drop: [ALL]", "drop: [KILL]", `violates PodSecurity "restricted:latest"`},
	{
		`apiVersion: keda.sh/v1alpha1, kind: ScaledObject, spec: {scaleTargetRef: {name: main}, triggers: [{type: cron, metadata: {}}]}`,
		"scaleTargetRef: {name: main}", "scaleTargetRef: {name: main}, pollingIntervall: 30", "spec.pollingIntervall: unknown field",
	},
	{
		`apiVersion: external-secrets.io/v1, kind: ExternalSecret, spec: {secretStoreRef: {name: main}, target: {name: main}}`,
		"target: {name: main}", "target: {name: main, deletionPolicy: Keep}", "spec.target.deletionPolicy: ",
	},
	{
		`apiVersion: monitoring.coreos.com/v1, kind: PrometheusRule, spec: {groups: [{name: main, rules: [{alert: A, expr: up}]}]}`,
		"expr: up", "exprs: up", "unknown field",
	},
	{
		`apiVersion: jetstream.nats.io/v1beta2, kind: Stream, spec: {name: MAIN, subjects: [a], storage: file}`,
		"subjects: [a]", "subject: [a]", "spec.subject: unknown field",
	},
}

// selfTest has the server refuse what is wrong: a verification that can't fail says nothing.
func (v verifier) selfTest(ctx context.Context) error {
	faults, err := v.applyText(ctx, strictNamespace, false)
	if err != nil || len(faults) > 0 {
		return errors.Join(err, refused(strictNamespace, faults))
	}
	for _, t := range trials {
		manifest := "{metadata: {name: main, namespace: k8s-verify}, " + t.manifest + "}"
		faults, err := v.applyText(ctx, manifest, true)
		if err != nil || len(faults) > 0 {
			return errors.Join(err, refused(manifest, faults))
		}
		spoilt := strings.Replace(manifest, t.old, t.with, 1)
		faults, err = v.applyText(ctx, spoilt, true)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(faults, func(f fault) bool { return strings.Contains(f.String(), t.want) }) {
			return fmt.Errorf("the server took what is wrong, or refused it for another reason than %q: %v\n%s", t.want, faults, spoilt)
		}
	}
	return nil
}

// refused is the error of a manifest that is good.
func refused(manifest string, faults []fault) error {
	return fmt.Errorf("the server has something against what is right: %v\n%s", faults, manifest)
}

func (v verifier) applyText(ctx context.Context, text string, dryRun bool) (faults []fault, err error) {
	objects, err := parseObjects([]byte(text))
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		more, err := v.apply(ctx, o, dryRun)
		if err != nil {
			return nil, err
		}
		faults = append(faults, more...)
	}
	return faults, nil
}
