package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// held is what a server holds in a namespace.
type held struct {
	Namespace string         `json:"namespace"`
	Counts    map[string]int `json:"counts"` // by kind
	Objects   []heldObject   `json:"objects"`
}

// heldObject is one object; what makes pods says of what they are made.
type heldObject struct {
	Kind       string          `json:"kind"`
	Name       string          `json:"name"`
	Replicas   *int32          `json:"replicas,omitempty"`
	Containers []heldContainer `json:"containers,omitempty"`
}

// heldContainer is a container in short; requests and limits are quantities, - where there is none.
type heldContainer struct {
	Name   string   `json:"name"`
	Image  string   `json:"image"`
	CPU    string   `json:"cpu"`
	Memory string   `json:"memory"`
	Probes []string `json:"probes,omitempty"`
}

// holds lists the namespaces that objects are in.
func (v verifier) holds(ctx context.Context, objects []object) (all []held, err error) {
	names := map[string]bool{}
	for _, o := range objects {
		if rank(o) == last {
			names[o.namespace()] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found, err := v.list(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, v.inShort(name, found))
	}
	return all, nil
}

// list returns all objects of a namespace, by kind and name.
func (c *cluster) list(ctx context.Context, namespace string) (found []object, err error) {
	kinds, err := discovery.ServerPreferredNamespacedResources(c.kinds)
	if err != nil {
		return nil, err
	}
	listed, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, kinds))
	if err != nil {
		return nil, err
	}
	for _, kind := range slices.SortedFunc(maps.Keys(listed), func(a, b schema.GroupVersionResource) int { return strings.Compare(a.String(), b.String()) }) {
		page, err := c.objects.Resource(kind).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			found = append(found, object{Unstructured: item})
		}
	}
	slices.SortStableFunc(found, func(a, b object) int { return strings.Compare(a.String(), b.String()) })
	return found, nil
}

// inShort is what an operator wants to see of objects.
func (v verifier) inShort(namespace string, objects []object) held {
	h := held{Namespace: namespace, Counts: map[string]int{}}
	makers := map[string]workload{}
	for _, w := range v.workloads(objects) {
		makers[w.String()] = w
	}
	for _, o := range objects {
		short := heldObject{Kind: o.GetKind(), Name: o.GetName()}
		if w, ok := makers[o.String()]; ok {
			short.Replicas = w.replicas
			for _, c := range w.containers() {
				short.Containers = append(short.Containers, containerInShort(c.Container))
			}
		}
		h.Counts[o.GetKind()]++
		h.Objects = append(h.Objects, short)
	}
	return h
}

func containerInShort(c corev1.Container) heldContainer {
	short := heldContainer{Name: c.Name, Image: c.Image}
	amount := func(name corev1.ResourceName, of corev1.ResourceList) string {
		if q, ok := of[name]; ok {
			return q.String()
		}
		return "-"
	}
	short.CPU = amount(corev1.ResourceCPU, c.Resources.Requests) + "/" + amount(corev1.ResourceCPU, c.Resources.Limits)
	short.Memory = amount(corev1.ResourceMemory, c.Resources.Requests) + "/" + amount(corev1.ResourceMemory, c.Resources.Limits)
	for _, p := range []struct {
		name string
		*corev1.Probe
	}{{"startup", c.StartupProbe}, {"liveness", c.LivenessProbe}, {"readiness", c.ReadinessProbe}} {
		if p.Probe != nil && p.HTTPGet != nil {
			p.name += " " + p.HTTPGet.Path
		}
		if p.Probe != nil {
			short.Probes = append(short.Probes, p.name)
		}
	}
	return short
}

// print prints an object in a line, and each of its containers.
func (h held) print(out io.Writer) {
	fmt.Fprintf(out, "      namespace %s holds\n", h.Namespace)
	for _, o := range h.Objects {
		fmt.Fprintf(out, "      %s/%s", o.Kind, o.Name)
		if o.Replicas != nil {
			fmt.Fprintf(out, ", replicas: %d", *o.Replicas)
		}
		fmt.Fprintln(out)
		for _, c := range o.Containers {
			fmt.Fprintf(out, "        %s: %s, cpu %s, memory %s", c.Name, c.Image, c.CPU, c.Memory)
			if len(c.Probes) > 0 {
				fmt.Fprintf(out, ", probes: %s", joined(c.Probes))
			}
			fmt.Fprintln(out)
		}
	}
	var counts []string
	for _, kind := range slices.Sorted(maps.Keys(h.Counts)) {
		counts = append(counts, fmt.Sprintf("%s %d", kind, h.Counts[kind]))
	}
	fmt.Fprintf(out, "      in all %d: %s\n", len(h.Objects), joined(counts))
}
