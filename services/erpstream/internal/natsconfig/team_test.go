package natsconfig_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/login"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/natsconfig"
)

// newTeam is a server with a team that may read TARGET, and a consumer of somebody else there.
func newTeam(t *testing.T) *world {
	t.Helper()
	team, err := topology.SubscriberRole("team", topology.Target)
	if err != nil {
		t.Fatal(err)
	}
	roles := append(topology.Roles(topology.Scope{}), topology.SinkRole(kindWebhook, topology.Scope{}), team)
	w := newWorld(t, natsconfig.Nkey, roles, login.Login{}, "")
	flowing(t, w.as("transformer"))(3)
	if _, err := w.as(webhook).CreateOrUpdateConsumer(t.Context(), topology.Target, jetstream.ConsumerConfig{
		Durable: "sink-webhook-hook", FilterSubject: "target.webhook.hook.>", AckPolicy: jetstream.AckExplicitPolicy,
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestATeamWorksOffItsConsumer(t *testing.T) {
	w := newTeam(t)
	c, err := w.as("team").CreateOrUpdateConsumer(t.Context(), topology.Target, jetstream.ConsumerConfig{
		Durable: "team", FilterSubject: "target.webhook.>", AckPolicy: jetstream.AckExplicitPolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := c.Fetch(3, jetstream.FetchMaxWait(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Error(err)
		}
	}
	info, err := c.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.AckFloor.Stream != 3 || info.NumPending != 0 || info.NumAckPending != 0 {
		t.Errorf("acknowledged up to %d, %d pending, %d in hand; want 3, 0, 0", info.AckFloor.Stream, info.NumPending, info.NumAckPending)
	}
}

func TestATeamMayDoNothingElse(t *testing.T) {
	w := newTeam(t)
	nc, err := w.dial("team")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	nc.SetErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})
	for _, subject := range []string{
		"target.webhook.hook.f.00", "target.team", "$KV.status.team.i.u",
		"$JS.API.CONSUMER.CREATE.TARGET", "$JS.API.CONSUMER.DURABLE.CREATE.TARGET.team",
		"$JS.API.CONSUMER.CREATE.TARGET.team-2.target.webhook.>", // a permission ends with a whole token: there is no team-*
		"$JS.API.CONSUMER.CREATE.TARGET.sink-webhook-hook.target.webhook.hook.>",
		"$JS.API.CONSUMER.INFO.TARGET.sink-webhook-hook", "$JS.API.CONSUMER.MSG.NEXT.TARGET.sink-webhook-hook",
		"$JS.API.CONSUMER.DELETE.TARGET.sink-webhook-hook", "$JS.API.CONSUMER.RESET.TARGET.sink-webhook-hook", "$JS.API.CONSUMER.UNPIN.TARGET.sink-webhook-hook",
		"$JS.ACK.TARGET.sink-webhook-hook.1.1.1.1.0", "$JS.ACK.any.any.TARGET.sink-webhook-hook.1.1.1.1.0",
		"$JS.API.DIRECT.GET.TARGET", "$JS.API.STREAM.MSG.GET.TARGET", "$JS.API.STREAM.INFO.RAW", "$JS.API.STREAM.NAMES", "$JS.API.CONSUMER.LIST.TARGET",
		"$JS.API.CONSUMER.CREATE.RAW.team", "$JS.API.CONSUMER.CREATE.RAW.team.raw.>", "$JS.API.CONSUMER.MSG.NEXT.RAW.team", "$JS.ACK.RAW.team.1.1.1.1.0",
	} {
		if !refused(t, nc, subject, func() error { return nc.Publish(subject, nil) }) {
			t.Errorf("a team may publish on %s", subject)
		}
	}
	// What a request asks for in its body must be what its subject says.
	for subject, body := range map[string]string{
		"$JS.API.CONSUMER.CREATE.TARGET.team":                  `{"stream_name":"RAW","config":{"name":"team","durable_name":"team","ack_policy":"explicit"}}`,
		"$JS.API.CONSUMER.CREATE.TARGET.team.target.webhook.>": `{"stream_name":"TARGET","config":{"name":"sink-webhook-hook","durable_name":"sink-webhook-hook","filter_subject":"target.webhook.>","ack_policy":"explicit"}}`,
	} {
		answer, err := nc.Request(subject, []byte(body), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(answer.Data), `"error"`) {
			t.Errorf("%s with %s: %s", subject, body, answer.Data)
		}
	}
}

// TestAConsumerDeliversToListenersAlone holds docs/nats.md to what it says of consumers that push: they reach a program
// that listens, but put nothing into a stream and call nothing of JetStream.
func TestAConsumerDeliversToListenersAlone(t *testing.T) {
	w := newTeam(t)
	js, watchdog := w.as("team"), w.as("watchdog")
	nc, err := w.dial("transformer")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	const inbox = "_INBOX_transformer.one.two"
	heard, err := nc.SubscribeSync(inbox)
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	for subject, reached := range map[string]bool{
		inbox: true, "raw.jushuitan.s.00": false, "$KV.config.flow.f": false, "$JS.API.STREAM.PURGE.TARGET": false, "$JS.API.STREAM.DELETE.RAW": false,
	} {
		c, err := js.CreateOrUpdatePushConsumer(t.Context(), topology.Target, jetstream.ConsumerConfig{Durable: "team", DeliverSubject: subject})
		if err != nil {
			t.Fatal(err)
		}
		if reached {
			if _, err := heard.NextMsg(10 * time.Second); err != nil {
				t.Errorf("nothing came to %s: %v", subject, err)
			}
		}
		info, err := c.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.PushBound != reached || info.Delivered.Consumer > 0 != reached {
			t.Errorf("delivery to %s: bound %t, %d delivered", subject, info.PushBound, info.Delivered.Consumer)
		}
		if err := watchdog.DeleteConsumer(t.Context(), topology.Target, "team"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNackMakesTheStreams with a client that has the default inboxes, and nothing else.
func TestNackMakesTheStreams(t *testing.T) {
	w := newWorld(t, natsconfig.Nkey, append(topology.Roles(topology.Scope{}), topology.NackRole()), login.Login{}, "")
	options, err := w.login(topology.RoleNack).Options(func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(w.server.ClientURL(), append(options, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	for _, config := range topology.Streams(1) {
		if _, err := js.Stream(t.Context(), config.Name); err != nil {
			t.Fatal(err)
		}
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Error(err)
		}
	}
	for _, subject := range []string{"$JS.API.STREAM.DELETE.RAW", "$JS.API.STREAM.PURGE.RAW", "$KV.config.flow.f", "$JS.API.DIRECT.GET.RAW", "$JS.API.CONSUMER.CREATE.RAW.mine"} {
		if !refused(t, nc, subject, func() error { return nc.Publish(subject, nil) }) {
			t.Errorf("NACK may publish on %s", subject)
		}
	}
}
