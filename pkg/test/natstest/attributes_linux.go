package natstest

import "syscall"

// childAttributes end a server with this process, however that ends, and keep a Ctrl-C in the
// terminal from it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
