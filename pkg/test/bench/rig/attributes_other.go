//go:build unix && !linux

package rig

import "syscall"

// attributes keep a Ctrl-C in the terminal from a process.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
