package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/erpstream/erpstream/pkg/topology"
)

// Verify reads all files of a backup, without NATS, and compares them with its manifest: their checksums, and
// whether each archive can be read to its end and has the messages that it is said to have. The error names every
// file that is not as it was written.
func Verify(ctx context.Context, dir string, progress Progress) (Manifest, error) {
	m, err := Read(dir)
	if err != nil {
		return m, err
	}
	var errs []error
	for _, s := range m.Streams {
		if err := verifyStream(ctx, dir, s, progress); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Join(dir, s.Path), err))
		}
	}
	for _, f := range m.Documents {
		if err := verifyFile(dir, f, func(io.Reader) error { return nil }); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Join(dir, f.Path), err))
		}
	}
	if len(errs) > 0 {
		errs = append(errs, errors.New("the backup is broken: nothing of it was used"))
	}
	return m, errors.Join(errs...)
}

func verifyStream(ctx context.Context, dir string, s Stream, progress Progress) error {
	if !json.Valid(s.Config) {
		return fmt.Errorf("%s has no configuration of the stream", manifestFile)
	}
	return verifyFile(dir, s.File, func(f io.Reader) error {
		r, err := newReader(f)
		if err != nil {
			return err
		}
		found := Stream{Last: r.State.LastSeq}
		for {
			e, err := r.message()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			found.note(e)
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		progress(s.Name, found.Messages, s.Messages, found.Bytes, true)
		if found.Messages != s.Messages || found.Bytes != s.Bytes || found.Last != s.Last {
			return fmt.Errorf("it holds %d messages of %d bytes up to sequence %d, want %d of %d bytes up to %d",
				found.Messages, found.Bytes, found.Last, s.Messages, s.Bytes, s.Last)
		}
		return nil
	})
}

// verifyFile reads a file once: examine sees it, and all of it is summed up.
func verifyFile(dir string, want File, examine func(io.Reader) error) error {
	if !filepath.IsLocal(filepath.FromSlash(want.Path)) {
		return fmt.Errorf("%s names a file outside of the backup", manifestFile)
	}
	f, err := os.OpenInRoot(dir, filepath.FromSlash(want.Path)) // nor by a link
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	count := &counter{}
	all := io.TeeReader(f, io.MultiWriter(hash, count))
	examined := examine(all)
	if _, err := io.Copy(io.Discard, all); err != nil {
		return err
	}
	if sum := hex.EncodeToString(hash.Sum(nil)); sum != want.SHA256 {
		return fmt.Errorf("its SHA-256 is %s of %d bytes, want %s of %d", sum, count.n, want.SHA256, want.Size)
	}
	return examined
}

// compare reads a restored stream back and compares it with its archive.
func (r *restore) compare(ctx context.Context, s Stream) (same, gone uint64, err error) {
	f, err := os.Open(filepath.Join(r.dir, filepath.FromSlash(s.Path)))
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = f.Close() }()
	want, err := newReader(f)
	if err != nil {
		return 0, 0, err
	}
	var config jetstream.StreamConfig
	if err := json.Unmarshal(s.Config, &config); err != nil {
		return 0, 0, fmt.Errorf("its configuration in the backup: %w", err)
	}
	live, err := takeSnapshot(ctx, r.js, s.Name)
	if err != nil {
		return 0, 0, err
	}
	defer live.close()
	return matched(want, live.reader, config)
}

// matched compares two readings message by message: every one that is wanted must be there as it was, but for those
// that the server may have dropped by now. What came since may be there too.
func matched(want, live *reader, config jetstream.StreamConfig) (same, gone uint64, err error) {
	got, gotErr := live.message()
	for {
		w, err := want.message()
		if errors.Is(err, io.EOF) {
			return same, gone, nil
		}
		if err == nil && !errors.Is(gotErr, io.EOF) {
			err = gotErr
		}
		if err != nil {
			return same, gone, err
		}
		if config.Name == topology.Ledger {
			w = withoutOrigin(w)
		}
		absent := gotErr != nil || got.Sequence > w.Sequence
		switch {
		case absent && mayBeGone(w, config):
			gone++
			continue
		case absent:
			return same, gone, fmt.Errorf("sequence %d of the backup is not in the restored stream", w.Sequence)
		case got.Sequence < w.Sequence:
			return same, gone, fmt.Errorf("sequence %d is in the restored stream, and not in the backup", got.Sequence)
		case got.Name != w.Name || got.Timestamp != w.Timestamp || !bytes.Equal(got.Body, w.Body):
			return same, gone, fmt.Errorf("sequence %d differs from the backup", w.Sequence)
		}
		same++
		got, gotErr = live.message()
	}
}

// mayBeGone reports whether the server may have dropped a message of the backup by now: by age, by its own time to
// live, because its time had come, or for a newer one of its subject.
func mayBeGone(e entry, config jetstream.StreamConfig) bool {
	header := e.Body[:e.HeaderSize]
	return config.MaxAge > 0 && time.Since(time.Unix(0, e.Timestamp)) > config.MaxAge ||
		config.MaxMsgsPerSubject > 0 ||
		bytes.Contains(header, []byte("\r\n"+jetstream.MsgTTLHeader+":")) ||
		bytes.Contains(header, []byte("\r\n"+jetstream.ScheduleHeader+":"))
}
