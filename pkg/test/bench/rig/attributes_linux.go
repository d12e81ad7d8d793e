package rig

import "syscall"

// settle waits until the disk has all that was written to files.
func settle() { syscall.Sync() }

// attributes end a process with this one, however that ends, and keep a Ctrl-C in the terminal from it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
