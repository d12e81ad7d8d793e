// Package compat keeps what released versions have written, and sees that this version reads it as it was meant: for
// each of them a folder of testdata with a backup of a house that ran through everything (messages and bucket
// entries of the services' own making, configuration as it was shipped), each contract with every field, and what
// all of it means. What is released never changes: SHA256SUMS says so.
//
// A new version is kept once, when it is released: docs/upgrade.md says how.
package compat

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/nats-io/nats-server/v2/server/archive"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/test/natstest"
)

// sums lists the files of all versions.
const sums = "SHA256SUMS"

// versions are those that are kept.
func versions(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		t.Fatal("no version is kept")
	}
	return names
}

// TestWhatIsReleasedDoesNotChange compares every file of every version with the list.
func TestWhatIsReleasedDoesNotChange(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", sums))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		want[name] = sum
	}
	got := summed(t, "testdata")
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if want[name] == "" {
			t.Errorf("%s is not in %s: was it put into a version that is released?", name, sums)
		} else if got[name] != want[name] {
			t.Errorf("%s has changed: what is released stays as it is", name)
		}
		delete(want, name)
	}
	for name := range want {
		t.Errorf("%s is gone: what is released stays", name)
	}
}

// summed returns the SHA-256 of all files in the versions of a folder.
func summed(t testing.TB, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(folder, path)
		if err != nil || entry.IsDir() || name == sums {
			return err
		}
		data, err := os.ReadFile(path)
		sum := sha256.Sum256(data)
		all[filepath.ToSlash(name)] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// kept is a message or bucket entry of a version.
type kept struct {
	subject string
	header  nats.Header
	data    []byte
}

// readKept returns the messages of a stream that a version kept, in order.
func readKept(t testing.TB, version, stream string) []kept {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", version, "streams", stream+".s2"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []kept
	for r := archive.NewReader(s2.NewReader(f)); ; {
		h, err := r.Next()
		if err != nil {
			t.Fatalf("%s of %s: %v", stream, version, err)
		}
		body, err := io.ReadAll(r)
		switch {
		case err != nil:
			t.Fatalf("%s of %s: %v", stream, version, err)
		case h.Sequence == 0 && h.Name == "":
			return all
		case h.Sequence == 0:
			continue
		}
		k := kept{subject: h.Name, header: nats.Header{}, data: body[h.HeaderSize:]}
		if h.HeaderSize > 0 {
			if k.header, err = nats.DecodeHeadersMsg(body[:h.HeaderSize]); err != nil {
				t.Fatalf("%s of %s, sequence %d: %v", stream, version, h.Sequence, err)
			}
		}
		all = append(all, k)
	}
}

// streams are those whose messages are loaded, so that letters come after what they speak of. The server makes
// LEDGER and ADVISORIES.
var streams = []string{
	"KV_config", "KV_control", "KV_links", "KV_reference", "KV_unique", "KV_tokens", "KV_shapes", "KV_positions",
	"RAW", "PARKED", "TARGET", "DEAD", "RECEIPTS", "EVENTS",
}

// load puts what a version kept into a server of its own, each message as change makes it, and returns the number
// of messages. Messages get the sequences that they had, but in buckets.
func load(t testing.TB, version string, change func(stream string, k kept) kept) (js jetstream.JetStream, n int) {
	t.Helper()
	js = natstest.Run(t)
	for _, stream := range streams {
		var last jetstream.PubAckFuture
		for _, k := range readKept(t, version, stream) {
			k = change(stream, k)
			msg := &nats.Msg{Subject: k.subject, Header: nats.Header{}, Data: k.data}
			for name, values := range k.header {
				if !strings.HasPrefix(name, "Nats-") { // the server's own: they were done with when it was stored
					msg.Header[name] = values
				}
			}
			var err error
			if last, err = js.PublishMsgAsync(msg); err != nil {
				t.Fatalf("%s: %v", k.subject, err)
			}
			n++
		}
		if err := stored(last); err != nil {
			t.Fatalf("load stream %s of %s: %v", stream, version, err)
		}
	}
	return js, n
}

// stored waits for the last message of a stream.
func stored(last jetstream.PubAckFuture) error {
	if last == nil {
		return errors.New("nothing of it is kept")
	}
	select {
	case <-last.Ok():
		return nil
	case err := <-last.Err():
		return err
	}
}

// asItWas changes nothing.
func asItWas(_ string, k kept) kept { return k }

// mustEqual says where two texts differ first.
func mustEqual(t *testing.T, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	around := func(s string) string { return s[min(len(s), max(0, i-80)):min(len(s), i+120)] }
	t.Errorf("%s differs at byte %d:\n got %s\nwant %s", what, i, fmt.Sprintf("%q", around(got)), fmt.Sprintf("%q", around(want)))
}
