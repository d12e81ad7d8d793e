// Package reference_test tries the store of master data on a real server.
package reference_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

const (
	connection = "kd-main"
	materials  = "kingdee.material"
)

// run follows the bucket until the test ends.
func run(t *testing.T, js jetstream.JetStream) *reference.Store {
	t.Helper()
	store := reference.NewStore(js, connection, slog.New(slog.DiscardHandler))
	keep(t, store)
	return store
}

// keep keeps a store running until the test ends or stop is called.
func keep(t *testing.T, store *reference.Store) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := store.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Run = %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); done.Wait() })
	t.Cleanup(stop)
	return stop
}

// put stores an entry as the sink does.
func put(t testing.TB, js jetstream.JetStream, at, collection, id string, fields map[string]string) {
	t.Helper()
	body, err := proto.Marshal(&referencev1.Entry{Collection: &collection, Id: &id, Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	write(t, js, reference.Key(at, collection, id), reference.State{Version: 1, RawSequence: 1, Body: body})
}

func write(t testing.TB, js jetstream.JetStream, key string, state reference.State) {
	t.Helper()
	msg := state.Message(key)
	msg.Header.Del(jetstream.ExpectedLastSubjSeqHeader)
	if _, err := js.PublishMsg(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, js jetstream.JetStream, collection, id string) {
	t.Helper()
	write(t, js, reference.Key(connection, collection, id), reference.State{Version: 2})
}

// finds waits until a look-up gives these ids.
func finds(t *testing.T, store *reference.Store, field, value string, want ...string) {
	t.Helper()
	natstest.Eventually(t, func() error {
		var ids []string
		for _, e := range store.Find(materials, field, value) {
			ids = append(ids, e.ID)
		}
		slices.Sort(ids)
		if !slices.Equal(ids, want) {
			return fmt.Errorf("%s %q leads to %v, want %v", field, value, ids, want)
		}
		return nil
	})
}

func TestInitialStateIsKnownWhenReady(t *testing.T) {
	js := natstest.Run(t)
	const n = 3_000
	for i := range n {
		put(t, js, connection, materials, strconv.Itoa(i), map[string]string{"number": fmt.Sprint("A", i), "name": "x"})
	}
	put(t, js, "kd-other", materials, "1", map[string]string{"number": "A1"})
	remove(t, js, materials, "7")
	store := run(t, js)
	if err := store.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := store.Len(materials); got != n-1 {
		t.Errorf("%d entries when ready, want %d", got, n-1)
	}
	found := store.Find(materials, "number", "A1234")
	if len(found) != 1 || found[0].ID != "1234" {
		t.Fatalf("found %v", found)
	}
	for field, want := range map[string]string{"id": "1234", "number": "A1234", "name": "x"} {
		if value, ok := found[0].Field(field); !ok || value != want {
			t.Errorf("field %s = %q, %v, want %q", field, value, ok, want)
		}
	}
	if value, ok := found[0].Field("weight"); ok {
		t.Errorf("a field that is not there is %q", value)
	}
	if got := store.Find("kingdee.unit", "number", "A1"); got != nil {
		t.Errorf("a collection that is not there has %v", got)
	}
}

func TestEmptyBucketIsReady(t *testing.T) {
	store := run(t, natstest.Run(t))
	if err := store.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := store.Find(materials, "number", "A1"); found != nil {
		t.Errorf("found %v", found)
	}
}

func TestChangesAreFollowed(t *testing.T) {
	js := natstest.Run(t)
	store := run(t, js)
	finds(t, store, "number", "A1")
	put(t, js, connection, materials, "采购/1", map[string]string{"number": " A1 ", "code": ""})
	finds(t, store, "number", "A1", "采购/1")
	finds(t, store, "number", "  A1", "采购/1")
	finds(t, store, "id", "采购/1", "采购/1")
	finds(t, store, "code", "")
	put(t, js, connection, materials, "2", map[string]string{"number": "A1"})
	finds(t, store, "number", "A1", "2", "采购/1")
	put(t, js, connection, materials, "2", map[string]string{"number": "A2"})
	finds(t, store, "number", "A1", "采购/1")
	finds(t, store, "number", "A2", "2")
	remove(t, js, materials, "2")
	finds(t, store, "number", "A2")
	remove(t, js, materials, "2")
	put(t, js, connection, materials, "2", map[string]string{"number": "A3"})
	finds(t, store, "number", "A3", "2")
	finds(t, store, "number", "A2")
}

// TestDeletedByHand: any KV client may look into the bucket and delete from it.
func TestDeletedByHand(t *testing.T) {
	js := natstest.Run(t)
	store := run(t, js)
	kv, err := js.KeyValue(t.Context(), topology.BucketReference)
	if err != nil {
		t.Fatal(err)
	}
	for i, remove := range []func(context.Context, string, ...jetstream.KVDeleteOpt) error{kv.Delete, kv.Purge} {
		put(t, js, connection, materials, "1", map[string]string{"number": fmt.Sprint("A", i)})
		finds(t, store, "number", fmt.Sprint("A", i), "1")
		if err := remove(t.Context(), reference.Key(connection, materials, "1")); err != nil {
			t.Fatal(err)
		}
		finds(t, store, "number", fmt.Sprint("A", i))
	}
}

func TestWhatCanNotBeReadIsLeftOut(t *testing.T) {
	js := natstest.Run(t)
	store := run(t, js)
	write(t, js, reference.Key(connection, materials, "1"), reference.State{Version: 1, Body: []byte{0xff}})
	write(t, js, connection+".lone", reference.State{Version: 1, Body: []byte{0x0a, 0}})
	put(t, js, connection, materials, "2", map[string]string{"number": "A2"})
	finds(t, store, "number", "A2", "2")
	if got := store.Len(materials); got != 1 {
		t.Errorf("%d entries", got)
	}
}

func TestArrivalsAreTold(t *testing.T) {
	js := natstest.Run(t)
	store := run(t, js)
	if err := store.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	arrivals, stop := store.Arrivals()
	defer stop()
	told := func() bool {
		select {
		case <-arrivals:
			return true
		default:
			return false
		}
	}
	put(t, js, connection, materials, "1", map[string]string{"number": "A1"})
	select {
	case <-arrivals:
	case <-time.After(time.Minute):
		t.Fatal("nobody told of an arrival")
	}
	finds(t, store, "number", "A1", "1")
	// The same again and a removal release nothing; what follows shows that both are known.
	put(t, js, connection, materials, "1", map[string]string{"number": "A1"})
	remove(t, js, materials, "1")
	finds(t, store, "number", "A1")
	if told() {
		t.Error("told of what is no arrival")
	}
	for i := range 100 { // a burst does not block, and ends in one value
		put(t, js, connection, materials, strconv.Itoa(i), map[string]string{"number": fmt.Sprint("B", i)})
	}
	finds(t, store, "number", "B99", "99")
	if !told() || told() {
		t.Error("a burst is told more than once, or not at all")
	}
}

// TestRunAgainForgets stops following, changes the bucket, and follows again.
func TestRunAgainForgets(t *testing.T) {
	js := natstest.Run(t)
	store := reference.NewStore(js, connection, slog.New(slog.DiscardHandler))
	stop := keep(t, store)
	for i := range 3 {
		put(t, js, connection, materials, strconv.Itoa(i), map[string]string{"number": fmt.Sprint("A", i)})
	}
	finds(t, store, "number", "A2", "2")
	stop()
	stream, err := js.Stream(t.Context(), reference.Stream)
	if err != nil {
		t.Fatal(err)
	}
	// What is purged as a stream leaves no marker, as a bucket that was made anew does not.
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject(reference.Subject(reference.Key(connection, materials, "1")))); err != nil {
		t.Fatal(err)
	}
	put(t, js, connection, materials, "2", map[string]string{"number": "A9"})
	keep(t, store)
	finds(t, store, "number", "A9", "2")
	finds(t, store, "number", "A1")
	finds(t, store, "number", "A0", "0")
}

// TestReconnects takes the server away and brings it back: what came meanwhile is followed.
func TestReconnects(t *testing.T) {
	opts := server.Options{JetStream: true, StoreDir: t.TempDir(), Host: "127.0.0.1", Port: server.RANDOM_PORT}
	first := opts
	s := natstest.Start(t, &first)
	address, ok := s.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("the server listens on %v", s.Addr())
	}
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topology.Provision(t.Context(), js, 1); err != nil {
		t.Fatal(err)
	}
	store := run(t, js)
	put(t, js, connection, materials, "1", map[string]string{"number": "A1"})
	finds(t, store, "number", "A1", "1")

	s.Shutdown()
	s.WaitForShutdown()
	opts.Port = address.Port
	back := natstest.Connect(t, natstest.Start(t, &opts))
	put(t, back, connection, materials, "2", map[string]string{"number": "A2"})
	finds(t, store, "number", "A2", "2")
	finds(t, store, "number", "A1", "1")
}

func TestReadersAndChangesAtOnce(t *testing.T) {
	js := natstest.Run(t)
	store := run(t, js)
	put(t, js, connection, materials, "0", map[string]string{"number": "A", "code": "C"})
	finds(t, store, "number", "A", "0")
	var at sync.WaitGroup
	for range 3 {
		at.Go(func() {
			for range 2_000 {
				for _, field := range []string{"number", "code", "other"} {
					for _, e := range store.Find(materials, field, "A") {
						if value, ok := e.Field("number"); ok && value != "A" {
							t.Errorf("found by number A is one with %s", value)
						}
					}
				}
			}
		})
	}
	for i := range 500 {
		put(t, js, connection, materials, strconv.Itoa(i%10), map[string]string{"number": []string{"A", "B"}[i%2], "code": "C"})
	}
	at.Wait()
}

func TestKeysAreTellable(t *testing.T) {
	ids := []string{"1", "01", "a.b", "a=b", "a=2Eb", "a b", "采购", "a*", "a>", "A", "a/b"}
	seen := map[string]string{}
	for _, id := range ids {
		key := reference.Key(connection, materials, id)
		if other, twice := seen[key]; twice {
			t.Errorf("%q and %q have the key %s", id, other, key)
		}
		seen[key] = id
		if !strings.HasPrefix(key, connection+"."+materials+".") || strings.Count(key, ".") != 3 || strings.ContainsAny(key, " *>") {
			t.Errorf("key of %q is %s", id, key)
		}
	}
}

func TestStateSurvivesTheBucket(t *testing.T) {
	js := natstest.Run(t)
	stream, err := js.Stream(t.Context(), reference.Stream)
	if err != nil {
		t.Fatal(err)
	}
	key := reference.Key(connection, materials, "1")
	for _, want := range []reference.State{{Version: 1_767_225_600_000, RawSequence: 17, Body: []byte("x")}, {Version: 5, RawSequence: 18}} {
		write(t, js, key, want)
		msg, err := stream.GetLastMsgForSubject(t.Context(), reference.Subject(key))
		if err != nil {
			t.Fatal(err)
		}
		got, err := reference.Read(msg)
		if err != nil || got.Version != want.Version || got.RawSequence != want.RawSequence || string(got.Body) != string(want.Body) || got.Revision != msg.Sequence {
			t.Errorf("%+v, %v, want %+v", got, err, want)
		}
	}
	msg, err := stream.GetLastMsgForSubject(t.Context(), reference.Subject(key))
	if err != nil {
		t.Fatal(err)
	}
	msg.Header.Set(topology.HeaderRecordVersion, "many")
	if _, err := reference.Read(msg); err == nil || !strings.Contains(err.Error(), "ce-recordversion") {
		t.Errorf("%v, want the header that is wrong", err)
	}
	if got, err := reference.Read(&jetstream.RawStreamMsg{Header: nats.Header{}, Sequence: 3}); err != nil || got.Revision != 3 || got.Version != 0 {
		t.Errorf("%+v, %v of what a person wrote", got, err)
	}
}

func TestCollection(t *testing.T) {
	for _, tt := range []struct{ option, feed, want string }{
		{"", "kingdee.material", "kingdee.material"},
		{"", "kingdee.material.removed", "kingdee.material"},
		{"kingdee.item", "kingdee.material.removed", "kingdee.item"},
	} {
		if got := reference.Collection(tt.option, tt.feed); got != tt.want {
			t.Errorf("Collection(%q, %q) = %q, want %q", tt.option, tt.feed, got, tt.want)
		}
	}
}
