//go:build unix && !linux

package mysqld

import "syscall"

// childAttributes keeps a Ctrl-C in the terminal from the server: Stop ends it in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
