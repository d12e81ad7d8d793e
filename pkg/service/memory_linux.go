package service

import "syscall"

// giveBack gives the pages of memory that is all zero, and of which nobody writes, back to the system.
func giveBack(untouched []byte) { _ = syscall.Madvise(untouched, syscall.MADV_DONTNEED) }
