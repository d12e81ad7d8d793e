package up

import "syscall"

// attributes keep a child out of our process group, for Ctrl-C is ours to pass on, and end it
// when we are killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
