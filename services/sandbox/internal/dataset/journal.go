package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Journal is a file of entries, one JSON text a line, each on disk before anyone sees what it
// says. It is how an imitated system keeps over a restart what cannot be made again. Its methods
// may be called at once.
type Journal[E any] struct {
	mu   sync.Mutex
	file *os.File
	size int64
}

// OpenJournal reads the journal at path, creating it if need be, and gives each entry to apply,
// in the order in which they were appended. A last line that was cut off by a crash was never
// seen by anyone and is removed.
func OpenJournal[E any](path string, apply func(E) error) (*Journal[E], error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	whole, err := replay(f, apply)
	if err == nil {
		err = f.Truncate(whole)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read journal %s: %w", path, err), f.Close())
	}
	return &Journal[E]{file: f, size: whole}, nil
}

// replay returns the length of all whole lines.
func replay[E any](f *os.File, apply func(E) error) (int64, error) {
	text, err := io.ReadAll(f)
	if err != nil {
		return 0, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for n, line := range bytes.Split(text[:whole], []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var e E
		err := json.Unmarshal(line, &e)
		if err == nil {
			err = apply(e)
		}
		if err != nil {
			return 0, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return int64(whole), nil
}

// Append writes entries and returns once they are on disk. If it can't, none of them is kept.
func (j *Journal[E]) Append(entries ...E) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for _, e := range entries {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("write journal: %w", err)
		}
	}
	_, err := j.file.WriteAt(lines.Bytes(), j.size)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write journal: %w", err), j.file.Truncate(j.size))
	}
	j.size += int64(lines.Len())
	return nil
}

// Close closes the file. Nothing is left to be written: every entry already was.
func (j *Journal[E]) Close() error { return j.file.Close() }
