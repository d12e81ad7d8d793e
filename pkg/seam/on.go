//go:build chaos

package seam

import (
	"os"
	"path/filepath"
)

// Enabled says whether the program is built to die at seams.
const Enabled = true

// Reach kills the process when the seam is armed, and does not return then. Processes and goroutines
// that reach it at once have one death between them.
func Reach(name Name) {
	folder := os.Getenv("ERPSTREAM_SEAMS") //nolint:forbidigo // only builds for the campaign have this
	if folder == "" {
		return
	}
	file := filepath.Join(folder, string(name))
	if os.Remove(file+"."+filepath.Base(os.Args[0])) != nil && os.Remove(file) != nil {
		return
	}
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {} // the signal is on its way
}
