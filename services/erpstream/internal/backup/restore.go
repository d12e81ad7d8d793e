package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/booking"
	"github.com/erpstream/erpstream/pkg/topology"
)

// Options say how a backup is restored.
type Options struct {
	// Replicas is how many servers keep each stream; 0: as many as in the backup.
	Replicas int
	// Replace deletes streams that hold messages; without it they are refused.
	Replace bool
	// Progress hears how far it is.
	Progress Progress
}

// Restored says what a restore did.
type Restored struct {
	// To is the moment that it went back to.
	To      time.Time        `json:"restored_to"`
	Streams []RestoredStream `json:"streams"`
	// Provisioned are the streams that had to be changed to be those of this version.
	Provisioned []string `json:"provisioned"`
}

// RestoredStream is one stream that was made anew.
type RestoredStream struct {
	Name     string `json:"name"`
	Messages uint64 `json:"messages"`
	// Gone are messages of the backup that are older by now than the stream keeps them.
	Gone uint64 `json:"gone"`
	// There says that an earlier try had restored it.
	There bool `json:"was_there,omitempty"`
}

// mark is the metadata of a restored stream that says of which backup it was made.
const mark = "erpstream-restored-from"

// Restore makes all streams and buckets of a backup anew, compares them with it message by message, and lets
// this version provision what is left. It first sees that the backup is whole, that no service is at work and that no
// stream is there with data; nothing is changed before. When it is interrupted, the same call goes on with the
// streams that are not there yet.
//
// What was booked after the backup is unknown to the restored links. So sinks are told to ask the target
// before they book a document without a link: booking.Doubt. Sequences of RAW go on far behind those that may have
// been given away since, for targets remember them.
func Restore(ctx context.Context, js jetstream.JetStream, dir string, o Options) (Restored, error) {
	m, err := Verify(ctx, dir, o.Progress)
	if err != nil {
		return Restored{}, err
	}
	done := Restored{To: m.Began, Streams: []RestoredStream{}, Provisioned: []string{}}
	r := &restore{js: js, dir: dir, Options: o, manifest: m}
	if err := r.survey(ctx); err != nil {
		return done, err
	}
	for _, s := range m.Streams {
		one, err := r.stream(ctx, s)
		if err != nil {
			return done, fmt.Errorf("restore stream %s: %w (what is restored so far stays: run it again to go on)", s.Name, err)
		}
		done.Streams = append(done.Streams, one)
		if s.Name == bucket(topology.BucketLinks) {
			if err := booking.Doubt(ctx, js, m.Began, time.Now()); err != nil {
				return done, err
			}
		}
	}
	plan, err := topology.Provision(ctx, js, r.replicas())
	for _, c := range plan {
		if c.Action != topology.Keep {
			done.Provisioned = append(done.Provisioned, c.String())
		}
	}
	if err != nil {
		err = fmt.Errorf("all streams are restored, but are not yet those of this version: %w", err)
	}
	return done, err
}

// restore is one in the making.
type restore struct {
	Options
	js       jetstream.JetStream
	dir      string
	manifest Manifest
	// there is what the server has of each stream.
	there map[string]*jetstream.StreamInfo
}

// id tells the backup from others.
func (r *restore) id() string { return r.manifest.Began.Format(time.RFC3339Nano) }

// replicas is how many servers are to keep each stream.
func (r *restore) replicas() int {
	if r.Replicas > 0 {
		return r.Replicas
	}
	var config struct {
		Replicas int `json:"num_replicas"`
	}
	_ = json.Unmarshal(r.manifest.Streams[0].Config, &config) // Verify has read it
	return max(config.Replicas, 1)
}

// survey refuses to restore where something is at work or would be lost.
func (r *restore) survey(ctx context.Context) error {
	if err := checkServer(r.js); err != nil {
		return err
	}
	if err := atRest(ctx, r.js); err != nil {
		return err
	}
	r.there = map[string]*jetstream.StreamInfo{}
	var full []string
	for _, s := range r.manifest.Streams {
		stream, err := r.js.Stream(ctx, s.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
		info := stream.CachedInfo()
		r.there[s.Name] = info
		if info.State.Msgs > 0 && info.Config.Metadata[mark] != r.id() {
			full = append(full, fmt.Sprintf("%s (%d messages)", s.Name, info.State.Msgs))
		}
	}
	if len(full) > 0 && !r.Replace {
		return fmt.Errorf("these streams hold data, which a restore would delete: %v; nothing was changed; --replace deletes them", full)
	}
	return nil
}

// stream makes a stream anew, unless an earlier try has, and compares it with the backup. One that is not whole is
// taken away again.
func (r *restore) stream(ctx context.Context, s Stream) (done RestoredStream, err error) {
	done.Name = s.Name
	info := r.there[s.Name]
	done.There = info != nil && info.Config.Metadata[mark] == r.id() && info.State.LastSeq >= s.Last
	defer func() {
		if err != nil {
			cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiWait)
			defer cancel()
			_ = r.js.DeleteStream(cleaning, s.Name)
		}
	}()
	if !done.There {
		if info != nil {
			err = r.js.DeleteStream(ctx, s.Name)
		}
		if err == nil {
			err = r.fill(ctx, s)
		}
		if err != nil {
			return done, err
		}
	}
	done.Messages, done.Gone, err = r.compare(ctx, s)
	r.Progress(s.Name, done.Messages, s.Messages, s.Bytes, true)
	return done, err
}

