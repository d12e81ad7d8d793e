//go:build unix && !linux

package rig

import "syscall"

// settle does nothing: what was written before may slow down what is measured.
func settle() {}

// attributes keep a Ctrl-C in the terminal from a process.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
