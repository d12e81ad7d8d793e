// Package rootfs says which files an image has: the program, what it needs of a system, and the terms
// under which it may be used. There is no shell and nothing else that runs.
package rootfs

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// User is the numeric user and group that programs run as. Numbers, so that Kubernetes can see that
// it is not root.
const User = "65532:65532"

// File is a file of a root file system. It belongs to root and has no time.
type File struct {
	// Path is relative to the root, with slashes.
	Path string
	Mode fs.FileMode
	Body []byte
}

// Base returns the files that all images share: certificates, and a name for User.
func Base() ([]File, error) {
	certificates, err := certificates()
	if err != nil {
		return nil, err
	}
	return []File{
		{"etc/group", 0o644, []byte("root:x:0:\nerpstream:x:65532:\n")},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nerpstream:x:65532:65532:erpstream:/:/sbin/nologin\n")},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates}, // where crypto/x509 looks first
	}, nil
}

// Program returns the files of one program: the binary, the licence of the house and those of the
// third parties whose code is in the binary.
func Program(name string, binary, licence, thirdParties []byte) []File {
	return []File{
		{"licenses/LICENSE", 0o644, licence},
		{"licenses/third-parties.txt", 0o644, thirdParties},
		{Binary(name), 0o755, binary},
	}
}

// Binary returns the path of a program in its image.
func Binary(name string) string { return "usr/bin/" + name }

// Parents returns the folders in which the files lie, sorted, each once.
func Parents(files []File) []string {
	var folders []string
	for _, file := range files {
		for folder := filepath.Dir(file.Path); folder != "."; folder = filepath.Dir(folder) {
			folders = append(folders, filepath.ToSlash(folder))
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// Sorted returns the files by path.
func Sorted(files []File) []File {
	return slices.SortedFunc(slices.Values(files), func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
}

// Write puts the files below dir, for a Dockerfile to copy.
func Write(dir string, files []File) error {
	for _, file := range files {
		name := filepath.Join(dir, filepath.FromSlash(file.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, file.Body, file.Mode); err != nil {
			return err
		}
	}
	return nil
}
