package doctor_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/hold"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/doctor"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// documents are one flow with its source.
const documents = `connection: jst
system: jushuitan
endpoint: https://openapi.jushuitan.com
settings: {app_key: k}
---
source: receipts
connection: jst
feed: jushuitan.purchasein
every: 5m
start: 2026-01-01
---
flow: to-kd
from: receipts
target: {kind: kingdee, connection: kd, message: erpstream.kingdee.v1.OtherInBill}
map:
  bill_no: string(record.io_id)
`

// furnish provisions a server, applies the documents, and makes the consumers that the services make.
func furnish(t *testing.T, js jetstream.JetStream, replicas int) {
	t.Helper()
	if _, err := topology.Provision(t.Context(), js, replicas); err != nil {
		t.Fatal(err)
	}
	docs, err := flow.Parse("test.yaml", []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := flow.Apply(t.Context(), js, docs, func(flow.Set) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for stream, config := range consumers() {
		create(t, js, stream, config)
	}
	watchdog := jetstream.ConsumerConfig{Durable: "watchdog", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second, MaxDeliver: -1}
	create(t, js, topology.Advisories, watchdog)
	watchdog.FilterSubject, watchdog.MaxAckPending = "poll._watchdog.look", 1
	create(t, js, topology.Polls, watchdog)
}

func create(t *testing.T, js jetstream.JetStream, stream string, config jetstream.ConsumerConfig) {
	t.Helper()
	if _, err := js.CreateConsumer(t.Context(), stream, config); err != nil {
		t.Fatal(err)
	}
}

// consumers are those of the documents, by stream, as they should be.
func consumers() map[string]jetstream.ConsumerConfig {
	return map[string]jetstream.ConsumerConfig{
		topology.Raw:    {Durable: "transformer-to-kd", FilterSubject: "raw.jushuitan.receipts.*", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second, MaxDeliver: -1},
		topology.Target: {Durable: "sink-kingdee-kd", FilterSubject: "target.kingdee.kd.>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 15 * time.Second, MaxDeliver: -1},
		topology.Polls:  {Durable: "poller-jst", FilterSubject: "poll.jst.*", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second, MaxAckPending: 1, MaxDeliver: -1},
	}
}

// wantFinding fails the test unless a check has a finding of that state with those words.
func wantFinding(t *testing.T, findings []probe.Finding, check string, state probe.State, words string) {
	t.Helper()
	for _, f := range findings {
		if f.Check == check && f.State == state && strings.Contains(f.Text, words) {
			return
		}
	}
	t.Errorf("no finding %s %q with %q in %s", state, check, words, show(findings))
}

func show(findings []probe.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "\n%-7s %s: %s", f.State, f.Check, f.Text)
	}
	return b.String()
}

// TestPausedFlowsAreNamed pauses a flow: whoever looks for the reason of a backlog finds it.
func TestPausedFlowsAreNamed(t *testing.T) {
	js := natstest.Run(t)
	furnish(t, js, 1)
	wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{}), "pauses", probe.OK, "none of 1 flows")
	h := hold.Hold{Flow: "to-kd", By: "li", Reason: "month end", Since: time.Now()}
	if err := hold.Put(t.Context(), js, h); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{}), "pauses", probe.Warn, "by li: month end: `erpstream flow resume to-kd`")
}

// TestAllIsWell has nothing to say of a server that is as it should be but that it is one only, and that
// no service runs.
func TestAllIsWell(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, SyncAlways: true, MaxPayload: 8 << 20, HTTPHost: "127.0.0.1", HTTPPort: -1})
	js := natstest.Connect(t, s)
	furnish(t, js, 1)
	before := messages(t, js)
	findings := doctor.Examine(t.Context(), js, doctor.Options{Monitors: []string{"http://" + s.MonitorAddr().String()}})
	for _, f := range findings {
		if f.State != probe.OK && f.Check != "replicas" && f.Check != "services" {
			t.Errorf("%s: %s", f.Check, f.Text)
		}
	}
	wantFinding(t, findings, "replicas", probe.Fail, "R1")
	wantFinding(t, findings, "services", probe.Warn, "no transformer says that it runs flow to-kd")
	wantFinding(t, findings, "services", probe.Warn, "sink-kingdee")
	wantFinding(t, findings, "services", probe.Warn, "jst (jushuitan)")
	wantFinding(t, findings, "services", probe.Warn, "no watchdog says that it looks after")
	wantFinding(t, findings, "permissions", probe.OK, "this user may do")
	wantFinding(t, findings, "sync", probe.OK, "")
	if after := messages(t, js); after != before {
		t.Errorf("the examination left something behind: %s, before it was %s", after, before)
	}
	findings = doctor.Examine(t.Context(), js, doctor.Options{AllowR1: true})
	if probe.Failed(findings) {
		t.Errorf("with --allow-r1: %s", show(findings))
	}
	wantFinding(t, findings, "sync", probe.Warn, "not checked")
}

