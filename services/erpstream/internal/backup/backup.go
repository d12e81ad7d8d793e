// Package backup writes the whole state of erpstream on NATS to files, and makes it anew from them. A backup is
// a folder: manifest.json; streams/<NAME>.s2, each an archive of the server's own format with the messages and the
// places of the durable consumers; and config/, the documents as they were applied.
//
// Streams are read one after another while records move, so what is read when decides what a restored state
// means. What a consumer has settled is never delivered again, so all that came of it must be in the backup; what comes
// twice is harmless, for every step knows what it has done. Hence the places of all consumers are noted first,
// and the streams read then: whatever a consumer had settled lies in them. RAW is read last, so that no other
// stream speaks of a record that RAW does not have. See order.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// order is that in which streams are read.
//
//   - POLLS before RAW: a backfill job may be done again; one that is over although its windows are not there
//     would leave a hole.
//   - PARKED before DEAD and TARGET, the progress of replays before TARGET: what has left a place is in the next one.
//   - ADVISORIES and DEAD before TARGET, of whose sequences they speak.
//   - LEDGER before RAW: RAW has all windows that LEDGER has, and the server copies the rest.
//
// The bucket "status" is left out: it says what replicas do now.
var order = []string{
	bucket(topology.BucketConfig),
	topology.Polls, bucket(topology.BucketControl), topology.Parked, topology.Advisories, topology.Dead,
	topology.Target, topology.Receipts,
	bucket(topology.BucketLinks), bucket(topology.BucketReference), bucket(topology.BucketUnique),
	bucket(topology.BucketTokens), bucket(topology.BucketShapes), bucket(topology.BucketPositions),
	topology.Events, topology.Ledger, topology.Raw,
}

func bucket(name string) string { return "KV_" + name }

// leftOut is the stream that no backup has.
var leftOut = bucket(topology.BucketStatus)

// Progress hears how far a long work is: of a stream, how many messages and bytes are done. total is how many
// messages there are, as far as is known; done is set once, in the end. It must not block.
type Progress func(stream string, messages, total, bytes uint64, done bool)

// minServer is the version of NATS from which archives are as here.
const minServer = "2.15.0"

// checkServer refuses a server that does not know the archives of this package.
func checkServer(js jetstream.JetStream) error {
	nc := js.Conn()
	if version := nc.ConnectedServerVersion(); topology.OlderThan(version, minServer) {
		return fmt.Errorf("NATS server at %s is version %s: backup and restore need %s or newer", nc.ConnectedUrlRedacted(), version, minServer)
	}
	return nil
}

// Write backs up all streams and buckets to a folder, which must be empty or not there. An error leaves
// a folder that is no backup; remove it. version is that of the program.
func Write(ctx context.Context, js jetstream.JetStream, dir, version string, progress Progress) (m Manifest, err error) {
	if err := checkServer(js); err != nil {
		return m, err
	}
	if err := emptyFolder(dir); err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w (what is in %s is no backup: remove it)", err, dir)
		}
	}()
	m = Manifest{Format: Format, Version: version, Server: js.Conn().ConnectedServerVersion(), Began: time.Now().UTC()}
	b := &backup{js: js, dir: dir, progress: progress, consumers: map[string][]consumer{}}
	if err := b.look(ctx); err != nil {
		return m, err
	}
	for _, name := range order {
		s, err := b.stream(ctx, name)
		if err != nil {
			return m, fmt.Errorf("back up stream %s: %w", name, err)
		}
		m.Streams = append(m.Streams, s)
	}
	if m.Documents, err = b.documents(); err != nil {
		return m, err
	}
	m.Ended = time.Now().UTC()
	return m, m.write(dir)
}

// backup is one in the making.
type backup struct {
	js       jetstream.JetStream
	dir      string
	progress Progress
	// consumers are those of each stream, where they were before anything was read.
	consumers map[string][]consumer
}

