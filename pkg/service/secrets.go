package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret is the size in bytes above which a file is no secret but a mistake.
const maxSecret = 64 << 10

// Secrets reads the secrets of connections from the files <Dir>/<connection>/<field>, which is
// how Kubernetes mounts them. Nothing is kept: a secret that was changed is used by the next
// Read, without a restart. Ask before each use, and put what you get into no log, error or
// trace. It may be used by many goroutines.
type Secrets struct{ Dir string }

// Read returns one secret without the newline that editors leave at its end (one, \n or \r\n).
// A missing or empty file is an error that names connection and field and never the value;
// errors.Is(err, fs.ErrNotExist) finds the missing one.
func (s Secrets) Read(connection, field string) (string, error) {
	value, err := s.read(connection, field)
	if err != nil {
		return "", fmt.Errorf("secret %s of connection %s (file %s): %w",
			field, connection, connection+"/"+field, err)
	}
	return value, nil
}

func (s Secrets) read(connection, field string) (string, error) {
	if !isName(connection) || !isName(field) {
		return "", errors.New("connection and field are plain file names, without slashes or leading dots")
	}
	f, err := os.Open(filepath.Join(s.Dir, connection, field)) //nolint:gosec // both are plain names, as was checked
	if err != nil {
		return "", bare(err)
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	switch {
	case err != nil:
		return "", bare(err)
	case len(b) > maxSecret:
		return "", fmt.Errorf("is longer than %d bytes", maxSecret)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
	if value == "" {
		return "", errors.New("is empty")
	}
	return value, nil
}

// isName reports whether s can't lead out of its directory nor to what Kubernetes keeps beside
// the fields (..data).
func isName(s string) bool {
	return s != "" && !strings.HasPrefix(s, ".") && !strings.ContainsAny(s, "/\\\x00")
}

// bare drops the full path, which the caller has said in short.
func bare(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}
