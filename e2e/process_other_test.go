//go:build !linux

package e2e

import "syscall"

func onItsOwn() *syscall.SysProcAttr { return nil }

func (p *process) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill()
	}
	<-p.exited
}
