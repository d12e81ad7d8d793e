package topology_test

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
)

func TestProvisionTwiceChangesNothing(t *testing.T) {
	js := natstest.Connect(t, natstest.Server(t))
	first, err := topology.Provision(t.Context(), js, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range first {
		if c.Action != topology.Create {
			t.Errorf("first: %v, want create", c)
		}
	}
	second, err := topology.Provision(t.Context(), js, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range second {
		if c.Action != topology.Keep {
			t.Errorf("second: %v, want keep", c)
		}
	}
	for _, name := range []string{topology.BucketConfig, topology.BucketLinks, topology.BucketReference, topology.BucketStatus} {
		kv, err := js.KeyValue(t.Context(), name)
		if err != nil {
			t.Errorf("bucket %s: %v", name, err)
			continue
		}
		if _, err := kv.PutString(t.Context(), "flow.a", "b"); err != nil {
			t.Errorf("bucket %s: put: %v", name, err)
		}
	}
}

func TestProvisionRefusesToDestroy(t *testing.T) {
	tests := []struct {
		name   string
		change func(*jetstream.StreamConfig)
		want   string
	}{
		{"longer age", func(c *jetstream.StreamConfig) { c.MaxAge = 60 * 24 * time.Hour }, "max_age"},
		{"no age", func(c *jetstream.StreamConfig) { c.MaxAge = 0 }, "max_age: 0s -> 720h0m0s"},
		{"more subjects", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "mine.>") }, "subjects"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			js := natstest.Run(t)
			stream, err := js.Stream(t.Context(), topology.Raw)
			if err != nil {
				t.Fatal(err)
			}
			config := stream.CachedInfo().Config
			tt.change(&config)
			if _, err := js.UpdateStream(t.Context(), config); err != nil {
				t.Fatal(err)
			}
			// A harmless difference elsewhere must not be applied either.
			events, _ := js.Stream(t.Context(), topology.Events)
			harmless := events.CachedInfo().Config
			harmless.Duplicates = time.Minute
			if _, err := js.UpdateStream(t.Context(), harmless); err != nil {
				t.Fatal(err)
			}
			if _, err := topology.Provision(t.Context(), js, 1); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "RAW") {
				t.Errorf("Provision = %v, want a refusal that names %q", err, tt.want)
			}
			events, _ = js.Stream(t.Context(), topology.Events)
			if got := events.CachedInfo().Config.Duplicates; got != time.Minute {
				t.Errorf("a refused plan was applied in part: duplicate window of EVENTS is %v", got)
			}
		})
	}
}

