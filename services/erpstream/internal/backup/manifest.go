package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Format is that of the backups that this version writes. It reads them and those of smaller numbers.
const Format = 1

// manifestFile is written last: a folder without it is no backup.
const manifestFile = "manifest.json"

// Manifest says what is in a backup.
type Manifest struct {
	Format int `json:"format"`
	// Version is that of the program that wrote it, Server that of NATS.
	Version string `json:"erpstream"`
	Server  string `json:"nats_server"`
	// Began is the moment that a restore goes back to: what was settled by then is settled in it.
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended"`
	// Streams are in the order in which they were read.
	Streams []Stream `json:"streams"`
	// Documents are the configuration, as files that `erpstream apply` takes.
	Documents []File `json:"documents"`
}

// Stream is one stream or bucket of a backup.
type Stream struct {
	Name string `json:"name"`
	File
	// Config is the stream's as the server tells it.
	Config json.RawMessage `json:"config"`
	// Messages are those in the file, Bytes the size of their subjects, headers and bodies.
	Messages uint64 `json:"messages"`
	Bytes    uint64 `json:"bytes"`
	// First is the sequence of the first message, Last the last that the stream has given away.
	First uint64 `json:"first_sequence"`
	Last  uint64 `json:"last_sequence"`
	// Oldest and Newest are when the first and the last message were stored.
	Oldest time.Time `json:"oldest,omitzero"`
	Newest time.Time `json:"newest,omitzero"`
	// Consumers are the durable consumers, by name, with the sequence up to which each was done.
	Consumers map[string]uint64 `json:"consumers,omitempty"`
}

// File is a file of a backup.
type File struct {
	// Path is relative to the backup, with slashes.
	Path string `json:"file"`
	// Size is in bytes.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// ErrNone is in the error of Read for a folder without a whole backup.
var ErrNone = errors.New("there is no whole backup")

// Read reads the manifest of a backup. It does not look at the other files: Verify does.
func Read(dir string) (Manifest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(dir, manifestFile)) //nolint:gosec // in the folder that the operator names
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m, fmt.Errorf("%s: %w: %s, which is written last, is not there", dir, ErrNone, manifestFile)
	case err != nil:
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("%s: %w", filepath.Join(dir, manifestFile), err)
	}
	if m.Format < 1 || m.Format > Format {
		return m, fmt.Errorf("%s is a backup of format %d, written by erpstream %s: this version reads formats up to %d, so take a newer one",
			dir, m.Format, m.Version, Format)
	}
	if len(m.Streams) == 0 {
		return m, fmt.Errorf("%s names no streams", filepath.Join(dir, manifestFile))
	}
	return m, nil
}

// write makes the folder a backup: the manifest appears whole or not at all.
func (m Manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	part := filepath.Join(dir, manifestFile+".part")
	if err := os.WriteFile(part, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(part, filepath.Join(dir, manifestFile))
}

// Messages is how many messages all streams have.
func (m Manifest) Messages() (n uint64) {
	for _, s := range m.Streams {
		n += s.Messages
	}
	return n
}

// Size is that of all files, in bytes.
func (m Manifest) Size() (n int64) {
	for _, s := range m.Streams {
		n += s.Size
	}
	for _, f := range m.Documents {
		n += f.Size
	}
	return n
}

// note counts a message in.
func (s *Stream) note(e entry) {
	at := time.Unix(0, e.Timestamp).UTC()
	if s.Messages == 0 {
		s.First, s.Oldest = e.Sequence, at
	}
	s.Messages++
	s.Bytes += uint64(len(e.Name) + len(e.Body))
	s.Newest = at
	s.Last = max(s.Last, e.Sequence)
}

// state is the stream's in the server's words.
func (s *Stream) state() server.StreamState {
	first := s.First
	if s.Messages == 0 {
		first = s.Last + 1
	}
	return server.StreamState{
		Msgs: s.Messages, Bytes: s.Bytes, FirstSeq: first, LastSeq: s.Last, FirstTime: s.Oldest, LastTime: s.Newest,
	}
}
