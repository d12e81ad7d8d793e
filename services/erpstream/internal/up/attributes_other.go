//go:build unix && !linux

package up

import "syscall"

// attributes keep a child out of our process group, for Ctrl-C is ours to pass on.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