// fill sends the archive of a stream to the server.
func (r *restore) fill(ctx context.Context, s Stream) error {
	config, err := r.config(s)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(r.dir, filepath.FromSlash(s.Path)))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	from, err := newReader(f)
	if err != nil {
		return err
	}
	state := s.state()
	if s.Name == topology.Raw {
		state.LastSeq += ahead(s, time.Since(r.manifest.Began))
		if s.Messages == 0 {
			state.FirstSeq = state.LastSeq + 1
		}
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	pr, pw := io.Pipe()
	go func() { _ = pw.CloseWithError(r.rewrite(s, state, from, pw)) }()
	defer func() { _ = pr.Close() }()
	return send(sending, r.js, s.Name, config, state, pr)
}

// rewrite writes an archive as the server is to have it.
func (r *restore) rewrite(s Stream, state server.StreamState, from *reader, w io.Writer) error {
	var consumers []consumer
	var to *writer
	var n, bytes uint64
	for {
		e, err := from.next()
		if err == nil && !e.isMessage() {
			var c consumer
			if err := json.Unmarshal(e.Body, &c); err != nil {
				return fmt.Errorf("%s: %w", e.Name, err)
			}
			c.Config.Replicas = 0 // as many as the stream
			consumers = append(consumers, c)
			continue
		}
		if to == nil && (err == nil || errors.Is(err, io.EOF)) {
			var failed error
			if to, failed = newWriter(w, state, consumers); failed != nil {
				return failed
			}
		}
		if errors.Is(err, io.EOF) {
			return to.end()
		}
		if err != nil {
			return err
		}
		if s.Name == topology.Ledger {
			e = withoutOrigin(e)
		}
		if err := to.add(e); err != nil {
			return err
		}
		n, bytes = n+1, bytes+uint64(len(e.Name)+len(e.Body))
		r.Progress(s.Name, n, s.Messages, bytes, false)
	}
}

// config is the stream's in the backup, with the mark and the replicas.
func (r *restore) config(s Stream) (json.RawMessage, error) {
	var config map[string]json.RawMessage
	metadata := map[string]string{}
	if err := json.Unmarshal(s.Config, &config); err != nil {
		return nil, fmt.Errorf("its configuration in the backup: %w", err)
	}
	if text, ok := config["metadata"]; ok {
		if err := json.Unmarshal(text, &metadata); err != nil {
			return nil, fmt.Errorf("its metadata in the backup: %w", err)
		}
	}
	metadata[mark] = r.id()
	text, err := json.Marshal(metadata)
	if err != nil {
		return nil, err
	}
	config = maps.Clone(config)
	config["metadata"], config["num_replicas"] = text, json.RawMessage(strconv.Itoa(r.replicas()))
	return json.Marshal(config)
}

// ahead is how far the sequences of RAW are moved on: ten times as many as it would have given away since at its
// usual rate, and a million at least. A target that remembers the sequence of a record must not take a later
// record of the same version for an older one.
func ahead(s Stream, since time.Duration) uint64 {
	const least = 1_000_000
	const most = 100_000_000
	span := s.Newest.Sub(s.Oldest)
	if s.Messages == 0 || span <= 0 {
		return least
	}
	return uint64(min(max(10*float64(s.Messages)/span.Seconds()*since.Seconds(), least), most))
}

// atRest refuses while replicas of services say that they are at work.
func atRest(ctx context.Context, js jetstream.JetStream) error {
	stream, err := js.Stream(ctx, leftOut)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	var info *jetstream.StreamInfo
	prefix := "$KV." + topology.BucketStatus + "."
	if err == nil {
		info, err = stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	}
	if err != nil {
		return fmt.Errorf("stream %s: %w", leftOut, err)
	}
	if units := slices.Sorted(maps.Keys(info.State.Subjects)); len(units) > 0 {
		return fmt.Errorf("services are at work, or were within the last %s (%s and %d more): stop all of them, then run this again",
			topology.StatusTTL, strings.TrimPrefix(units[0], prefix), len(units)-1)
	}
	return nil
}
