package backup_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/batch"
	"github.com/erpstream/erpstream/pkg/test/natstest"
	"github.com/erpstream/erpstream/pkg/topology"
	"github.com/erpstream/erpstream/services/erpstream/internal/backup"
)

func quiet(string, uint64, uint64, uint64, bool) {}

func write(t *testing.T, js jetstream.JetStream) (dir string, m backup.Manifest) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backup")
	m, err := backup.Write(t.Context(), js, dir, "v0.1.0", quiet)
	if err != nil {
		t.Fatal(err)
	}
	return dir, m
}

func restore(t *testing.T, js jetstream.JetStream, dir string) backup.Restored {
	t.Helper()
	done, err := backup.Restore(t.Context(), js, dir, backup.Options{Progress: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// publish puts messages with a header on a subject.
func publish(t testing.TB, js jetstream.JetStream, n int, subject string) {
	t.Helper()
	for i := range n {
		msg := nats.NewMsg(subject)
		msg.Header.Set("ce-subject", fmt.Sprint(i))
		msg.Data = fmt.Appendf(nil, `{"i":%d}`, i)
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
}

// filled is a server with something in many of its streams, and with a consumer that has settled 60 records of
// RAW, the last one out of turn.
func filled(t testing.TB) jetstream.JetStream {
	t.Helper()
	js := natstest.Run(t)
	publish(t, js, 100, "raw.jushuitan.jst-purchasein.07")
	publish(t, js, 3, "window.jst-purchasein")
	publish(t, js, 30, "target.mysql.bi-main.jst-purchasein-to-mysql.07")
	put(t, js, topology.BucketConfig, "connection.bi-main", "connection: bi-main\nsystem: mysql\n")
	put(t, js, topology.BucketConfig, "connection.bi-main", "connection: bi-main\nsystem: mysql\nendpoint: mysql://db/bi\n")
	put(t, js, topology.BucketConfig, "flow.gone", "flow: gone\n")
	config, err := js.KeyValue(t.Context(), topology.BucketConfig)
	if err == nil {
		err = config.Delete(t.Context(), "flow.gone")
	}
	if err != nil {
		t.Fatal(err)
	}
	cons, err := js.CreateConsumer(t.Context(), topology.Raw, jetstream.ConsumerConfig{Durable: "transformer", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: -1})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, cons, 61, 59)
	natstest.Eventually(t, func() error { return holds(js, topology.Ledger, 3) }) // which the server does in its own time
	return js
}

// settle settles messages but one.
func settle(t testing.TB, cons jetstream.Consumer, n, except int) {
	t.Helper()
	msgs, err := cons.Fetch(n)
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for msg := range msgs.Messages() {
		if i++; i-1 == except {
			continue
		}
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func put(t testing.TB, js jetstream.JetStream, bucket, key, value string) {
	t.Helper()
	kv, err := js.KeyValue(t.Context(), bucket)
	if err == nil {
		_, err = kv.PutString(t.Context(), key, value)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func stream(t *testing.T, js jetstream.JetStream, name string) *jetstream.StreamInfo {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo()
}

func TestRestoredIsWhatWasBackedUp(t *testing.T) {
	dir, m := write(t, filled(t))
	if got := named(m, topology.Raw); got.Messages != 103 || got.Last != 103 || got.Consumers["transformer"] != 59 {
		t.Errorf("manifest says of RAW %+v, want 103 messages and the consumer at 59", got)
	}
	js := natstest.Connect(t, natstest.Server(t))
	done := restore(t, js, dir)
	if !done.To.Equal(m.Began) || len(done.Streams) != len(m.Streams) {
		t.Errorf("restored %+v", done)
	}
	raw := stream(t, js, topology.Raw)
	if raw.State.Msgs != 103 || raw.State.FirstSeq != 1 || raw.State.LastSeq < 1_000_000 {
		t.Errorf("RAW is %+v, want 103 messages and a last sequence far ahead", raw.State)
	}
	if got := stream(t, js, topology.Target).State; got.Msgs != 30 || got.LastSeq != 30 {
		t.Errorf("TARGET is %+v, want 30 messages", got)
	}
	config, err := js.KeyValue(t.Context(), topology.BucketConfig)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := config.Get(t.Context(), "connection.bi-main")
	if err != nil || entry.Revision() != 2 || !strings.Contains(string(entry.Value()), "endpoint") {
		t.Errorf("document %v, %v; want revision 2", entry, err)
	}
	next := consumerOf(t, js)
	if first := one(t, next); first != 60 {
		t.Errorf("the consumer goes on at %d, want 60, the first that was not settled", first)
	}
	plan, err := topology.Plan(t.Context(), js, 1)
	for _, c := range plan {
		if err != nil || c.Action != topology.Keep {
			t.Errorf("after the restore provision would %s, %v", c, err)
		}
	}
}

func named(m backup.Manifest, name string) backup.Stream {
	return m.Streams[slices.IndexFunc(m.Streams, func(s backup.Stream) bool { return s.Name == name })]
}

func consumerOf(t *testing.T, js jetstream.JetStream) jetstream.Consumer {
	t.Helper()
	cons, err := js.Consumer(t.Context(), topology.Raw, "transformer")
	if err != nil {
		t.Fatal(err)
	}
	return cons
}

// one fetches a message and returns its sequence.
func one(t *testing.T, cons jetstream.Consumer) uint64 {
	t.Helper()
	msg, err := cons.Next()
	if err != nil {
		t.Fatal(err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return meta.Sequence.Stream
}

func TestDocumentsAreFilesForApply(t *testing.T) {
	dir, m := write(t, filled(t))
	if len(m.Documents) != 1 || m.Documents[0].Path != "config/connections/bi-main.yaml" {
		t.Fatalf("documents %+v, want the connection alone", m.Documents)
	}
	text, err := os.ReadFile(filepath.Join(dir, m.Documents[0].Path))
	if err != nil || string(text) != "connection: bi-main\nsystem: mysql\nendpoint: mysql://db/bi\n" {
		t.Errorf("document %q, %v; want the newest revision", text, err)
	}
}

// TestNoBatchIsTorn backs up while records and their window come in atomic batches: each backup ends with a window.
func TestNoBatchIsTorn(t *testing.T) {
	js := natstest.Run(t)
	raw, err := js.Stream(t.Context(), topology.Raw)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		var going sync.WaitGroup
		going.Go(func() {
			for ctx.Err() == nil {
				if _, err := batch.Publish(ctx, js, reading(300)); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
		_, m := write(t, js)
		cancel()
		going.Wait()
		if torn := named(m, topology.Raw).Messages % 301; torn != 0 {
			t.Errorf("RAW ends with %d messages of a batch of 301", torn)
		}
		if err := raw.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// reading is records with their window.
func reading(n int) []*nats.Msg {
	msgs := make([]*nats.Msg, 0, n+1)
	for i := range n {
		msgs = append(msgs, &nats.Msg{Subject: "raw.jushuitan.s.07", Data: fmt.Appendf(nil, `{"i":%d}`, i)})
	}
	return append(msgs, &nats.Msg{Subject: "window.s"})
}

// TestKeysThatAreWrittenMeanwhile writes keys of a bucket anew while the server is on its way to them: the snapshot
// lacks them, as they were and as they are, and the backup does not.
func TestKeysThatAreWrittenMeanwhile(t *testing.T) {
	js := natstest.Run(t)
	const keys = 500
	for i := range keys { // so much that the server waits with most of it
		value := make([]byte, 40<<10)
		_, _ = rand.Read(value)
		put(t, js, topology.BucketLinks, fmt.Sprintf("k%d", i), string(value))
	}
	dir := filepath.Join(t.TempDir(), "backup")
	_, err := backup.Write(t.Context(), js, dir, "v", func(stream string, n, _, _ uint64, _ bool) {
		if stream == "KV_links" && n == 1 {
			put(t, js, topology.BucketLinks, fmt.Sprintf("k%d", keys-1), "anew")
			put(t, js, topology.BucketLinks, "late", "anew")
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	fresh := natstest.Connect(t, natstest.Server(t))
	restore(t, fresh, dir)
	kv, err := fresh.KeyValue(t.Context(), topology.BucketLinks)
	if err != nil {
		t.Fatal(err)
	}
	got, err := kv.Keys(t.Context())
	if err != nil || len(got) != keys+2 { // one late, and that links are in doubt
		t.Errorf("%d keys, %v; want %d", len(got), err, keys+2)
	}
	if e, err := kv.Get(t.Context(), fmt.Sprintf("k%d", keys-1)); err != nil || string(e.Value()) != "anew" {
		t.Errorf("the key that was written meanwhile: %v", err)
	}
}

// TestLedgerGoesOn has the server copy windows into LEDGER after a restore: those that are new, and none twice.
func TestLedgerGoesOn(t *testing.T) {
	before := filled(t)
	dir, _ := write(t, before)
	js := natstest.Connect(t, natstest.Server(t))
	restore(t, js, dir)
	publish(t, js, 1, "window.jst-purchasein")
	natstest.Eventually(t, func() error { return holds(js, topology.Ledger, 4) })
	s, err := js.Stream(t.Context(), topology.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	last, err := s.GetMsg(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	if parts := strings.Fields(last.Header.Get("Nats-Stream-Source")); len(parts) < 2 || parts[1] != fmt.Sprint(stream(t, js, topology.Raw).State.LastSeq) {
		t.Errorf("the fourth is a copy of %v, want of the window after the restore", parts)
	}
}

func holds(js jetstream.JetStream, name string, want uint64) error {
	s, err := js.Stream(context.Background(), name)
	if err == nil && s.CachedInfo().State.Msgs != want {
		err = fmt.Errorf("%s holds %d messages, want %d", name, s.CachedInfo().State.Msgs, want)
	}
	return err
}

// TestSchedulesGoOn has the server tick by a schedule that was restored.
func TestSchedulesGoOn(t *testing.T) {
	before := natstest.Run(t)
	msg := nats.NewMsg(topology.ScheduleSubject("jst-main", "jst-purchasein"))
	_, err := before.PublishMsg(t.Context(), msg, jetstream.WithScheduleEvery(time.Second), jetstream.WithScheduleTarget(topology.PollSubject("jst-main", "jst-purchasein")))
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := write(t, before)
	js := natstest.Connect(t, natstest.Server(t))
	restore(t, js, dir)
	polls, err := js.Stream(t.Context(), topology.Polls)
	if err != nil {
		t.Fatal(err)
	}
	natstest.Eventually(t, func() error {
		_, err := polls.GetLastMsgForSubject(t.Context(), topology.PollSubject("jst-main", "jst-purchasein"))
		return err
	})
}

func TestRestoreRefuses(t *testing.T) {
	whole, _ := write(t, filled(t))
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		onto  func(t testing.TB) jetstream.JetStream
		want  string
	}{
		{"streams with data", nil, filled, "hold data"},
		{"services at work", nil, func(t testing.TB) jetstream.JetStream {
			js := natstest.Run(t)
			put(t, js, topology.BucketStatus, "sink-mysql.bi-main.a", "{}")
			return js
		}, "sink-mysql.bi-main.a"},
		{"a newer format", func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "manifest.json"), `"format": 1`, `"format": 2`)
		}, natstest.Run, "format 2"},
		{"a byte that differs", func(t *testing.T, dir string) {
			path := filepath.Join(dir, "streams", "TARGET.s2")
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)/2] ^= 1
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, natstest.Run, "TARGET.s2"},
		{"a file that is short", func(t *testing.T, dir string) {
			if err := os.Truncate(filepath.Join(dir, "streams", "RAW.s2"), 300); err != nil {
				t.Fatal(err)
			}
		}, natstest.Run, "RAW.s2"},
		{"a file that is gone", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "streams", "DEAD.s2")); err != nil {
				t.Fatal(err)
			}
		}, natstest.Run, "DEAD.s2"},
		{"a document that differs", func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, "config", "connections", "bi-main.yaml"), "bi-main", "bi-other")
		}, natstest.Run, "bi-main.yaml"},
		{"a backup that was not finished", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "manifest.json")); err != nil {
				t.Fatal(err)
			}
		}, natstest.Run, "no whole backup"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := whole
			if tt.spoil != nil {
				dir = t.TempDir()
				if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				tt.spoil(t, dir)
			}
			js := tt.onto(t)
			before := states(t, js)
			_, err := backup.Restore(t.Context(), js, dir, backup.Options{Progress: quiet})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
			if after := states(t, js); after != before {
				t.Errorf("the streams were\n%s and are\n%s", before, after)
			}
			_, err = backup.Verify(t.Context(), dir, quiet)
			if (err != nil) != (tt.spoil != nil) {
				t.Errorf("Verify = %v", err)
			}
		})
	}
}

func edit(t *testing.T, path, old, with string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(strings.Replace(string(text), old, with, 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// states says of each stream when it was made and what it holds.
func states(t *testing.T, js jetstream.JetStream) string {
	t.Helper()
	var lines []string
	list := js.ListStreams(t.Context())
	for info := range list.Info() {
		lines = append(lines, fmt.Sprintln(info.Config.Name, info.Created, info.State.Msgs, info.State.LastSeq))
	}
	if list.Err() != nil {
		t.Fatal(list.Err())
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestReplaceDeletesWhatIsThere(t *testing.T) {
	dir, _ := write(t, filled(t))
	js := filled(t)
	publish(t, js, 50, "target.mysql.bi-main.another.07")
	if _, err := backup.Restore(t.Context(), js, dir, backup.Options{Replace: true, Progress: quiet}); err != nil {
		t.Fatal(err)
	}
	if got := stream(t, js, topology.Target).State.Msgs; got != 30 {
		t.Errorf("TARGET holds %d messages, want the 30 of the backup", got)
	}
}

// TestRestoreGoesOn ends a restore in the middle; the next one leaves what is there and does the rest.
func TestRestoreGoesOn(t *testing.T) {
	dir, m := write(t, filled(t))
	js := natstest.Connect(t, natstest.Server(t))
	ctx, cancel := context.WithCancel(t.Context())
	stop := func(name string, n, _, _ uint64, done bool) {
		if name == topology.Raw && n == 50 && !done {
			cancel()
		}
	}
	if _, err := backup.Restore(ctx, js, dir, backup.Options{Progress: stop}); !errors.Is(err, context.Canceled) {
		t.Fatalf("restore that is stopped = %v", err)
	}
	if _, err := js.Stream(t.Context(), topology.Raw); !errors.Is(err, jetstream.ErrStreamNotFound) {
		t.Errorf("a part of RAW is there: %v", err)
	}
	done := restore(t, js, dir)
	there := 0
	for _, s := range done.Streams {
		if s.There {
			there++
		}
	}
	if there != slices.IndexFunc(m.Streams, func(s backup.Stream) bool { return s.Name == topology.Raw }) {
		t.Errorf("%d streams were there, want those before RAW: %+v", there, done.Streams)
	}
	if got := stream(t, js, topology.Raw).State.Msgs; got != 103 {
		t.Errorf("RAW holds %d messages", got)
	}
}

func TestWriteRefuses(t *testing.T) {
	js := natstest.Run(t)
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "old"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Write(t.Context(), js, full, "v", quiet); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("into a folder that is not empty: %v", err)
	}
	if err := js.DeleteStream(t.Context(), topology.Dead); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if _, err := backup.Write(t.Context(), js, dir, "v", quiet); err == nil || !strings.Contains(err.Error(), "provision") {
		t.Errorf("without DEAD: %v", err)
	}
	if _, err := backup.Read(dir); !errors.Is(err, backup.ErrNone) {
		t.Errorf("Read of what a failed backup left: %v", err)
	}
}

func TestNobodyElseCanReadABackup(t *testing.T) {
	dir, _ := write(t, filled(t))
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestManifestSaysWhatIsThere(t *testing.T) {
	dir, m := write(t, filled(t))
	text, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var read backup.Manifest
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Version != "v0.1.0" || read.Server == "" || read.Began.IsZero() || read.Ended.Before(read.Began) || read.Messages() != m.Messages() || read.Size() != m.Size() {
		t.Errorf("manifest %+v", read)
	}
}

// TestEveryStreamIsBackedUp keeps a stream that a version adds from being forgotten.
func TestEveryStreamIsBackedUp(t *testing.T) {
	_, m := write(t, natstest.Run(t))
	for _, config := range topology.Streams(1) {
		there := slices.ContainsFunc(m.Streams, func(s backup.Stream) bool { return s.Name == config.Name })
		if left := config.Name == "KV_"+topology.BucketStatus; there == left {
			t.Errorf("stream %s: backed up %v", config.Name, there)
		}
	}
}
