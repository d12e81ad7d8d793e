package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
)

// restricted holds the pod against the Pod Security Standard that the namespace enforces.
func (c *checker) restricted(w workload) (faults []fault) {
	at := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	for _, r := range c.security.EvaluatePod(at, &w.pod.ObjectMeta, &w.pod.Spec) {
		if !r.Allowed {
			faults = append(faults, w.faultf(w.field("spec"), "Pod Security restricted: %s (%s)", r.ForbiddenReason, r.ForbiddenDetail))
		}
	}
	return faults
}

// place is a container with the field that it stands in.
type place struct {
	corev1.Container
	at string
}

func (w workload) containers() (all []place) {
	for i, c := range w.pod.Spec.InitContainers {
		all = append(all, place{c, w.field(fmt.Sprintf("spec.initContainers[%d]", i))})
	}
	for i, c := range w.pod.Spec.Containers {
		all = append(all, place{c, w.field(fmt.Sprintf("spec.containers[%d]", i))})
	}
	return all
}

// fixed are tags that nobody moves, and digests.
var fixed = regexp.MustCompile(`^[^:@]+(:[0-9]+/[^:@]+)?(:v?[0-9]+\.[0-9]+\.[0-9]+([-.][0-9A-Za-z.-]+)?(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})$`)

// images demands images that are tomorrow what they are today.
func images(w workload) (faults []fault) {
	for _, c := range w.containers() {
		if !fixed.MatchString(c.Image) {
			faults = append(faults, w.faultf(c.at+".image", "%q has neither a version (v1.2.3) nor a digest: another image may stand there tomorrow", c.Image))
		}
	}
	return faults
}

// resources demands what the scheduler needs to know, memory that is there for certain, and CPU without a limit.
func resources(w workload) (faults []fault) {
	for _, c := range w.containers() {
		r := c.Resources
		if r.Requests.Cpu().IsZero() {
			faults = append(faults, w.faultf(c.at+".resources.requests.cpu", "is missing"))
		}
		if r.Limits.Memory().IsZero() {
			faults = append(faults, w.faultf(c.at+".resources.limits.memory", "is missing"))
		}
		if !r.Requests.Memory().Equal(*r.Limits.Memory()) {
			faults = append(faults, w.faultf(c.at+".resources.requests.memory", "is %s, but the limit is %s: what goes beyond the request may be taken away", r.Requests.Memory(), r.Limits.Memory()))
		}
		if !r.Limits.Cpu().IsZero() {
			faults = append(faults, w.faultf(c.at+".resources.limits.cpu", "is set: it stops the process in the middle of its work; a request is enough"))
		}
	}
	return faults
}

// probes demands all three of a container that serves, on ports that it has, and that none but readiness asks
// what depends on others.
func probes(w workload) (faults []fault) {
	if !w.serves() {
		return nil
	}
	for _, c := range w.containers() {
		for name, p := range map[string]*corev1.Probe{"startupProbe": c.StartupProbe, "livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe} {
			at := c.at + "." + name
			switch {
			case p == nil:
				faults = append(faults, w.faultf(at, "is missing"))
			case p.HTTPGet != nil && !c.listens(p.HTTPGet.Port):
				faults = append(faults, w.faultf(at+".httpGet.port", "%q is no port of the container", p.HTTPGet.Port.String()))
			case p.TCPSocket != nil && !c.listens(p.TCPSocket.Port):
				faults = append(faults, w.faultf(at+".tcpSocket.port", "%q is no port of the container", p.TCPSocket.Port.String()))
			case p.HTTPGet != nil && (p.HTTPGet.Path == "/readyz") != (name == "readinessProbe"):
				faults = append(faults, w.faultf(at+".httpGet.path", "%s is not for this probe: /readyz waits for NATS, which is for readiness alone; the others ask /healthz", p.HTTPGet.Path))
			}
		}
	}
	return faults
}

// listens reports whether the container has the port, by name or number.
func (p place) listens(port intstr.IntOrString) bool {
	for _, has := range p.Ports {
		if port.Type == intstr.String && has.Name == port.StrVal || port.Type == intstr.Int && has.ContainerPort == port.IntVal {
			return true
		}
	}
	return false
}

// confined demands what the standard leaves open: nothing is written to the image, folders that are written to are
// bounded, and nobody asks the API of the cluster.
func confined(w workload) (faults []fault) {
	for _, c := range w.containers() {
		if s := c.SecurityContext; s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem {
			faults = append(faults, w.faultf(c.at+".securityContext.readOnlyRootFilesystem", "is not true"))
		}
	}
	for i, v := range w.pod.Spec.Volumes {
		if v.EmptyDir != nil && v.EmptyDir.SizeLimit == nil {
			faults = append(faults, w.faultf(w.field(fmt.Sprintf("spec.volumes[%d].emptyDir.sizeLimit", i)), "is missing"))
		}
	}
	if t := w.pod.Spec.AutomountServiceAccountToken; t == nil || *t {
		faults = append(faults, w.faultf(w.field("spec.automountServiceAccountToken"), "is not false"))
	}
	return faults
}

// A service stops within GRACE and these seconds for closing (pkg/service); without GRACE it takes the default.
const (
	closing      = 7 * time.Second
	defaultGrace = 20 * time.Second
)

// stopsInTime demands that a pod is not killed while its service finishes what is in hand.
func stopsInTime(w workload) (faults []fault) {
	allowed := 30 * time.Second
	if s := w.pod.Spec.TerminationGracePeriodSeconds; s != nil {
		allowed = time.Duration(*s) * time.Second
	}
	for _, c := range w.containers() {
		if !strings.HasPrefix(c.Image, "erpstream/") || !w.serves() || runs(c.Image) == "sandbox" {
			continue
		}
		grace := defaultGrace
		for i, e := range c.Env {
			if e.Name != "GRACE" {
				continue
			}
			var err error
			if grace, err = time.ParseDuration(e.Value); err != nil {
				faults = append(faults, w.faultf(fmt.Sprintf("%s.env[%d].value", c.at, i), "GRACE is %q, no time such as 20s", e.Value))
			}
		}
		if allowed <= grace+closing {
			faults = append(faults, w.faultf(w.field("spec.terminationGracePeriodSeconds"), "is %s, not more than GRACE (%s) and %s for closing", allowed, grace, closing))
		}
	}
	return faults
}

// runs is the service that an image has: erpstream/sink-mysql:v0.1.0 has sink-mysql, under any registry.
func runs(image string) string {
	name, _, _ := strings.Cut(image, "@")
	name = name[strings.LastIndex(name, "/")+1:]
	name, _, _ = strings.Cut(name, ":")
	return name
}
