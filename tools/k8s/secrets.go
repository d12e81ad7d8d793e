package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// joined is a list for people.
func joined(names []string) string { return strings.Join(names, ", ") }

// tagOf is the tag of an image, or its digest where it has none.
func tagOf(image string) string {
	name, digest, _ := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[i+1:]
	}
	return digest
}

// mounts are the Secrets that pods mount, with a workload that does.
func (o overlay) mounts() map[string]workload {
	by := map[string]workload{}
	for _, w := range o.workloads {
		for _, v := range w.pod.Spec.Volumes {
			if v.Secret != nil {
				by[v.Secret.SecretName] = w
			}
		}
	}
	return by
}

// secrets demands, where Secrets come from a store, that each one that is mounted does and none is for nobody.
// Those of certificates come from whoever signs them.
func secrets(o overlay) (faults []fault) {
	fetched := map[string]object{}
	for _, each := range o.objects {
		if each.GetKind() == "ExternalSecret" {
			name, _, _ := unstructured.NestedString(each.Object, "spec", "target", "name")
			fetched[cmp.Or(name, each.GetName())] = each
		}
	}
	mounted := o.mounts()
	for _, name := range slices.Sorted(maps.Keys(mounted)) {
		if _, ok := fetched[name]; !ok && len(fetched) > 0 && !strings.HasSuffix(name, "-tls") {
			faults = append(faults, mounted[name].faultf("spec.template.spec.volumes", "no ExternalSecret makes the Secret %s", name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fetched)) {
		if _, ok := mounted[name]; !ok {
			faults = append(faults, fetched[name].faultf("", "no pod mounts the Secret %s", name))
		}
	}
	return faults
}

// scaled demands of a ScaledObject that its target is there, and of the target that it leaves the number of
// replicas alone: each apply would else undo what was scaled.
func scaled(o overlay) (faults []fault) {
	for _, each := range o.objects {
		if each.GetKind() != "ScaledObject" {
			continue
		}
		kind, _, _ := unstructured.NestedString(each.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(each.Object, "spec", "scaleTargetRef", "name")
		target := fmt.Sprintf("%s/%s", cmp.Or(kind, "Deployment"), name)
		i := slices.IndexFunc(o.workloads, func(w workload) bool { return w.String() == target })
		switch {
		case i < 0:
			faults = append(faults, each.faultf("spec.scaleTargetRef", "there is no %s", target))
		case o.workloads[i].replicas != nil:
			faults = append(faults, o.workloads[i].faultf("spec.replicas", "is set, though %s scales it: each apply would undo that; components/keda stands behind what sets replicas", each))
		}
	}
	return faults
}