// look notes where all consumers are, and whether there is room for everything.
func (b *backup) look(ctx context.Context) error {
	var size uint64
	for _, name := range order {
		stream, err := b.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fmt.Errorf("stream %s: %w (has `erpstream provision` of this version been run?)", name, err)
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", name, err)
		}
		size += stream.CachedInfo().State.Bytes
		list := stream.ListConsumers(ctx)
		for info := range list.Info() {
			if info.Config.Durable != "" {
				b.consumers[name] = append(b.consumers[name], at(info))
			}
		}
		if err := list.Err(); err != nil {
			return fmt.Errorf("consumers of stream %s: %w", name, err)
		}
	}
	return room(b.dir, size)
}

// stream writes the archive of a stream.
func (b *backup) stream(ctx context.Context, name string) (s Stream, err error) {
	s = Stream{Name: name, File: File{Path: "streams/" + name + ".s2"}, Consumers: map[string]uint64{}}
	for _, c := range b.consumers[name] {
		s.Consumers[c.Config.Durable] = c.State.AckFloor.Stream
	}
	snap, err := takeSnapshot(ctx, b.js, name)
	if err != nil {
		return s, err
	}
	defer snap.close()
	s.Config, s.Last = snap.Config, snap.State.LastSeq
	s.Size, s.SHA256, err = create(filepath.Join(b.dir, filepath.FromSlash(s.Path)), func(w io.Writer) error {
		to, err := newWriter(w, snap.State, b.consumers[name])
		if err != nil {
			return err
		}
		take := func(e entry) error {
			s.note(e)
			b.progress(name, s.Messages, max(snap.State.Msgs, s.Messages), s.Bytes, false)
			return to.add(e)
		}
		if err := b.messages(ctx, name, snap, take); err != nil {
			return err
		}
		return to.end()
	})
	b.progress(name, s.Messages, s.Messages, s.Bytes, true)
	return s, err
}

// messages gives take all messages of a stream: those of the snapshot, and what came meanwhile where that belongs
// to them. The snapshot ends where the stream ended when it began, and that may be in the middle of an atomic batch: the
// backup has all of it, as every other reader, or a restored RAW would have records that no window speaks of. And where
// messages make room for others, the snapshot lacks what vanished since: a key that was written meanwhile would be in
// it neither as it was nor as it is. Read to its end, the stream is whole as of then.
func (b *backup) messages(ctx context.Context, name string, snap *snapshot, take func(entry) error) error {
	last, torn := snap.State.LastSeq, false
	for {
		e, err := snap.message()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			torn = e.Sequence == last && e.inBatch()
			err = take(e)
		}
		if err != nil {
			return err
		}
	}
	for torn || makesRoom(name) {
		e, ok, err := after(ctx, b.js, name, last)
		switch {
		case err != nil:
			return err
		case !ok && torn:
			return fmt.Errorf("sequence %d is in the middle of an atomic batch, and the server has no more of it: back up again", last)
		case !ok:
			return nil
		}
		last, torn = e.Sequence, e.inBatch()
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

// makesRoom reports whether messages of a stream vanish otherwise than by age.
func makesRoom(name string) bool {
	return name == topology.Polls || name == topology.Parked || strings.HasPrefix(name, bucket(""))
}

// create writes a file and has it on the disk.
func create(path string, fill func(io.Writer) error) (size int64, sum string, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, "", err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // in the folder that the operator names
	if err != nil {
		return 0, "", err
	}
	hash := sha256.New()
	count := &counter{}
	err = fill(io.MultiWriter(f, hash, count))
	if err == nil {
		err = f.Sync()
	}
	return count.n, hex.EncodeToString(hash.Sum(nil)), errors.Join(err, f.Close())
}

// counter counts what is written to it.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// emptyFolder makes a folder, or sees that it is empty.
func emptyFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty, it holds %s: name a folder that is, or is not there yet", dir, entries[0].Name())
	}
	return nil
}