// messages says what all streams hold.
func messages(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var b strings.Builder
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		fmt.Fprintf(&b, "%s %d/%d messages %d consumers; ", info.Config.Name, info.State.Msgs, info.State.LastSeq, info.State.Consumers)
	}
	if list.Err() != nil {
		t.Fatal(list.Err())
	}
	return b.String()
}

// TestWrecks finds what is wrong, each on a server of its own.
func TestWrecks(t *testing.T) {
	stream := func(name string, change func(*jetstream.StreamConfig)) func(*testing.T, jetstream.JetStream) {
		return func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			s, err := js.Stream(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			config := s.CachedInfo().Config
			change(&config)
			if _, err := js.UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
		}
	}
	consumer := func(name string, change func(*jetstream.ConsumerConfig)) func(*testing.T, jetstream.JetStream) {
		return func(t *testing.T, js jetstream.JetStream) {
			t.Helper()
			config := consumers()[name]
			change(&config)
			if err := js.DeleteConsumer(t.Context(), name, config.Durable); err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateConsumer(t.Context(), name, config); err != nil {
				t.Fatal(err)
			}
		}
	}
	const day = 24 * time.Hour
	tests := []struct {
		name  string
		wreck func(*testing.T, jetstream.JetStream)
		check string
		state probe.State
		words string
	}{
		{"a stream is gone", func(t *testing.T, js jetstream.JetStream) {
			if err := js.DeleteStream(t.Context(), topology.Dead); err != nil {
				t.Fatal(err)
			}
		}, "streams", probe.Fail, "DEAD is missing: run `erpstream provision`"},
		{"another setting", stream(topology.Target, func(c *jetstream.StreamConfig) { c.AllowAtomicPublish = false }), "streams", probe.Warn, "TARGET is not as provision makes it (allow_atomic"},
		{"a setting by hand", stream(topology.Raw, func(c *jetstream.StreamConfig) { c.MaxAge = 60 * day }), "streams", probe.Warn, "RAW was set otherwise by hand (max_age"},
		{"old messages are dropped for room", stream(topology.Target, func(c *jetstream.StreamConfig) { c.MaxBytes, c.Discard = 1<<30, jetstream.DiscardOld }), "limits", probe.Fail, "TARGET has a limit and drops its oldest"},
		{"nearly full", stream("KV_config", func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 3, jetstream.DiscardNew }), "limits", probe.Fail, "KV_config messages: 3 of 3 are used (100 %)"},
		{"consumers left behind", func(t *testing.T, js jetstream.JetStream) {
			for range 800 {
				if _, err := js.CreateConsumer(t.Context(), topology.Parked, jetstream.ConsumerConfig{InactiveThreshold: time.Hour, MemoryStorage: true}); err != nil {
					t.Fatal(err)
				}
			}
		}, "limits", probe.Warn, "PARKED consumers: 800 of 1000"},
		{"parked records die", stream(topology.Parked, func(c *jetstream.StreamConfig) { c.MaxAge = day }), "retention", probe.Fail, "PARKED drops what is older than 24h"},
		{"links die", stream("KV_links", func(c *jetstream.StreamConfig) { c.MaxAge = day }), "retention", probe.Fail, "KV_links"},
		{"letters die before records", stream(topology.Dead, func(c *jetstream.StreamConfig) { c.MaxAge = 10 * day }), "retention", probe.Fail, "DEAD keeps messages for 240h0m0s, RAW for 720h"},
		{"snapshots die", stream(topology.Raw, func(c *jetstream.StreamConfig) { c.MaxAge = 10 * day }), "retention", probe.Fail, "RAW keeps records for 240h"},
		{"ids are forgotten", stream(topology.Target, func(c *jetstream.StreamConfig) { c.Duplicates = 20 * time.Second }), "dedupe window", probe.Fail, "TARGET remembers ids for 20s, but messages are delivered again after 10s"},
		{"letters twice", consumer(topology.Target, func(c *jetstream.ConsumerConfig) { c.AckWait = 5 * time.Minute }), "dedupe window", probe.Fail, "DEAD remembers ids for 10m0s"},
		{"messages are given up", consumer(topology.Target, func(c *jetstream.ConsumerConfig) { c.MaxDeliver = 5 }), "consumers", probe.Fail, "sink-kingdee-kd of TARGET gives a message up after 5"},
		{"another filter", consumer(topology.Raw, func(c *jetstream.ConsumerConfig) { c.FilterSubject = "raw.jushuitan.receipts.07" }), "consumers", probe.Fail, "gets raw.jushuitan.receipts.07, and not raw.jushuitan.receipts.*"},
		{"no acknowledgement", consumer(topology.Raw, func(c *jetstream.ConsumerConfig) { c.AckPolicy = jetstream.AckNonePolicy }), "consumers", probe.Fail, "does not wait for acknowledgements"},
		{"two pollers", consumer(topology.Polls, func(c *jetstream.ConsumerConfig) { c.MaxAckPending = 2 }), "consumers", probe.Fail, "poller-jst of POLLS gives out 2 jobs"},
		{"no consumer", func(t *testing.T, js jetstream.JetStream) {
			if err := js.DeleteConsumer(t.Context(), topology.Raw, "transformer-to-kd"); err != nil {
				t.Fatal(err)
			}
		}, "consumers", probe.Warn, "transformer-to-kd of RAW is not there"},
		{"no watchdog", func(t *testing.T, js jetstream.JetStream) {
			if err := js.DeleteConsumer(t.Context(), topology.Advisories, "watchdog"); err != nil {
				t.Fatal(err)
			}
		}, "consumers", probe.Warn, "watchdog of ADVISORIES is not there: watchdog has not run yet"},
		{"paused", func(t *testing.T, js jetstream.JetStream) {
			if _, err := js.PauseConsumer(t.Context(), topology.Target, "sink-kingdee-kd", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}, "consumers", probe.Warn, "paused"},
		{"small messages", nil, "max payload", probe.Warn, "1024 KiB"},
		{"nothing applied", func(t *testing.T, js jetstream.JetStream) {
			if err := js.DeleteStream(t.Context(), "KV_config"); err != nil {
				t.Fatal(err)
			}
			if _, err := topology.Provision(t.Context(), js, 1); err != nil {
				t.Fatal(err)
			}
		}, "configuration", probe.Warn, "erpstream apply"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			js := natstest.Connect(t, natstest.Server(t))
			furnish(t, js, 1)
			if tt.wreck != nil {
				tt.wreck(t, js)
			}
			wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{}), tt.check, tt.state, tt.words)
		})
	}
}

