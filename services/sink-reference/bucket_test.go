package main

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	"github.com/erpstream/erpstream/pkg/fault"
	"github.com/erpstream/erpstream/pkg/record"
	"github.com/erpstream/erpstream/pkg/reference"
	"github.com/erpstream/erpstream/pkg/sink"
	"github.com/erpstream/erpstream/pkg/sink/sinktest"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	referencev1 "github.com/erpstream/erpstream/proto/gen/erpstream/reference/v1"
)

const collection = "kingdee.material"

// message is a material whose name is the content.
func message(key string, version int64, content string) sink.Message {
	return sink.Message{
		Envelope: record.Envelope{Type: collection, Key: key, Version: version, Schema: "erpstream.reference.v1.Entry", Flow: "materials"},
		Body:     entry(collection, key, content),
	}
}

func entry(collection, id, content string) []byte {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(&referencev1.Entry{
		Collection: &collection, Id: &id, Fields: map[string]string{"name": content, "number": "N" + id},
	})
	if err != nil {
		panic(err)
	}
	return body
}

// stored returns the names of the materials in the bucket, by id.
func stored(t *testing.T, js jetstream.JetStream) map[string]string {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), topology.BucketReference)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := kv.Watch(t.Context(), "kd-main."+collection+".*", jetstream.IgnoreDeletes())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watch.Stop() }()
	names := map[string]string{}
	for e := range watch.Updates() {
		if e == nil {
			break
		}
		m := new(referencev1.Entry)
		if err := proto.Unmarshal(e.Value(), m); err != nil {
			t.Fatal(err)
		}
		names[m.GetId()] = m.GetFields()["name"]
	}
	return names
}

func TestSink(t *testing.T) {
	js := natstest.Run(t)
	sinktest.Run(t, sinktest.Suite{
		Sink:    bucket{js: js, connection: "kd-main"},
		Message: message,
		Stored:  func() map[string]string { return stored(t, js) },
		Poison: func(key string, version int64) sink.Message {
			m := message(key, version, "x")
			m.Body = entry(collection, "another", "x")
			return m
		},
	})
}

func TestWhatCanNotBeKept(t *testing.T) {
	js := natstest.Run(t)
	tests := []struct {
		name, class, want string
		change            func(*sink.Message)
	}{
		{"another id", "reference", "the id of the entry is not the key of its record", func(m *sink.Message) { m.Key = "2" }},
		{"another collection", "reference", "the entry is of collection kingdee.material, and flow materials fills kingdee.unit", func(m *sink.Message) { m.Type = "kingdee.unit" }},
		{"another option", "reference", "fills kingdee.unit", func(m *sink.Message) { m.Options = map[string][]string{"collection": {"kingdee.unit"}} }},
		{"another message", "schema", "erpstream.kingdee.v1.Customer is no entry", func(m *sink.Message) { m.Schema = "erpstream.kingdee.v1.Customer" }},
		{"no protobuf", "schema", "decode", func(m *sink.Message) { m.Body = []byte{0xff} }},
	}
	for _, tt := range tests {
		m := message("1", 1, "x")
		tt.change(&m)
		err := bucket{js: js, connection: "kd-main"}.Write(t.Context(), []sink.Message{m, message("9", 1, "good")})
		failed, ok := err.(*sink.BatchError) //nolint:errorlint // Write returns it as it is
		if !ok || len(failed.Errs) != 1 || !fault.IsPermanent(failed.Errs[0]) || fault.ClassOf(failed.Errs[0]) != tt.class || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if got := stored(t, js); len(got) != 1 || got["9"] != "good" {
		t.Errorf("stored %v, want what stood beside the bad ones", got)
	}
}

func TestOptionNamesTheCollection(t *testing.T) {
	js := natstest.Run(t)
	b := bucket{js: js, connection: "kd-main"}
	m := message("1", 1, "x")
	m.Type, m.Options = "kingdee.item", map[string][]string{"collection": {collection}}
	if err := b.Write(t.Context(), []sink.Message{m}); err != nil || stored(t, js)["1"] != "x" {
		t.Fatalf("%v, stored %v", err, stored(t, js))
	}
	m.Type, m.Body, m.Version = "kingdee.item"+record.RemovedSuffix, nil, 2
	if err := b.Write(t.Context(), []sink.Message{m}); err != nil || len(stored(t, js)) != 0 {
		t.Errorf("%v, stored %v after the removal", err, stored(t, js))
	}
}

// TestSameContentMovesTheVersion: what is between two versions with the same content comes late.
func TestSameContentMovesTheVersion(t *testing.T) {
	js := natstest.Run(t)
	b := bucket{js: js, connection: "kd-main"}
	for i, step := range []struct {
		version int64
		content string
		want    sink.Outcome
	}{{1, "a", sink.Committed}, {3, "a", sink.Unchanged}, {2, "b", sink.Superseded}, {3, "a", sink.Unchanged}} {
		batch := []sink.Message{message("1", step.version, step.content)}
		batch[0].RawSequence = uint64(step.version)
		if err := b.Write(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if batch[0].Outcome != step.want || stored(t, js)["1"] != "a" {
			t.Errorf("step %d: %v, stored %v", i, batch[0].Outcome, stored(t, js))
		}
	}
	stream, err := js.Stream(t.Context(), reference.Stream)
	if err != nil {
		t.Fatal(err)
	}
	if last := stream.CachedInfo().State.LastSeq; last != 2 {
		t.Errorf("%d writes, want 2: the very same message is not written again", last)
	}
}

// TestReplicasWriteAtOnce lets two replicas write versions of the same documents in opposite orders.
func TestReplicasWriteAtOnce(t *testing.T) {
	js := natstest.Run(t)
	const documents, versions = 20, 15
	var replicas sync.WaitGroup
	for r := range 2 {
		replicas.Go(func() {
			for n := range versions {
				version := int64(n + 1)
				if r == 1 {
					version = int64(versions - n)
				}
				var batch []sink.Message
				for d := range documents {
					batch = append(batch, message(strconv.Itoa(d), version, fmt.Sprint("v", version)))
				}
				if err := (bucket{js: js, connection: "kd-main"}).Write(t.Context(), batch); err != nil {
					t.Errorf("replica %d, version %d: %v", r, version, err)
				}
			}
		})
	}
	replicas.Wait()
	for id, content := range stored(t, js) {
		if content != fmt.Sprint("v", versions) {
			t.Errorf("document %s is %s, want the newest", id, content)
		}
	}
}

func TestIDsOfAnyLetters(t *testing.T) {
	js := natstest.Run(t)
	b := bucket{js: js, connection: "kd-main"}
	var batch []sink.Message
	ids := []string{"采购/1", "a.b", "a b", "a*>", strings.Repeat("长", 200)}
	for _, id := range ids {
		batch = append(batch, message(id, 1, "c "+id))
	}
	if err := b.Write(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	got := stored(t, js)
	for _, id := range ids {
		if got[id] != "c "+id {
			t.Errorf("id %.20q is stored as %.20q", id, got[id])
		}
	}
}

// BenchmarkWrite stores batches of 1000 new entries.
func BenchmarkWrite(b *testing.B) {
	js := natstest.Run(b)
	key := 0
	for b.Loop() {
		batch := make([]sink.Message, 1_000)
		for i := range batch {
			key++
			batch[i] = message(strconv.Itoa(key), 1, "content")
		}
		if err := (bucket{js: js, connection: "kd-main"}).Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
