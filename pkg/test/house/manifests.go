//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// object is what is used of a rendered manifest, of whatever kind.
type object struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Data map[string]string
	Spec struct {
		// Of Deployments and Jobs.
		Replicas *int
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
		BackoffLimit int
		// Of ScaledObjects.
		MinReplicaCount int
		ScaleTargetRef  struct{ Name string }
		policy
	}
}

// podSpec is what is used of a pod's template.
type podSpec struct {
	InitContainers, Containers []container
	Volumes                    []struct {
		Name      string
		Secret    *struct{ SecretName string }
		ConfigMap *struct{ Name string }
	}
	SecurityContext struct{ RunAsUser, RunAsGroup, FSGroup int }
}

type container struct {
	Name, Image string
	Args        []string
	Env         []struct {
		Name, Value string
		ValueFrom   struct {
			FieldRef         struct{ FieldPath string }
			ResourceFieldRef struct{ Resource string }
		}
	}
	Ports []struct {
		Name          string
		ContainerPort int
	}
	ReadinessProbe *struct{ HTTPGet struct{ Path, Port string } }
	Resources      struct{ Limits struct{ Memory string } }
	VolumeMounts   []struct{ Name, MountPath string }
}

// readManifests reads the objects of an overlay, one after the other.
func readManifests(path string) ([]object, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var all []object
	dec := json.NewDecoder(file)
	for {
		var o object
		err := dec.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, o)
	}
}

// of returns the objects of a kind.
func of(kind string, all []object) []object {
	var found []object
	for _, o := range all {
		if o.Kind == kind {
			found = append(found, o)
		}
	}
	return found
}

// replicas is how many pods a Deployment has: as many as it says, or the fewest that KEDA leaves it.
func replicas(deployment object, all []object) int {
	if deployment.Spec.Replicas != nil {
		return *deployment.Spec.Replicas
	}
	for _, scaled := range of("ScaledObject", all) {
		if scaled.Spec.ScaleTargetRef.Name == deployment.Metadata.Name {
			return scaled.Spec.MinReplicaCount
		}
	}
	return 1
}

// service is the image's name without registry and tag.
func (c container) service() string {
	name, _, _ := strings.Cut(c.Image, ":")
	return name[strings.LastIndex(name, "/")+1:]
}

// environment is the container's, as the kubelet resolves it.
func (c container) environment(pod string) ([]string, error) {
	var env []string
	for _, e := range c.Env {
		value := e.Value
		switch {
		case e.ValueFrom.FieldRef.FieldPath == "metadata.name":
			value = pod
		case e.ValueFrom.ResourceFieldRef.Resource == "limits.memory":
			bytes, err := c.memory()
			if err != nil {
				return nil, err
			}
			value = strconv.Itoa(bytes)
		case value == "":
			return nil, fmt.Errorf("%s: variable %s comes from where this program doesn't look", c.Name, e.Name)
		}
		env = append(env, e.Name+"="+value)
	}
	return env, nil
}

// memory is the limit in bytes.
func (c container) memory() (int, error) {
	text, ok := strings.CutSuffix(c.Resources.Limits.Memory, "Mi")
	mebi, err := strconv.Atoi(text)
	if err != nil || !ok {
		return 0, fmt.Errorf("%s: limit of memory %q: want it in Mi", c.Name, c.Resources.Limits.Memory)
	}
	return mebi << 20, nil
}

// port is the number of a port of the container's by its name.
func (s podSpec) port(name string) int {
	for _, p := range s.Containers[0].Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}

// files are those that the volumes of a container put into its root, by path. stored are ConfigMaps and Secrets.
func (s podSpec) files(c container, stored map[string]map[string]string) (map[string]string, error) {
	files := map[string]string{}
	for _, mount := range c.VolumeMounts {
		for _, v := range s.Volumes {
			if v.Name != mount.Name {
				continue
			}
			name := ""
			switch {
			case v.Secret != nil:
				name = v.Secret.SecretName
			case v.ConfigMap != nil:
				name = v.ConfigMap.Name
			}
			if len(stored[name]) == 0 {
				return nil, fmt.Errorf("volume %s: there is no Secret or ConfigMap %q", v.Name, name)
			}
			for key, text := range stored[name] {
				files[mount.MountPath+"/"+key] = text
			}
		}
	}
	return files, nil
}
