//go:build unix

package backup

import (
	"fmt"
	"syscall"
)

// room sees whether the disk of a folder has room for that many bytes: archives are smaller than what they hold.
func room(dir string, need uint64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return fmt.Errorf("free space of %s: %w", dir, err)
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < need { //nolint:gosec // block sizes are not negative
		return fmt.Errorf("%s has %d MB free, and the streams hold %d MB: make room, or name another disk", dir, free>>20, need>>20)
	}
	return nil
}
