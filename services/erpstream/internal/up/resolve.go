package up

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/erpstream/erpstream/pkg/flow"
)

// sandboxSecret is the app secret that the sandbox knows. It protects nothing.
const sandboxSecret = "sandbox-secret-0001"

var sandboxLine = regexp.MustCompile(`(?m)^endpoint:[ \t]*["']?sandbox["']?`)

// resolve puts the addresses of what runs here in the place of `sandbox`, and writes the secrets
// that belong to them.
func (m *machine) resolve() ([]flow.Document, error) {
	docs := slices.Clone(m.Documents)
	for i, d := range docs {
		if d.Connection == nil || !d.Connection.Sandbox() {
			continue
		}
		endpoint, secrets, err := m.sandboxOf(*d.Connection)
		if err != nil {
			return nil, err
		}
		text := sandboxLine.ReplaceAllLiteralString(d.Text, "endpoint: "+endpoint)
		if docs[i], err = flow.ParseStored(d.Kind, d.Name, []byte(text)); err != nil {
			return nil, fmt.Errorf("%s: connection %s with the sandbox's address: %w", d.File, d.Name, err)
		}
		for field, value := range secrets {
			if err := writeSecret(filepath.Join(m.Secrets, d.Name, field), value); err != nil {
				return nil, err
			}
		}
	}
	return docs, nil
}

// sandboxOf returns where the sandbox of a system is, and how to sign in.
func (m *machine) sandboxOf(c flow.Connection) (endpoint string, secrets map[string]string, err error) {
	switch c.System {
	case "mysql":
		return m.db.endpoint(), map[string]string{"user": m.db.User, "password": m.db.Passwd}, nil
	case "jushuitan":
		u, err := url.Parse(m.sandbox)
		if err != nil {
			return "", nil, err
		}
		return "http://" + u.Host, map[string]string{"app_secret": sandboxSecret}, nil
	default:
		return "", nil, fmt.Errorf("connection %s: the sandbox has no %s", c.Name, c.System)
	}
}

// writeSecret writes a secret file; an empty secret is no file.
func writeSecret(path, value string) error {
	if value == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(value), 0o600)
}

// startServices starts a child for each service that the configuration needs.
func (m *machine) startServices(context.Context) error {
	m.services = needed(m.set)
	var children []*child
	for i, name := range m.services {
		listen, err := m.address(servicePorts + i)
		if err != nil {
			return err
		}
		secrets, err := filepath.Abs(m.Secrets)
		if err != nil {
			return err
		}
		c, err := m.newChild(name, nil, []string{"NATS_URL=" + m.natsURL, "SECRETS_DIR=" + secrets, "LISTEN=" + listen})
		if err != nil {
			return err
		}
		children = append(children, c)
	}
	m.start(children...)
	return nil
}

// needed names the services that a configuration needs.
func needed(set flow.Set) []string {
	names := map[string]bool{}
	for _, s := range set.Sources {
		names["poller-"+set.Connections[s.Connection].System] = true
	}
	for _, f := range set.Flows {
		names["transformer"], names["sink-"+f.Target.Kind] = true, true
	}
	return slices.Sorted(maps.Keys(names))
}
