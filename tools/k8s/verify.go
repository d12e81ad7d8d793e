package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// runVerify has a real API server take the manifests, and returns the exit code as run does.
func runVerify(ctx context.Context, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet("k8s verify", flag.ContinueOnError)
	flags.SetOutput(errOut)
	root := flags.String("root", ".", "root of the repository")
	apply := flags.Bool("apply", false, "really apply, and list what the server then holds")
	asJSON := flags.Bool("json", false, "print one JSON document at the end")
	flags.Usage = func() {
		fmt.Fprint(errOut, `Usage: k8s verify [-root DIR] [-apply] [-json] [OVERLAY...]

Starts a kube-apiserver and an etcd of its own, gives it the definitions of all custom resources, and has it take
the overlays with those names, or all with deploy/kustomization.yaml and deploy/nats/nack.yaml: each object by a
server-side apply that changes nothing, and a pod of each template, so that Pod Security judges it. Warnings are
faults. First it has to refuse manifests that are wrong. Exit codes: 0 well, 1 faults, 2 wrong usage, or it could
not be verified.

`)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitMisused
	}
	p := printer{out: out, json: *asJSON}
	err := verifyAll(ctx, *root, flags.Args(), *apply, &p)
	if err == nil {
		err = p.end()
	}
	switch {
	case err != nil:
		fmt.Fprintln(errOut, "k8s verify:", err)
		return exitMisused
	case slices.ContainsFunc(p.results, func(r result) bool { return len(r.Faults) > 0 }):
		return exitFaults
	}
	return 0
}

// result is what the server says of one set.
type result struct {
	Name    string  `json:"name"`
	Objects int     `json:"objects"`
	Pods    int     `json:"pods"`
	Faults  []fault `json:"faults"`
	Holds   []held  `json:"holds,omitempty"`
}

// set is what is verified as one.
type set struct {
	name   string
	render func() ([]object, error)
}

// sets are the named overlays; without names all, and what is shipped beside them.
func sets(root string, names []string) (all []set, err error) {
	folders, err := overlays(root, names)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		folders = append(folders, filepath.Join(root, "deploy"))
		nack := filepath.Join(root, "deploy", "nats", "nack.yaml")
		all = append(all, set{rel(root, nack), func() ([]object, error) { return readObjects(nack) }})
	}
	for _, folder := range folders {
		all = append(all, set{rel(root, folder), func() ([]object, error) { return build(folder) }})
	}
	slices.SortFunc(all, func(a, b set) int { return cmp.Compare(a.name, b.name) })
	return all, nil
}

// verifyAll has a server take all sets, and prints what it says of each. The error says why it was not asked.
func verifyAll(ctx context.Context, root string, names []string, apply bool, p *printer) (err error) {
	all, err := sets(root, names)
	if err != nil {
		return err
	}
	types, err := newSchemas(nil)
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := startServer(ctx, root)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.dead(), s.stop()) }()
	c, err := newCluster(s.config)
	if err != nil {
		return err
	}
	v := verifier{cluster: c, types: types, dryRun: !apply}
	if err := v.install(ctx); err != nil {
		return err
	}
	version, err := c.kinds.ServerVersion()
	if err != nil {
		return err
	}
	if err := v.selfTest(ctx); err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	p.begin(version.GitVersion, time.Since(began))
	for _, one := range all {
		r, err := v.verify(ctx, one)
		if err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
		p.result(r)
	}
	return nil
}

// verifier has a server take manifests.
type verifier struct {
	*cluster
	types  schemas
	dryRun bool
}

