//go:build !linux

package main

import "syscall"

// bound is nothing where a program can't be tied to this one: it outlives this one when this one is killed.
func bound() *syscall.SysProcAttr { return nil }