func TestProvisionMendsWhatIsHarmless(t *testing.T) {
	js := natstest.Run(t)
	stream, _ := js.Stream(t.Context(), topology.Raw)
	config := stream.CachedInfo().Config
	config.MaxAge, config.Duplicates = time.Hour, time.Minute
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	plan, err := topology.Provision(t.Context(), js, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan {
		want := topology.Keep
		if c.Stream == topology.Raw {
			want = topology.Update
		}
		if c.Action != want {
			t.Errorf("%v, want %s", c, want)
		}
	}
}

// TestProvisionKeepsMoreRevisions provisions over a configuration bucket that keeps one revision of a document:
// it keeps what it has, and from then on so many that there is something to roll back to.
func TestProvisionKeepsMoreRevisions(t *testing.T) {
	js := natstest.Run(t)
	stream, err := js.Stream(t.Context(), "KV_"+topology.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	config := stream.CachedInfo().Config
	config.MaxMsgsPerSubject = 1
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), topology.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	put := func(from, to int) {
		for n := from; n <= to; n++ {
			if _, err := kv.PutString(t.Context(), "flow.a", fmt.Sprint(n)); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(1, 3)
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	put(4, 80)
	history, err := kv.History(t.Context(), "flow.a")
	if err != nil || len(history) != topology.ConfigHistory || string(history[0].Value()) != "17" {
		t.Errorf("%d revisions are kept, want %d, %v", len(history), topology.ConfigHistory, err)
	}
}

func TestJetStreamOffIsOneLine(t *testing.T) {
	js := natstest.Connect(t, natstest.Start(t, &server.Options{DontListen: true}))
	_, err := topology.Plan(t.Context(), js, 1)
	if err == nil || !strings.Contains(err.Error(), "JetStream off") || strings.Contains(err.Error(), "\n") {
		t.Errorf("Plan = %v, want one line about JetStream being off", err)
	}
}

func TestPartitionIsTheServersOwn(t *testing.T) {
	for _, key := range []string{"2204001", "采购", ""} {
		h := fnv.New32a()
		h.Write([]byte(key))
		want := int(h.Sum32() % 64)
		if got := topology.Partition(key); len(got) != 2 || int(got[0]-'0')*10+int(got[1]-'0') != want {
			t.Errorf("Partition(%q) = %q, want %02d", key, got, want)
		}
	}
}

// Everything that poll relies on: a batch is contiguous, fenced by the window subject alone, and
// refused whole when the fence is stale; windows reach LEDGER with their own age.
func TestBatchIsFencedByItsWindow(t *testing.T) {
	js := natstest.Run(t)
	publish := func(last string) (*jetstreamext.BatchAck, error) {
		window := nats.NewMsg(topology.WindowSubject("src"))
		window.Header.Set(jetstream.ExpectedLastSubjSeqHeader, last)
		window.Header.Set("Nats-TTL", "never")
		return jetstreamext.PublishMsgBatch(t.Context(), js, []*nats.Msg{
			nats.NewMsg(topology.RawSubject("sys", "src", "1")), nats.NewMsg(topology.RawSubject("sys", "src", "2")), window,
		})
	}
	ack, err := publish("0")
	if err != nil || ack.Sequence != 3 {
		t.Fatalf("first batch: %+v, %v, want sequence 3", ack, err)
	}
	if _, err := publish("0"); err == nil {
		t.Error("a batch with a stale fence was taken")
	}
	if ack, err = publish("3"); err != nil || ack.Sequence != 6 {
		t.Fatalf("second batch: %+v, %v, want sequence 6", ack, err)
	}
	ledger, _ := js.Stream(t.Context(), topology.Ledger)
	for range 2 {
		cons, err := ledger.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"window.src", "window.src"} {
			msg, err := cons.Next(jetstream.FetchMaxWait(5 * time.Second))
			if err != nil || msg.Subject() != want {
				t.Fatalf("ledger: %v, %v, want %s", msg, err, want)
			}
		}
	}
}

// TestFullStreamRefuses gives a stream a limit, as an operator may: what comes is refused, and nothing
// that is there makes room for it.
func TestFullStreamRefuses(t *testing.T) {
	js := natstest.Run(t)
	for _, c := range topology.Streams(1) {
		if c.Discard != jetstream.DiscardNew && c.Name != topology.Polls {
			t.Errorf("stream %s drops the oldest when it is full", c.Name)
		}
	}
	stream, _ := js.Stream(t.Context(), topology.Dead)
	config := stream.CachedInfo().Config
	config.MaxMsgs, config.Discard = 1, jetstream.DiscardOld // as releases before this one had it
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	plan, err := topology.Provision(t.Context(), js, 1)
	if err != nil || !slices.ContainsFunc(plan, func(c topology.Change) bool {
		return c.String() == "update  DEAD (discard: DiscardOld -> DiscardNew)"
	}) {
		t.Fatalf("plan %v, %v", plan, err)
	}
	if _, err := js.Publish(t.Context(), topology.DeadSubject("sink", "a"), []byte("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), topology.DeadSubject("sink", "a"), []byte("second")); err == nil {
		t.Error("a full stream took a message")
	}
	if first, err := stream.GetMsg(t.Context(), 1); err != nil || string(first.Data) != "first" {
		t.Errorf("%v, %v: the letter that was there is gone", first, err)
	}
}

// TestMoreConsumersThanTheServerGivesAStream has a server that gives a stream one consumer where nothing else
// is said, as it does with a thousand, and streams from before anything was said.
func TestMoreConsumersThanTheServerGivesAStream(t *testing.T) {
	s := natstest.Start(t, &server.Options{
		JetStream: true, StoreDir: t.TempDir(), DontListen: true, JetStreamLimits: server.JSLimitOpts{DefaultMaxConsumers: 1},
	})
	js := natstest.Connect(t, s)
	for _, config := range topology.Streams(1) {
		config.MaxConsumers = 0
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	filters := map[string]string{topology.Polls: "poll.a%d.*", topology.Raw: "raw.a.b%d.*", topology.Target: "target.mysql.a%d.>"}
	for stream, filter := range filters {
		for i := range 3 {
			config := jetstream.ConsumerConfig{Durable: fmt.Sprint("c", i), FilterSubject: fmt.Sprintf(filter, i), AckPolicy: jetstream.AckExplicitPolicy}
			if _, err := js.CreateConsumer(t.Context(), stream, config); err != nil {
				t.Errorf("consumer %d of %s: %v", i+1, stream, err)
			}
		}
	}
}
