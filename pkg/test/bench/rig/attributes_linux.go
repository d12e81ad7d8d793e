package rig

import "syscall"

// attributes end a process with this one, however that ends, and keep a Ctrl-C in the terminal from it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
