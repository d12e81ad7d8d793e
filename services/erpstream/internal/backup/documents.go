package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/erpstream/erpstream/pkg/topology"
)

// deletion is the header of a bucket's message that takes a key away.
const deletion = "KV-Operation:"

// documents writes the newest revision of each document as a file of its own, from the archive of the
// bucket: so both say the same.
func (b *backup) documents() ([]File, error) {
	path := filepath.Join(b.dir, "streams", bucket(topology.BucketConfig)+".s2")
	texts, err := newestDocuments(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	files := []File{}
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		kind, name, _ := strings.Cut(key, ".")
		f := File{Path: "config/" + kind + "s/" + name + ".yaml"}
		f.Size, f.SHA256, err = create(filepath.Join(b.dir, filepath.FromSlash(f.Path)), func(w io.Writer) error {
			_, err := io.WriteString(w, strings.TrimSuffix(texts[key], "\n")+"\n")
			return err
		})
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// newestDocuments reads the documents of an archive of the bucket by <kind>.<name>.
func newestDocuments(path string) (map[string]string, error) {
	f, err := os.Open(path) //nolint:gosec // in the folder that the operator names
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r, err := newReader(f)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for {
		e, err := r.message()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return nil, err
		}
		key := strings.TrimPrefix(e.Name, "$KV."+topology.BucketConfig+".")
		if bytes.Contains(e.Body[:e.HeaderSize], []byte(deletion)) {
			delete(texts, key)
			continue
		}
		texts[key] = string(e.Body[e.HeaderSize:])
	}
}
