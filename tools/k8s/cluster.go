package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// cluster asks a server.
type cluster struct {
	objects  dynamic.Interface
	kinds    discovery.DiscoveryInterface
	mapper   meta.RESTMapper // of the kinds that learn has seen
	warnings *warnings
}

func newCluster(config *rest.Config) (*cluster, error) {
	c := &cluster{warnings: &warnings{}}
	config = rest.CopyConfig(config)
	config.WarningHandler = c.warnings
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	c.kinds = kinds
	if c.objects, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	return c, c.learn()
}

// learn reads which kinds the server has.
func (c *cluster) learn() error {
	groups, err := restmapper.GetAPIGroupResources(c.kinds)
	if err == nil {
		c.mapper = restmapper.NewDiscoveryRESTMapper(groups)
	}
	return err
}

// learnAll waits until the server has those kinds: it names what a definition defines once that is established.
func (c *cluster) learnAll(ctx context.Context, wanted []schema.GroupVersionKind) error {
	var missing error
	err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		if err := c.learn(); err != nil {
			return false, err
		}
		missing = c.knows(wanted)
		return missing == nil, nil
	})
	if ctx.Err() == nil && wait.Interrupted(err) {
		return fmt.Errorf("the server does not serve what was defined: %w", missing)
	}
	return err
}

// knows returns nil when the server has those kinds.
func (c *cluster) knows(wanted []schema.GroupVersionKind) error {
	for _, kind := range wanted {
		if _, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version); err != nil {
			return err
		}
	}
	return nil
}

// apply applies an object, or only has the server say what it would do, and returns what the server has against it:
// a refusal, or warnings. The error says that it was not asked.
func (c *cluster) apply(ctx context.Context, o object, dryRun bool) ([]fault, error) {
	kind := o.GroupVersionKind()
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		return []fault{o.faultf("apiVersion", "the server has no %s", kind)}, nil
	} else if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o.Object)
	if err != nil {
		return nil, err
	}
	options := metav1.PatchOptions{FieldManager: "k8s-verify", FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	var client dynamic.ResourceInterface = c.objects.Resource(mapping.Resource)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		client = c.objects.Resource(mapping.Resource).Namespace(o.namespace())
	}
	_, err = client.Patch(ctx, o.GetName(), types.ApplyPatchType, text, options)
	faults := c.warnings.take(o)
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &status):
		return append(faults, refusal(o, status.Status())...), nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", o, err)
	}
	return faults, nil
}

// namespace is where an object is, as kubectl has it.
func (o object) namespace() string {
	if name := o.GetNamespace(); name != "" {
		return name
	}
	return metav1.NamespaceDefault
}

// What does not fit a kind is named in the middle of a text, in two ways.
var (
	unfit        = regexp.MustCompile(`(?m)(?:\): |^ +)\.(\S+): (.+)$`)
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
)

// refusal is one fault for each field that the server names, or one with its words.
func refusal(o object, said metav1.Status) (faults []fault) {
	if said.Details != nil {
		for _, cause := range said.Details.Causes {
			if cause.Field != "" {
				faults = append(faults, o.faultf(cause.Field, "%s", cause.Message))
			}
		}
	}
	for _, m := range unfit.FindAllStringSubmatch(said.Message, -1) {
		faults = append(faults, o.faultf(m[1], "%s", strings.Replace(m[2], "field not declared in schema", "unknown field", 1)))
	}
	for _, m := range unknownField.FindAllStringSubmatch(said.Message, -1) {
		faults = append(faults, o.faultf(m[1], "unknown field"))
	}
	if len(faults) == 0 {
		faults = append(faults, o.faultf("", "%s", said.Message))
	}
	return faults
}

// warnings keeps what the server warned of until somebody takes it.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader keeps a warning.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// take returns the warnings as faults of the object that they came with.
func (w *warnings) take(o object) (faults []fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.texts {
		faults = append(faults, o.faultf("", "warning: %s", text))
	}
	w.texts = nil
	return faults
}
