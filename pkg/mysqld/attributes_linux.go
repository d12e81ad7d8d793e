package mysqld

import "syscall"

// childAttributes lets the server end with this process, however that ends, and keeps a Ctrl-C
// in the terminal from it: Stop ends it in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
