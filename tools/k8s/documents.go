package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// notDeployed are services that are not in every overlay: the imitation, and the command that is the Job's.
var notDeployed = []string{"sandbox", "erpstream"}

// complete demands a workload for every service of the tree.
func (c *checker) complete(_ context.Context, o overlay) (faults []fault, err error) {
	mains, err := filepath.Glob(filepath.Join(c.root, "services", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		return nil, errors.Join(err, fmt.Errorf("no services in %s", filepath.Join(c.root, "services")))
	}
	for _, file := range mains {
		service := filepath.Base(filepath.Dir(file))
		if !slices.Contains(notDeployed, service) && !slices.ContainsFunc(o.workloads, func(w workload) bool {
			return slices.ContainsFunc(w.containers(), func(p place) bool { return runs(p.Image) == service })
		}) {
			faults = append(faults, fault{object: "service " + service, text: "has no Deployment: make k8s/base/" + service + ", and name its image in the overlay"})
		}
	}
	return faults, nil
}

// documents demands that what the Job applies can be applied: erpstream checks it; nothing leads to the sandbox of
// one machine; every document of deploy/config is there; and the secrets of a connection are mounted where it is used
// and nowhere else.
func (c *checker) documents(ctx context.Context, o overlay) (faults []fault, err error) {
	for _, each := range o.objects {
		m, ok := each.typed.(*corev1.ConfigMap)
		if !ok || !strings.HasPrefix(each.GetName(), "erpstream-config") {
			continue
		}
		unchecked, err := c.flowCheck(ctx, each, m.Data)
		if err != nil {
			return nil, err
		}
		missing, err := c.shipped(each, m.Data)
		if err != nil {
			return nil, err
		}
		set := readSet(each, m.Data, &faults)
		faults = slices.Concat(faults, unchecked, missing, o.connections(set))
	}
	return faults, nil
}

// flowCheck has erpstream check the documents, equal ones once.
func (c *checker) flowCheck(ctx context.Context, each object, files map[string]string) (faults []fault, err error) {
	content, err := json.Marshal(files)
	if err != nil {
		return nil, err
	}
	verdict, ok := c.verdicts[string(content)]
	if !ok {
		if verdict, err = c.runFlowCheck(ctx, files); err != nil {
			return nil, err
		}
		c.verdicts[string(content)] = verdict
	}
	if verdict != "" {
		faults = append(faults, each.faultf("data", "%s", verdict))
	}
	return faults, nil
}

// runFlowCheck returns what erpstream says of documents that are wrong.
func (c *checker) runFlowCheck(ctx context.Context, files map[string]string) (verdict string, err error) {
	folder, err := os.MkdirTemp("", "erpstream-config")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			return "", err
		}
	}
	text, err := c.help.run(ctx, "erpstream", "flow", "check", folder)
	if err == nil {
		return "", nil
	}
	return "erpstream flow check: " + strings.ReplaceAll(cmp.Or(text, err.Error()), folder+string(filepath.Separator), ""), nil
}

// shipped demands every document below deploy/config that is no test.
func (c *checker) shipped(each object, files map[string]string) (faults []fault, err error) {
	found, err := filepath.Glob(filepath.Join(c.root, "deploy", "config", "*", "*"))
	for _, file := range found {
		name := filepath.Base(file)
		if _, ok := files[name]; !ok && !strings.HasSuffix(name, ".tests.yaml") {
			faults = append(faults, each.faultf("data", "%s is missing: name it in deploy/kustomization.yaml", rel(c.root, file)))
		}
	}
	return faults, err
}

// document is what matters here of a connection, a source or a flow.
type document struct {
	Connection string `json:"connection"`
	System     string `json:"system"`
	Endpoint   string `json:"endpoint"`
	Source     string `json:"source"`
	Flow       string `json:"flow"`
	Target     struct {
		Kind       string `json:"kind"`
		Connection string `json:"connection"`
	} `json:"target"`
}

// readSet reads all documents of a ConfigMap.
func readSet(each object, files map[string]string, faults *[]fault) (all []document) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for text := range strings.SplitSeq(files[name], "\n---") {
			var d document
			if err := yaml.Unmarshal([]byte(text), &d); err != nil {
				*faults = append(*faults, each.faultf("data", "%s: %v", name, err))
				continue
			}
			if d.System != "" && d.Endpoint == "sandbox" {
				*faults = append(*faults, each.faultf("data", "%s: connection %s leads to the sandbox of one machine, which only `erpstream up` has", name, d.Connection))
			}
			all = append(all, d)
		}
	}
	return all
}

// pollers names the poller of the systems that are not served by one of their own name.
var pollers = map[string]string{"kis": "kingdee"}

// keyless are the sinks that need no secret of the connection that they write to.
var keyless = []string{"sink-reference"}

// connections demands the secrets of each connection in the services that use it, and in no others.
func (o overlay) connections(set []document) (faults []fault) {
	systems, uses := map[string]string{}, map[string]map[string]bool{}
	use := func(service, connection string) {
		if uses[service] == nil {
			uses[service] = map[string]bool{}
		}
		uses[service][connection] = true
	}
	for _, d := range set {
		if d.System != "" {
			systems[d.Connection] = d.System
		}
	}
	for _, d := range set {
		switch {
		case d.Source != "":
			system := systems[d.Connection]
			if by := pollers[system]; by != "" {
				system = by
			}
			use("poller-"+system, d.Connection)
		case d.Flow != "" && !slices.Contains(keyless, "sink-"+d.Target.Kind):
			use("sink-"+d.Target.Kind, d.Target.Connection)
		}
	}
	for _, w := range o.workloads {
		faults = append(faults, w.mountsOnly(uses[runs(w.containers()[0].Image)])...)
	}
	return faults
}

// secretsDir is where services look for the secrets of connections.
const secretsDir = "/etc/erpstream/secrets/"

// mountsOnly demands the secrets of those connections, at their places.
func (w workload) mountsOnly(wanted map[string]bool) (faults []fault) {
	secretOf, mounted := map[string]string{}, map[string]bool{}
	for _, v := range w.pod.Spec.Volumes {
		if v.Secret != nil {
			secretOf[v.Name] = v.Secret.SecretName
		}
	}
	for _, c := range w.containers() {
		for _, m := range c.VolumeMounts {
			connection, ok := strings.CutPrefix(m.MountPath, secretsDir)
			if !ok {
				continue
			}
			mounted[connection] = true
			if !wanted[connection] {
				faults = append(faults, w.faultf(c.at+".volumeMounts", "has the secrets of connection %s, which it does not use", connection))
			}
			if name := secretOf[m.Name]; name != "connection-"+connection && !strings.HasPrefix(name, "connection-"+connection+"-") {
				faults = append(faults, w.faultf(c.at+".volumeMounts", "%s has the Secret %q, not connection-%s", m.MountPath, name, connection))
			}
		}
	}
	for _, connection := range slices.Sorted(maps.Keys(wanted)) {
		if !mounted[connection] {
			faults = append(faults, w.faultf(w.field("spec.volumes"), "the Secret connection-%s is not mounted at %s%s, though it uses that connection", connection, secretsDir, connection))
		}
	}
	return faults
}