func TestNotProvisioned(t *testing.T) {
	js := natstest.Connect(t, natstest.Server(t))
	findings := doctor.Examine(t.Context(), js, doctor.Options{})
	wantFinding(t, findings, "streams", probe.Fail, "RAW is missing")
	js = natstest.Connect(t, natstest.Start(t, &server.Options{DontListen: true}))
	wantFinding(t, doctor.Examine(t.Context(), js, doctor.Options{}), "server", probe.Fail, "JetStream off")
}

// TestOldBacklog finds messages that a consumer does not settle while their stream is about to drop them.
func TestOldBacklog(t *testing.T) {
	js := natstest.Connect(t, natstest.Server(t))
	furnish(t, js, 1)
	target, err := js.Stream(t.Context(), topology.Target)
	if err != nil {
		t.Fatal(err)
	}
	config := target.CachedInfo().Config
	config.MaxAge, config.Duplicates = 4*time.Second, time.Second
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error {
		info, err := target.Info(t.Context())
		if err != nil {
			return err
		}
		if info.State.Msgs == 0 {
			if _, err := js.Publish(t.Context(), topology.TargetSubject("kingdee", "kd", "to-kd", "k"), nil); err != nil {
				return err
			}
		}
		findings := doctor.Examine(t.Context(), js, doctor.Options{})
		for _, f := range findings {
			if f.Check == "backlog" && f.State == probe.Warn && strings.Contains(f.Text, "sink-kingdee-kd") {
				return nil
			}
		}
		return fmt.Errorf("no backlog in %s", show(findings))
	})
}

