package faults

import "syscall"

// dieWithUs makes a child die when the test does.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
