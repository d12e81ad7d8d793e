package natsconfig_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/test/certtest"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

var kinds = []natsconfig.Kind{natsconfig.Password, natsconfig.Nkey, natsconfig.JWT}

func TestTheCommittedConfigurationIsCurrent(t *testing.T) {
	var accounts, values, streams bytes.Buffer
	if err := errors.Join(natsconfig.Variables(&accounts, topology.Roles(topology.Scope{})), natsconfig.Helm(&values, 3), natsconfig.Nack(&streams, 3)); err != nil {
		t.Fatal(err)
	}
	golden(t, "accounts.conf", accounts.Bytes())
	golden(t, "values.yaml", values.Bytes())
	golden(t, "nack.yaml", streams.Bytes())
}

func TestValuesStartAndDoNotFillTheDisk(t *testing.T) {
	for _, servers := range []int{1, 3, 5} {
		var b bytes.Buffer
		if err := natsconfig.Helm(&b, servers); err != nil {
			t.Fatal(err)
		}
		var values struct {
			Config struct {
				Cluster struct {
					Enabled  bool
					Replicas int
				}
				JetStream struct {
					FileStore struct {
						PVC     struct{ Size string }
						MaxSize string `yaml:"maxSize"`
					} `yaml:"fileStore"`
				}
			}
		}
		if err := yaml.Unmarshal(b.Bytes(), &values); err != nil {
			t.Fatal(err)
		}
		if c := values.Config.Cluster; c.Enabled != (servers > 1) || c.Replicas != servers {
			t.Errorf("%d servers: cluster %+v", servers, c)
		}
		store := values.Config.JetStream.FileStore
		var size, most int
		if _, err := fmt.Sscanf(store.PVC.Size+" "+store.MaxSize, "%dGi %dGi", &size, &most); err != nil || most >= size {
			t.Errorf("NATS may fill %s of a volume of %s (%v)", store.MaxSize, store.PVC.Size, err)
		}
	}
}

// TestNackKeepsRecordsForEver: a stream whose resource says no age gets one of a year from NACK.
func TestNackKeepsRecordsForEver(t *testing.T) {
	var b bytes.Buffer
	if err := natsconfig.Nack(&b, 3); err != nil {
		t.Fatal(err)
	}
	ages := map[string]string{}
	for d := yaml.NewDecoder(&b); ; {
		var r struct {
			Spec struct {
				Name          string
				MaxAge        string `yaml:"maxAge"`
				PreventDelete bool   `yaml:"preventDelete"`
			}
		}
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		ages[r.Spec.Name] = r.Spec.MaxAge
		if !r.Spec.PreventDelete {
			t.Errorf("stream %s goes with its resource", r.Spec.Name)
		}
	}
	for _, config := range topology.Streams(3) {
		if age := ages[config.Name]; age != config.MaxAge.String() {
			t.Errorf("stream %s: maxAge is %q, want %s", config.Name, age, config.MaxAge)
		}
	}
}

// TestNackSaysAllOfAStream fails when a stream gets a setting that its resource leaves out.
func TestNackSaysAllOfAStream(t *testing.T) {
	said := map[string]bool{}
	for name := range strings.FieldsSeq("Name Description Subjects Retention MaxMsgsPerSubject MaxConsumers Discard MaxAge Storage Replicas Duplicates Sources DenyDelete AllowRollup AllowDirect AllowMsgTTL AllowAtomicPublish AllowMsgSchedules") {
		said[name] = true
	}
	for _, config := range topology.Streams(3) {
		v := reflect.ValueOf(config)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; !v.Field(i).IsZero() && !said[name] {
				t.Errorf("stream %s has %s, which its resource does not say", config.Name, name)
			}
		}
	}
}

func TestAccountsTakePasswordsFromTheEnvironment(t *testing.T) {
	var b bytes.Buffer
	roles := topology.Roles(topology.Scope{})
	if err := natsconfig.Variables(&b, roles); err != nil {
		t.Fatal(err)
	}
	for _, r := range roles {
		t.Setenv(natsconfig.Variable(r.Name), "secret-of-"+r.Name)
	}
	path := filepath.Join(t.TempDir(), "accounts.conf")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(path)
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port = "127.0.0.1", server.RANDOM_PORT
	s := natstest.Start(t, options)
	for password, want := range map[string]bool{"secret-of-transformer": true, "secret-of-watchdog": false} {
		nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("transformer", password))
		if (err == nil) != want {
			t.Errorf("transformer with %s: %v", password, err)
		}
		if err == nil {
			nc.Close()
		}
	}
}

