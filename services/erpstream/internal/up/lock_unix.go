//go:build unix

package up

import (
	"fmt"
	"os"
	"syscall"
)

// lock takes a file for this process alone until the returned function is called.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // in the data folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is held by another `erpstream up`: end that one, or give this one a folder of its own with --data", path)
	}
	return f.Close, nil
}
