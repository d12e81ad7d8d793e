//go:build unix && !linux

package natstest

import "syscall"

// childAttributes keep a Ctrl-C in the terminal from a server.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
