package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// schemas knows the shape of every kind that may stand in an overlay.
type schemas struct {
	types runtime.Decoder
	crds  map[schema.GroupVersionKind]*spec.Schema
}

func newSchemas(crds map[schema.GroupVersionKind]*spec.Schema) (schemas, error) {
	scheme := runtime.NewScheme()
	var errs []error
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, autoscalingv2.AddToScheme, batchv1.AddToScheme, corev1.AddToScheme, monitoringv1.AddToScheme,
		networkingv1.AddToScheme, policyv1.AddToScheme, rbacv1.AddToScheme,
	} {
		errs = append(errs, add(scheme))
	}
	return schemas{types: serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer(), crds: crds}, errors.Join(errs...)
}

// check says what of an object is not as its kind has it, and gives it its type where it has one.
func (s schemas) check(o *object) []fault {
	if known := s.crds[o.GroupVersionKind()]; known != nil {
		return checkCustom(*o, known)
	}
	text, err := json.Marshal(o.Object)
	if err != nil {
		return []fault{o.faultf("", "%v", err)}
	}
	typed, _, err := s.types.Decode(text, nil, nil)
	switch {
	case runtime.IsNotRegisteredError(err):
		return []fault{o.faultf("apiVersion", "%s has no schema here: add it to tools/k8s, or correct apiVersion and kind", o.GroupVersionKind())}
	case err != nil && runtime.IsStrictDecodingError(err):
		o.typed = typed
		return strictFaults(*o, err)
	case err != nil:
		return []fault{o.faultf("", "%v", err)}
	}
	o.typed = typed
	return nil
}

// strictFaults is one fault for each field that the type does not have.
func strictFaults(o object, err error) (faults []fault) {
	strict, ok := runtime.AsStrictDecodingError(err)
	if !ok {
		return []fault{o.faultf("", "%v", err)}
	}
	for _, one := range strict.Errors() {
		what, field, found := strings.Cut(one.Error(), ` "`)
		if !found {
			faults = append(faults, o.faultf("", "%v", one))
			continue
		}
		faults = append(faults, o.faultf(strings.TrimSuffix(field, `"`), "%s", what))
	}
	return faults
}

// checkCustom holds a custom resource against the schema of its definition.
func checkCustom(o object, known *spec.Schema) (faults []fault) {
	for _, field := range unknown(o.Object, known, "") {
		faults = append(faults, o.faultf(field, "unknown field"))
	}
	result := validate.NewSchemaValidator(known, nil, "", strfmt.Default).Validate(o.Object)
	for _, err := range result.Errors {
		faults = append(faults, o.faultf("", "%v", err))
	}
	return faults
}

// ofServer are the fields that every object has, whatever the schema of its kind says.
var ofServer = []string{"apiVersion", "kind", "metadata"}

// unknown returns the fields of a value that its schema does not have: those that the API server would drop.
func unknown(value any, s *spec.Schema, at string) (fields []string) {
	if keeps, _ := s.Extensions.GetBool("x-kubernetes-preserve-unknown-fields"); keeps {
		return nil
	}
	switch v := value.(type) {
	case map[string]any:
		for name, child := range v {
			path := strings.TrimPrefix(at+"."+name, ".")
			switch of, ok := s.Properties[name]; {
			case at == "" && slices.Contains(ofServer, name):
			case ok:
				fields = append(fields, unknown(child, &of, path)...)
			case s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil:
				fields = append(fields, unknown(child, s.AdditionalProperties.Schema, path)...)
			case s.AdditionalProperties == nil || !s.AdditionalProperties.Allows:
				fields = append(fields, path)
			}
		}
	case []any:
		for i, child := range v {
			if s.Items != nil && s.Items.Schema != nil {
				fields = append(fields, unknown(child, s.Items.Schema, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	}
	slices.Sort(fields)
	return fields
}
