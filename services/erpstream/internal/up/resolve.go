package up

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/erpstream/erpstream/pkg/flow"
)

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
		text := sandboxLine.ReplaceAllLiteralString(d.Text, "endpoint: "+endpoint+m.way(*d.Connection))
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

// sandboxOf returns where the sandbox of a system is, and how to sign in. What the sandbox knows
// protects nothing.
func (m *machine) sandboxOf(c flow.Connection) (endpoint string, secrets map[string]string, err error) {
	web := "http://" + m.sandboxAddress
	switch c.System {
	case "mysql":
		return m.db.endpoint(), map[string]string{"user": m.db.User, "password": m.db.Passwd}, nil
	case "jushuitan":
		return web, map[string]string{"app_secret": "sandbox-secret-0001"}, nil
	case "wangdiantong":
		return web + wangdiantongPath(c), wangdiantongSecrets(c), nil
	case "kingdee", "kis":
		return web, map[string]string{"client_secret": "0123456789abcdef0123456789abcdef"}, nil
	default:
		return "", nil, fmt.Errorf("connection %s: the sandbox has no %s", c.Name, c.System)
	}
}

// way is a line for a connection's document, so that sinks reach a database on another machine as --mysql says.
func (m *machine) way(c flow.Connection) string {
	host, _, err := net.SplitHostPort(m.db.Addr)
	if c.System != "mysql" || len(c.Settings) > 0 || err != nil || flow.Loopback(host) {
		return ""
	}
	return fmt.Sprintf("\nsettings: {%s: %q}", flow.SettingTLS, m.db.TLSConfig)
}

// wangdiantongPath is where the sandbox serves an edition through a transport.
func wangdiantongPath(c flow.Connection) string {
	switch {
	case c.Settings["transport"] == "qimen":
		return "/router/qm"
	case c.Settings["edition"] == "flagship":
		return "/openapi"
	default:
		return "/openapi2"
	}
}

// wangdiantongSecrets are those that the edition and the transport sign with.
func wangdiantongSecrets(c flow.Connection) map[string]string {
	secrets := map[string]string{"app_secret": "b7c1e0f2a4d6"} //nolint:gosec // the sandbox's, which protects nothing
	if c.Settings["edition"] == "flagship" {
		secrets["app_secret"] = "f1e2d3c4b5a6:n4cl"
	}
	if c.Settings["transport"] == "qimen" {
		secrets["top_app_secret"] = "topsecret0123456789abcdef"
	}
	return secrets
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

// startServices starts the replicas of each service that the configuration needs.
func (m *machine) startServices(context.Context) error {
	m.services = needed(m.set)
	secrets, err := filepath.Abs(m.Secrets)
	if err != nil {
		return err
	}
	var children []*child
	for replica := range max(1, m.Replicas) {
		for i, name := range m.services {
			listen := anyPort // which the service finds itself: one that is found here may be taken by then
			if m.Port != 0 {
				listen = m.local(servicePorts*(1+replica) + i)
			}
			env, err := m.identity(name)
			if err != nil {
				return err
			}
			c, err := m.newChild(name, replica, nil, append(env, "NATS_URL="+m.natsURL, "SECRETS_DIR="+secrets, "LISTEN="+listen))
			if err != nil {
				return err
			}
			children = append(children, c)
		}
	}
	m.start(children...)
	return nil
}

// pollers names the poller of the systems that are not served by one of their own name.
var pollers = map[string]string{"kis": "kingdee"}

// needed names the services that a configuration needs.
func needed(set flow.Set) []string {
	names := map[string]bool{"watchdog": true}
	for _, s := range set.Sources {
		system := set.Connections[s.Connection].System
		names["poller-"+cmp.Or(pollers[system], system)] = true
	}
	for _, f := range set.Flows {
		names["transformer"], names["sink-"+f.Target.Kind] = true, true
	}
	return slices.Sorted(maps.Keys(names))
}
