package main

import "syscall"

// bound has a program killed when this one is, and keeps the terminal from interrupting both at once: stop ends
// them in order.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