// verify has the server take one set, and a pod of each of its templates.
func (v verifier) verify(ctx context.Context, one set) (result, error) {
	r := result{Name: one.name, Faults: []fault{}}
	objects, err := one.render()
	if err != nil {
		r.Faults = append(r.Faults, fault{text: err.Error()})
		return r, nil //nolint:nilerr // a fault of the set; the verification goes on
	}
	r.Objects = len(objects)
	if r.Faults, err = v.applyAll(ctx, objects); err != nil {
		return r, err
	}
	for _, w := range v.workloads(objects) {
		pod, err := podOf(w)
		if err != nil {
			return r, err
		}
		faults, err := v.apply(ctx, pod, true)
		if err != nil {
			return r, err
		}
		r.Pods++
		r.Faults = append(r.Faults, faults...)
	}
	if !v.dryRun {
		r.Holds, err = v.holds(ctx, objects)
	}
	return r, err
}

// applyAll has the server take objects. Namespaces and definitions are really there afterwards: it could not judge
// what needs them.
func (v verifier) applyAll(ctx context.Context, objects []object) ([]fault, error) {
	faults := []fault{}
	for _, o := range inOrder(objects) {
		more, err := v.apply(ctx, o, v.dryRun && rank(o) == last)
		if err != nil {
			return nil, err
		}
		faults = append(faults, more...)
	}
	return faults, nil
}

// last is the rank of what nothing else needs.
const last = 2

// rank says when an object is applied: before those of a higher rank.
func rank(o object) int {
	switch o.GetKind() {
	case "Namespace":
		return 0
	case "CustomResourceDefinition":
		return 1
	}
	return last
}

// inOrder returns objects as they are applied.
func inOrder(objects []object) []object {
	return slices.SortedStableFunc(slices.Values(objects), func(a, b object) int { return cmp.Compare(rank(a), rank(b)) })
}

// workloads returns the objects that make pods. What is wrong with their types the server says.
func (v verifier) workloads(objects []object) []workload {
	for i := range objects {
		v.types.check(&objects[i])
	}
	return workloads(objects)
}

// podOf is a pod as it would be made of the template of a workload, with all that stands in there.
func podOf(w workload) (object, error) {
	if w.at == "" {
		return w.object, nil
	}
	template, _, err := unstructured.NestedMap(w.Object, strings.Split(w.at, ".")...)
	if err != nil {
		return object{}, fmt.Errorf("%s: %w", w, err)
	}
	pod := object{Unstructured: unstructured.Unstructured{Object: template}}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetName(strings.ToLower(w.GetKind()) + "-" + w.GetName())
	pod.SetNamespace(w.GetNamespace())
	return pod, nil
}

// install gives the server the definitions of all custom resources, and waits until it knows them.
func (v verifier) install(ctx context.Context) error {
	definitions, err := readDefinitions(ctx)
	if err != nil {
		return err
	}
	for _, o := range definitions {
		// What others published may be warned of.
		if faults, err := v.apply(ctx, o, false); err != nil {
			return err
		} else if i := slices.IndexFunc(faults, func(f fault) bool { return !strings.HasPrefix(f.text, "warning: ") }); i >= 0 {
			return errors.New(faults[i].String())
		}
	}
	return v.learnAll(ctx, served(definitions))
}

// printer prints results as they come, or one document in the end.
type printer struct {
	out     io.Writer
	json    bool
	version string
	results []result
}

func (p *printer) begin(version string, took time.Duration) {
	p.version = version
	if !p.json {
		fmt.Fprintf(p.out, "kube-apiserver %s after %.1fs: knows all custom resources, has refused %d wrong manifests\n", version, took.Seconds(), len(trials))
	}
}

func (p *printer) result(r result) {
	p.results = append(p.results, r)
	if p.json {
		return
	}
	report(p.out, r.Name, fmt.Sprintf("%d objects, %d pods", r.Objects, r.Pods), r.Faults)
	for _, h := range r.Holds {
		h.print(p.out)
	}
}

func (p *printer) end() error {
	if !p.json {
		return nil
	}
	encoder := json.NewEncoder(p.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Kubernetes string   `json:"kubernetes"`
		Sets       []result `json:"sets"`
	}{p.version, p.results})
}

// MarshalJSON is for those who read -json.
func (f fault) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Object string `json:"object,omitempty"`
		Field  string `json:"field,omitempty"`
		Text   string `json:"text"`
	}{f.object, f.field, f.text})
}
