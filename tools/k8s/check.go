package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/policy"
)

// checker holds what is the same for all overlays.
type checker struct {
	root     string
	schemas  schemas
	security policy.Evaluator
	help     *helps
	verdicts map[string]string // of documents, by their content
}

func newChecker(ctx context.Context, root string) (*checker, error) {
	crds, err := readCRDs(ctx)
	if err != nil {
		return nil, err
	}
	known, err := newSchemas(crds)
	if err != nil {
		return nil, err
	}
	security, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return nil, err
	}
	return &checker{root: root, schemas: known, security: security, help: newHelps(root), verdicts: map[string]string{}}, nil
}

// overlay is one environment, rendered.
type overlay struct {
	objects   []object
	workloads []workload
}

// workload is an object that makes pods.
type workload struct {
	object
	pod      corev1.PodTemplateSpec
	at       string                // the field of pod
	selector *metav1.LabelSelector // nil for a Job
	replicas *int32                // nil where it says none
}

// check returns the faults of an overlay in the order of its objects. The error says that it could not be
// checked.
func (c *checker) check(ctx context.Context, objects []object) ([]fault, error) {
	var faults []fault
	for i := range objects {
		faults = append(faults, c.schemas.check(&objects[i])...)
	}
	o := overlay{objects: objects, workloads: workloads(objects)}
	for _, w := range o.workloads {
		faults = append(faults, c.restricted(w)...)
		for _, rule := range []func(workload) []fault{images, resources, probes, confined, podLabels, stopsInTime} {
			faults = append(faults, rule(w)...)
		}
		unknown, err := c.environment(ctx, w)
		if err != nil {
			return nil, err
		}
		faults = append(faults, unknown...)
	}
	for _, rule := range []func(overlay) []fault{
		labels, oneVersion, selectors, policies, monitors, secrets, scaled, alerts,
	} {
		faults = append(faults, rule(o)...)
	}
	for _, rule := range []func(context.Context, overlay) ([]fault, error){c.complete, c.documents} {
		more, err := rule(ctx, o)
		if err != nil {
			return nil, err
		}
		faults = append(faults, more...)
	}
	return faults, nil
}

// workloads returns the objects that make pods.
func workloads(objects []object) (all []workload) {
	for _, o := range objects {
		w := workload{object: o, at: "spec.template"}
		switch t := o.typed.(type) {
		case *appsv1.Deployment:
			w.pod, w.selector, w.replicas = t.Spec.Template, t.Spec.Selector, t.Spec.Replicas
		case *appsv1.StatefulSet:
			w.pod, w.selector, w.replicas = t.Spec.Template, t.Spec.Selector, t.Spec.Replicas
		case *appsv1.DaemonSet:
			w.pod, w.selector = t.Spec.Template, t.Spec.Selector
		case *batchv1.Job:
			w.pod = t.Spec.Template
		case *batchv1.CronJob:
			w.pod, w.at = t.Spec.JobTemplate.Spec.Template, "spec.jobTemplate.spec.template"
		case *corev1.Pod:
			w.pod, w.at = corev1.PodTemplateSpec{ObjectMeta: t.ObjectMeta, Spec: t.Spec}, ""
		default:
			continue
		}
		all = append(all, w)
	}
	return all
}

// serves reports whether the pods run for as long as they are wanted.
func (w workload) serves() bool { return w.selector != nil }

// field is the path of a field of the pod.
func (w workload) field(path string) string {
	if w.at == "" {
		return path
	}
	return w.at + "." + path
}