// TestSecretsStay: what is there is kept, is for its owner alone, and no secret is in what the server reads.
func TestSecretsStay(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new", "nats")
			read := func() map[string]string {
				all := map[string]string{}
				err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					info, err := d.Info()
					if err == nil && info.Mode().Perm() != 0o600 {
						t.Errorf("%s has mode %o", path, info.Mode().Perm())
					}
					text, rerr := os.ReadFile(path)
					all[path] = string(text)
					return errors.Join(err, rerr)
				})
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
			run := func(roles []topology.Role) []string {
				f, err := natsconfig.Open(dir, kind)
				if err != nil {
					t.Fatal(err)
				}
				f.BcryptCost = 4
				made, err := f.Keep(roles)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(roles); err != nil {
					t.Fatal(err)
				}
				return made
			}
			roles := topology.Roles(topology.Scope{})
			if made := run(roles); len(made) != len(roles) {
				t.Errorf("made %v", made)
			}
			before := read()
			if made := run(append(roles, topology.SinkRole("webhook", topology.Scope{}))); len(made) != 1 || made[0] != "sink-webhook" {
				t.Errorf("the second run made %v, want sink-webhook alone", made)
			}
			after := read()
			for path, text := range before {
				secret := strings.Contains(path, "-nats/") || strings.Contains(path, "/keys/")
				if secret && after[path] != text {
					t.Errorf("%s was made anew", path)
				}
				if secret && !strings.HasSuffix(path, "/user") && strings.Contains(after[filepath.Join(dir, "accounts.conf")]+after[filepath.Join(dir, "identities.json")], text) {
					t.Errorf("the secret %s is in what the server reads", path)
				}
			}
			for _, other := range kinds {
				if _, err := natsconfig.Open(dir, other); (err == nil) != (other == kind) {
					t.Errorf("open as %s: %v", other, err)
				}
			}
		})
	}
}

// TestRotationLosesNothing changes the secret of a sink, and all certificates, while messages flow to it,
// with each kind of identity over TLS with client certificates. The sink is of another team, under its own
// permissions.
func TestRotationLosesNothing(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) { rotateWhileFlowing(t, kind) })
	}
}

const kindWebhook, webhook = "webhook", "sink-webhook"

func rotateWhileFlowing(t *testing.T, kind natsconfig.Kind) {
	certificates := certtest.Issue(t, t.TempDir())
	tls := login.Login{CA: certificates.CA, Cert: certificates.ClientCert, Key: certificates.ClientKey}
	roles := teams(t)
	w := newWorld(t, kind, roles, tls, certificates.Server())
	if _, err := nats.Connect(w.server.ClientURL(), nats.RootCAs(tls.CA)); err == nil {
		t.Error("a client without a certificate and an identity gets in")
	}

	got := newReceived(t, w)
	stop := got.run()
	publish := flowing(t, w.as("transformer"))
	publish(100)
	got.await(100)

	if err := w.folder.Rotate(roles[len(roles)-2]); err != nil {
		t.Fatal(err)
	}
	w.reload() // both are accepted: the sink goes on with the old one
	publish(200)
	got.await(200)

	if kind == natsconfig.Nkey { // whose clients have to be restarted
		stop()
		stop = got.run()
	} else {
		got.kick()
	}
	publish(300)
	got.await(300)
	if err := w.folder.Retire(webhook); err != nil {
		t.Fatal(err)
	}
	connects := got.connects()
	w.reload()
	publish(400)
	got.await(400)
	if got.connects() != connects {
		t.Error("the old secret was in use until it was retired")
	}

	certificates.Renew(t) // by another authority: nothing of the old ones is valid any more
	w.reload()
	got.kick()
	publish = flowing(t, w.as("transformer"))
	publish(500)
	got.await(500)
	stop()
	if twice := got.twice(); twice > 0 {
		t.Logf("%d of 500 were delivered again, which a sink expects", twice)
	}
}

