package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

const (
	// Seconds on an idle machine; one that is busy may take its time.
	readyWithin = 5 * time.Minute
	// How long a program may take to end by itself.
	endsWithin = 10 * time.Second
)

// server is an API server of Kubernetes with its etcd, on this machine, for as long as a verification takes. No
// controller and no node belongs to it: it judges and stores, and nothing comes of that.
type server struct {
	config   *rest.Config
	folder   string   // all that both write
	children []*child // in the order in which they were started
}

// child is one of its programs.
type child struct {
	name  string
	log   bytes.Buffer // read once it has ended
	end   context.CancelFunc
	ended chan struct{}
	err   error // why, once it has
}

// startServer returns a server that is ready; stop ends it.
func startServer(ctx context.Context, root string) (*server, error) {
	folder, err := os.MkdirTemp("", "k8s-verify")
	if err != nil {
		return nil, err
	}
	s := &server{folder: folder}
	if err := s.startBoth(ctx, root); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) startBoth(ctx context.Context, root string) error {
	token := rand.Text()
	certificate, err := s.writeSecrets(token)
	if err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	if err := s.start(ctx, root, "etcd", s.etcdArgs()); err != nil {
		return err
	}
	if err := s.start(ctx, root, "kube-apiserver", s.apiArgs(port)); err != nil {
		return err
	}
	s.config = &rest.Config{
		Host:            "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: certificate},
		QPS:             -1, // nobody else asks it
	}
	return s.ready(ctx)
}

// etcdArgs have etcd listen on sockets in the folder, which nobody else can open.
func (s *server) etcdArgs() []string {
	return []string{
		"--data-dir=" + s.file("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=unix://" + s.file("etcd.sock"), "--listen-peer-urls=unix://" + s.file("peer.sock"),
		"--advertise-client-urls=http://127.0.0.1:2379", // demanded, and asked by nobody
	}
}

// apiArgs leave the server as it is set by default, but for what needs a controller: accounts of pods are made by
// one. The endpoint of the server itself can't be one on loopback.
func (s *server) apiArgs(port int) []string {
	return []string{
		"--etcd-servers=unix://" + s.file("etcd.sock"),
		"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(port),
		"--cert-dir=" + s.folder, "--tls-cert-file=" + s.file("tls.crt"), "--tls-private-key-file=" + s.file("tls.key"),
		"--token-auth-file=" + s.file("tokens.csv"), "--anonymous-auth=false", "--authorization-mode=RBAC",
		"--service-account-issuer=https://127.0.0.1", "--service-account-key-file=" + s.file("tls.key"),
		"--service-account-signing-key-file=" + s.file("tls.key"), "--service-cluster-ip-range=10.0.0.0/24",
		"--disable-admission-plugins=ServiceAccount",
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
	}
}

func (s *server) file(name string) string { return filepath.Join(s.folder, name) }

// writeSecrets writes a certificate for this machine, whose key signs the tokens of accounts, too, and the token of
// the one user. It returns the certificate.
func (s *server) writeSecrets(token string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	return certificate, errors.Join(
		os.WriteFile(s.file("tls.crt"), certificate, 0o600),
		os.WriteFile(s.file("tls.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600),
		os.WriteFile(s.file("tokens.csv"), []byte(token+",verify,verify,system:masters\n"), 0o600),
	)
}

// freePort is a port that nobody has. Should somebody take it before the server does, the server says so and ends.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

// start starts a program of build/tools. It outlives ctx: stop ends one after the other.
func (s *server) start(ctx context.Context, root, name string, args []string) error {
	path, err := filepath.Abs(filepath.Join(root, "build", "tools", name))
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: `make k8s-verify` builds it, which takes a quarter of an hour the first time", path)
	}
	c := &child{name: name, ended: make(chan struct{})}
	ctx, c.end = context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.folder, &c.log, &c.log
	cmd.SysProcAttr = bound()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = endsWithin
	if err := cmd.Start(); err != nil {
		c.end()
		return err
	}
	s.children = append(s.children, c)
	go func() {
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return nil
}

// ready waits until the server takes requests.
func (s *server) ready(ctx context.Context) error {
	client, err := discovery.NewDiscoveryClientForConfig(s.config)
	if err != nil {
		return err
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, readyWithin, true, func(ctx context.Context) (bool, error) {
		if err := s.dead(); err != nil {
			return false, err
		}
		last = client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return last == nil, nil
	})
	if ctx.Err() == nil && wait.Interrupted(err) {
		return fmt.Errorf("kube-apiserver is not ready after %s: %w", readyWithin, last)
	}
	return err
}

// dead says which program has ended though nobody asked it to, with its last words.
func (s *server) dead() error {
	for _, c := range s.children {
		select {
		case <-c.ended:
			lines := strings.Split(strings.TrimSpace(c.log.String()), "\n")
			return fmt.Errorf("%s has ended: %w\n%s", c.name, c.err, strings.Join(lines[max(0, len(lines)-10):], "\n"))
		default:
		}
	}
	return nil
}

// stop ends both programs, the API server first, and removes what they wrote.
func (s *server) stop() error {
	for _, c := range slices.Backward(s.children) {
		c.end()
		<-c.ended
	}
	return os.RemoveAll(s.folder)
}