// roleOf is what a role of the topology may do.
func roleOf(t *testing.T, name string) *server.Permissions {
	t.Helper()
	for _, r := range topology.Roles(topology.Scope{}) {
		if r.Name == name {
			return &server.Permissions{Publish: &server.SubjectPermission{Allow: r.Publish}, Subscribe: &server.SubjectPermission{Allow: r.Subscribe}}
		}
	}
	t.Fatalf("no role %s", name)
	return nil
}

// TestPermissions looks with users who may do no more than their role, and with one who may do less.
func TestPermissions(t *testing.T) {
	operator := roleOf(t, topology.RoleOperator)
	hampered := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: operator.Publish.Allow, Deny: []string{"dead.>", "$KV.shapes.>"}},
		Subscribe: operator.Subscribe,
	}
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: -1, Users: []*server.User{
		{Username: "admin", Password: "p"}, {Username: "sink-kingdee", Password: "p", Permissions: roleOf(t, "sink-kingdee")},
		{Username: "operator", Password: "p", Permissions: operator}, {Username: "hampered", Password: "p", Permissions: hampered},
	}})
	connect := func(user, program string) jetstream.JetStream {
		nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(user, "p"), nats.CustomInboxPrefix(topology.InboxPrefix(program)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		return js
	}
	furnish(t, connect("admin", "admin"), 1)
	before := messages(t, connect("admin", "admin"))

	for _, service := range doctor.Services() { // nothing of it changes anything, whoever may do it
		if findings := doctor.Examine(t.Context(), connect("admin", "admin"), doctor.Options{Service: service}); probe.Failed(findings) {
			t.Errorf("the admin as %s: %s", service, show(findings))
		}
	}
	if after := messages(t, connect("admin", "admin")); after != before {
		t.Errorf("the examination left something behind: %s, before it was %s", after, before)
	}
	if findings := doctor.Examine(t.Context(), connect("sink-kingdee", "sink-kingdee"), doctor.Options{Service: "sink-kingdee"}); probe.Failed(findings) {
		t.Errorf("a sink as a sink: %s", show(findings))
	}
	findings := doctor.Examine(t.Context(), connect("sink-kingdee", "sink-kingdee"), doctor.Options{Service: "transformer"})
	wantFinding(t, findings, "permissions", probe.Fail, "target.erpstream-doctor.erpstream-doctor.to-kd.")
	wantFinding(t, findings, "permissions", probe.Fail, "$JS.API.CONSUMER.MSG.NEXT.RAW.transformer-to-kd")
	if strings.Contains(show(findings), "receipt.") {
		t.Errorf("refused is what is allowed: %s", show(findings))
	}
	findings = doctor.Examine(t.Context(), connect("operator", topology.Command), doctor.Options{AllowR1: true})
	if probe.Failed(findings) {
		t.Errorf("an operator: %s", show(findings))
	}
	findings = doctor.Examine(t.Context(), connect("hampered", topology.Command), doctor.Options{AllowR1: true})
	wantFinding(t, findings, "permissions", probe.Fail, "may not publish on $KV.shapes.erpstream-doctor, dead.erpstream-doctor.erpstream-doctor, which operator does")
}

// TestMonitors asks servers whether they write to disk before they acknowledge.
func TestMonitors(t *testing.T) {
	s := natstest.Start(t, &server.Options{JetStream: true, StoreDir: t.TempDir(), DontListen: true, HTTPHost: "127.0.0.1", HTTPPort: -1})
	js := natstest.Connect(t, s)
	furnish(t, js, 1)
	wrong := httptest.NewServer(http.NotFoundHandler())
	defer wrong.Close()
	early := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"server_name":"early","now":%q,"jetstream":{"config":{"sync_always":true,"max_storage":1000},"stats":{"storage":990}}}`, time.Now().Add(-time.Minute).Format(time.RFC3339Nano))
	}))
	defer early.Close()
	findings := doctor.Examine(t.Context(), js, doctor.Options{Monitors: []string{"http://" + s.MonitorAddr().String() + "/", wrong.URL, "http://127.0.0.1:1", early.URL}})
	wantFinding(t, findings, "sync", probe.Fail, "acknowledges before it writes to disk (sync_interval 2m0s)")
	wantFinding(t, findings, "sync", probe.Fail, "404")
	wantFinding(t, findings, "sync", probe.Fail, "does not answer")
	wantFinding(t, findings, "servers' clocks", probe.Fail, "server early is -1m0s ahead")
	wantFinding(t, findings, "servers' disks", probe.Fail, "990 of 1000")
}
