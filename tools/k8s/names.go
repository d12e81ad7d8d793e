package main

import (
	"maps"
	"slices"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/parser"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const labelPrefix = "app.kubernetes.io/"

// podLabels demands the recommended labels of what makes pods and of its pods.
func podLabels(w workload) (faults []fault) {
	for at, have := range map[string]map[string]string{"metadata.labels": w.GetLabels(), w.field("metadata.labels"): w.pod.Labels} {
		for _, name := range []string{"name", "instance", "version", "component", "part-of", "managed-by"} {
			if have[labelPrefix+name] == "" {
				faults = append(faults, w.faultf(at, "%s%s is missing", labelPrefix, name))
			}
		}
	}
	return faults
}

// labels demands of every object that it says what it belongs to.
func labels(o overlay) (faults []fault) {
	for _, each := range o.objects {
		for _, name := range []string{"instance", "part-of", "managed-by"} {
			if each.GetLabels()[labelPrefix+name] == "" {
				faults = append(faults, each.faultf("metadata.labels", "%s%s is missing", labelPrefix, name))
			}
		}
	}
	return faults
}

// selectors demands that what selects pods finds some, and that a workload finds its own alone.
func selectors(o overlay) (faults []fault) {
	for _, w := range o.workloads {
		if w.serves() {
			faults = append(faults, o.owns(w)...)
		}
	}
	for _, each := range o.objects {
		switch t := each.typed.(type) {
		case *corev1.Service:
			faults = append(faults, o.service(each, t)...)
		case *policyv1.PodDisruptionBudget:
			if n := len(o.selected(t.Spec.Selector)); n != 1 {
				faults = append(faults, each.faultf("spec.selector", "finds the pods of %d workloads, not of one", n))
			}
		}
	}
	return faults
}

// owns holds the selectors of a workload against the labels of its pods.
func (o overlay) owns(w workload) (faults []fault) {
	found := o.selected(w.selector)
	if len(found) != 1 || found[0].String() != w.String() {
		faults = append(faults, w.faultf("spec.selector", "finds the pods of %v, not its own alone", found))
	}
	for _, spread := range w.pod.Spec.TopologySpreadConstraints {
		if !slices.ContainsFunc(o.selected(spread.LabelSelector), func(s workload) bool { return s.String() == w.String() }) {
			faults = append(faults, w.faultf(w.field("spec.topologySpreadConstraints"), "the selector by %s does not find the pods that it is to spread", spread.TopologyKey))
		}
	}
	return faults
}

// service demands pods behind a Service, and containers of theirs behind its ports.
func (o overlay) service(each object, s *corev1.Service) (faults []fault) {
	found := o.selected(&metav1.LabelSelector{MatchLabels: s.Spec.Selector})
	if len(found) != 1 {
		faults = append(faults, each.faultf("spec.selector", "finds the pods of %d workloads, not of one", len(found)))
	}
	for _, w := range found {
		for _, port := range s.Spec.Ports {
			target := port.TargetPort
			if target == (intstr.IntOrString{}) {
				target = intstr.FromInt32(port.Port)
			}
			if !w.listens(target) {
				faults = append(faults, each.faultf("spec.ports", "%s leads to %s, which no container of %s has", port.Name, target.String(), w))
			}
		}
	}
	return faults
}

// selected are the workloads whose pods a selector finds.
func (o overlay) selected(by *metav1.LabelSelector) (found []workload) {
	selector, err := metav1.LabelSelectorAsSelector(by)
	if err != nil {
		return nil
	}
	for _, w := range o.workloads {
		if selector.Matches(k8slabels.Set(w.pod.Labels)) {
			found = append(found, w)
		}
	}
	return found
}

// listens reports whether a container of the pods has the port.
func (w workload) listens(port intstr.IntOrString) bool {
	return slices.ContainsFunc(w.containers(), func(c place) bool { return c.listens(port) })
}

// policies demands that every value that a NetworkPolicy selects by is that of some pod, for a misspelt one
// would close silently what it should open, and that named ports are there.
func policies(o overlay) (faults []fault) {
	for _, each := range o.objects {
		p, ok := each.typed.(*networkingv1.NetworkPolicy)
		if !ok {
			continue
		}
		found := o.selected(&p.Spec.PodSelector)
		if len(found) == 0 {
			faults = append(faults, each.faultf("spec.podSelector", "finds no pod"))
		}
		for _, e := range p.Spec.PodSelector.MatchExpressions {
			for _, value := range e.Values {
				if !slices.ContainsFunc(o.workloads, func(w workload) bool { return w.pod.Labels[e.Key] == value }) {
					faults = append(faults, each.faultf("spec.podSelector.matchExpressions", "no pod has %s=%s", e.Key, value))
				}
			}
		}
		for _, in := range p.Spec.Ingress {
			for _, port := range in.Ports {
				if port.Port != nil && port.Port.Type == intstr.String && !slices.ContainsFunc(found, func(w workload) bool { return w.listens(*port.Port) }) {
					faults = append(faults, each.faultf("spec.ingress", "no pod that it selects has a port %s", port.Port.StrVal))
				}
			}
		}
	}
	return faults
}

// monitors demands pods, and ports of theirs, behind what Prometheus is to scrape.
func monitors(o overlay) (faults []fault) {
	for _, each := range o.objects {
		m, ok := each.typed.(*monitoringv1.PodMonitor)
		if !ok {
			continue
		}
		found := o.selected(&m.Spec.Selector)
		if len(found) == 0 {
			faults = append(faults, each.faultf("spec.selector", "finds no pod"))
		}
		for _, w := range found {
			for i, e := range m.Spec.PodMetricsEndpoints {
				if e.Port == nil || !w.listens(intstr.FromString(*e.Port)) {
					faults = append(faults, each.faultf("spec.podMetricsEndpoints", "%d: %s has no such port", i, w))
				}
			}
		}
	}
	return faults
}

// alerts demands expressions that Prometheus can read.
func alerts(o overlay) (faults []fault) {
	for _, each := range o.objects {
		r, ok := each.typed.(*monitoringv1.PrometheusRule)
		if !ok {
			continue
		}
		for _, group := range r.Spec.Groups {
			for _, rule := range group.Rules {
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(rule.Expr.String()); err != nil {
					faults = append(faults, each.faultf("spec.groups", "%s: %v", rule.Alert+rule.Record, err))
				}
			}
		}
	}
	return faults
}

// oneVersion demands one release of all services, and the label that says which.
func oneVersion(o overlay) (faults []fault) {
	tags := map[string]bool{}
	for _, w := range o.workloads {
		for _, c := range w.containers() {
			tag := tagOf(c.Image)
			tags[tag] = true
			if label := w.pod.Labels[labelPrefix+"version"]; label != tag {
				faults = append(faults, w.faultf(w.field("metadata.labels"), "%sversion is %q, but the image of %s is %q", labelPrefix, label, c.Name, tag))
			}
		}
	}
	if len(tags) > 1 {
		faults = append(faults, fault{field: "images", text: "more than one release: " + joined(slices.Sorted(maps.Keys(tags)))})
	}
	return faults
}
