package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Service is one of the services, running.
type Service struct {
	*Process
	// Address is where it serves /readyz, /metrics and, with PPROF=true, /debug/pprof/.
	Address string
}

// Service starts a service that was built. replica tells the processes of one service apart; env adds to
// the environment. It does not wait until the service is ready.
func (r *Rig) Service(n *NATS, name string, replica int, env ...string) (*Service, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env = append([]string{"NATS_URL=" + n.URL, "SECRETS_DIR=" + r.secrets(), "LISTEN=" + address}, env...)
	p, err := r.Start(Replica(name, replica), filepath.Join(r.Root, place, "bin", name), nil, env)
	if err != nil {
		return nil, err
	}
	return &Service{Process: p, Address: address}, nil
}

// Replica is the name of a service's process, in logs and as a role.
func Replica(service string, replica int) string { return service + "-" + strconv.Itoa(replica) }

// Ready waits until the service says that it is ready.
func (s *Service) Ready(ctx context.Context) error {
	return until(ctx, s.Process, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Address+"/readyz", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/readyz: %s", resp.Status)
		}
		return nil
	})
}

// Profile writes where the service spends the processor during a time from now on into a file beside its
// log. The service must have been started with Profiled.
func (s *Service) Profile(ctx context.Context, during time.Duration) error {
	if err := s.Ready(ctx); err != nil {
		return err
	}
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.Address, int(during.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	file, err := os.Create(strings.TrimSuffix(s.log, ".log") + ".pprof")
	if err != nil {
		return err
	}
	_, err = io.Copy(file, resp.Body)
	return errors.Join(err, file.Close())
}

// Profiled lets a service be profiled.
const Profiled = "PPROF=true"

func (r *Rig) secrets() string { return filepath.Join(r.Dir, "secrets") }

// Secret writes the secret of a connection where services look for it.
func (r *Rig) Secret(connection, field, value string) error {
	dir := filepath.Join(r.secrets(), connection)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, field), []byte(value), 0o600)
}

// Provision makes the streams and applies documents, through the real command line.
func (r *Rig) Provision(ctx context.Context, n *NATS, documents string) error {
	if _, err := r.Erpstream(ctx, "provision", "--nats", n.URL); err != nil {
		return err
	}
	file := filepath.Join(r.Dir, "documents.yaml")
	if err := os.WriteFile(file, []byte(documents), 0o644); err != nil {
		return err
	}
	_, err := r.Erpstream(ctx, "apply", "--nats", n.URL, file)
	return err
}

// Shipped returns a document of deploy/config in the repository's folder, such as "connections/bi-main". A
// connection leads to the endpoint, where one is given, and not to the sandbox.
func Shipped(root, name, endpoint string) (string, error) {
	document, err := os.ReadFile(filepath.Join(root, "deploy/config", name+".yaml"))
	if err != nil {
		return "", err
	}
	text := string(document)
	if endpoint != "" {
		text = strings.Replace(text, "\nendpoint: sandbox\n", "\nendpoint: "+endpoint+"\n", 1)
	}
	return text + "\n---\n", nil
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}
