package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Dir is a directory that keeps over a restart what the imitated systems hold. What was made from
// Params alone need not be in it: it is made again.
type Dir struct {
	path string
	lock *os.File
}

// OpenDir opens the directory at path, creating it if need be. A directory that is not new has to
// have been made with p (see Stored). One process at a time may have it open.
func OpenDir(path string, p Params) (*Dir, error) {
	lock, err := lockDir(path)
	if err != nil {
		return nil, err
	}
	if err := claim(path, p); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &Dir{path: path, lock: lock}, nil
}

func lockDir(path string) (*os.File, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock data directory %s: in use by another process: %w", path, err), f.Close())
	}
	return f, nil
}

// claim makes a new directory one of p, or checks that it is one.
func claim(path string, p Params) error {
	stored, found, err := Stored(path)
	switch {
	case err != nil:
		return err
	case !found:
		return save(path, p)
	case !stored.equal(p):
		return fmt.Errorf("data directory %s was made with other parameters: %+v, asked for %+v", path, stored, p)
	default:
		return nil
	}
}

// stamp is what a data directory remembers of how it was made.
type stamp struct {
	Generation int    `json:"generation"`
	Params     Params `json:"params"`
}

// Stored returns the parameters with which the data directory at path was made, if it was.
func Stored(path string) (p Params, found bool, err error) {
	var st stamp
	found, err = ReadJSON(filepath.Join(path, "dataset.json"), &st)
	if err != nil {
		return Params{}, false, fmt.Errorf("read data directory: %w", err)
	}
	if !found {
		return Params{}, false, nil
	}
	if st.Generation != generation {
		return Params{}, false, fmt.Errorf("data directory %s holds generation %d of the data, this program makes generation %d: use another directory", path, st.Generation, generation)
	}
	return st.Params, true, nil
}

func save(path string, p Params) error {
	text, err := json.MarshalIndent(stamp{generation, p}, "", "  ")
	if err != nil {
		return fmt.Errorf("write data directory: %w", err)
	}
	return WriteFile(filepath.Join(path, "dataset.json"), text)
}

// File returns the path of a file in d, and nothing if d is nil: then nothing is kept.
func (d *Dir) File(name string) string {
	if d == nil {
		return ""
	}
	return filepath.Join(d.path, name)
}

// Close lets another process have the directory. Close the stores in it first.
func (d *Dir) Close() error {
	if d == nil {
		return nil
	}
	return d.lock.Close()
}