// flowing returns a function that publishes target messages up to a number.
func flowing(t *testing.T, js jetstream.JetStream) func(to int) {
	next := 1
	return func(to int) {
		t.Helper()
		for ; next <= to; next++ {
			key := strconv.Itoa(next)
			e := record.Envelope{
				ID: "src/" + key + "/1/x/f/1", Source: "src", Type: "sys.feed", Key: key, Version: 1, Time: time.Now(),
				Schema: "erpstream.mysql.v1.PurchaseIn", Flow: "f", FlowRevision: 1, RawSequence: uint64(next),
			}
			msg := nats.NewMsg(topology.TargetSubject(kindWebhook, "hook", "f", key))
			msg.Header, msg.Data = e.Header(), []byte(key)
			if _, err := js.PublishMsg(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// received is a sink that runs under its own identity, and what it got.
type received struct {
	t *testing.T
	w *world

	mu    sync.Mutex
	count map[string]int
	nc    *nats.Conn
	made  int
}

func newReceived(t *testing.T, w *world) *received {
	return &received{t: t, w: w, count: map[string]int{}}
}

// run runs the sink until stop is called.
func (r *received) run() (stop func()) {
	nc, err := r.w.dial(webhook, nats.IgnoreAuthErrorAbort(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond),
		nats.ReconnectHandler(func(*nats.Conn) { r.connected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if errors.Is(err, nats.ErrPermissionViolation) {
				r.t.Error(err)
			}
		}))
	if err != nil {
		r.t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		r.t.Fatal(err)
	}
	r.mu.Lock()
	r.nc = nc
	r.mu.Unlock()
	r.connected()
	ctx, cancel := context.WithCancel(r.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			_ = sink.Run(ctx, js, sink.Func(r.write), sink.Options{Kind: kindWebhook, Connection: "hook", Instance: "i", Batch: 10})
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait(); nc.Close() })
	r.t.Cleanup(stop)
	return stop
}

func (r *received) write(_ context.Context, batch []sink.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range batch {
		r.count[m.Key]++
	}
	return nil
}

func (r *received) connected() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
}

func (r *received) connects() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// kick makes the server close the sink's connection, and waits for the next one.
func (r *received) kick() {
	r.t.Helper()
	before := r.connects()
	r.mu.Lock()
	cid, err := r.nc.GetClientID()
	r.mu.Unlock()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.w.server.DisconnectClientByID(cid); err != nil {
		r.t.Fatal(err)
	}
	natstest.Eventually(r.t, func() error {
		if r.connects() == before {
			return errors.New("the sink has not connected again")
		}
		return nil
	})
}

func (r *received) await(n int) {
	r.t.Helper()
	natstest.Eventually(r.t, func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if len(r.count) < n {
			return fmt.Errorf("%d of %d messages received", len(r.count), n)
		}
		return nil
	})
}

func (r *received) twice() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, count := range r.count {
		if count > 1 {
			n++
		}
	}
	return n
}

// TestAnOldSecretIsRefusedOnceRetired, and a rotation is not begun twice.
func TestAnOldSecretIsRefusedOnceRetired(t *testing.T) {
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			roles := teams(t)
			w := newWorld(t, kind, roles, login.Login{}, "")
			if err := w.folder.Retire("watchdog"); err == nil {
				t.Error("the only secret was retired")
			}
			watchdog := roles[8]
			old := filepath.Join(t.TempDir(), "old")
			if err := os.CopyFS(old, os.DirFS(w.folder.Secrets(watchdog.Name))); err != nil {
				t.Fatal(err)
			}
			who := w.login(watchdog.Name)
			for name, file := range map[string]*string{"user": &who.UserFile, "password": &who.PasswordFile, "nkey": &who.Nkey, "creds": &who.Creds} {
				if *file != "" {
					*file = filepath.Join(old, name)
				}
			}
			withOld := func() error {
				options, err := who.Options(func(error) {})
				if err != nil {
					t.Fatal(err)
				}
				nc, err := nats.Connect(w.server.ClientURL(), options...)
				if err == nil {
					nc.Close()
				}
				return err
			}
			if err := w.folder.Rotate(watchdog); err != nil {
				t.Fatal(err)
			}
			if err := w.folder.Rotate(watchdog); err == nil || !strings.Contains(err.Error(), "--retire watchdog") {
				t.Errorf("a second rotation: %v", err)
			}
			w.reload()
			w.as(watchdog.Name)
			if err := withOld(); err != nil {
				t.Errorf("the old secret is refused before it is retired: %v", err)
			}
			w.open(kind) // as another run of the command does
			if err := w.folder.Retire(watchdog.Name); err != nil {
				t.Fatal(err)
			}
			w.reload()
			w.as(watchdog.Name)
			if err := withOld(); err == nil {
				t.Error("the old secret is accepted after it was retired")
			}
		})
	}
}
