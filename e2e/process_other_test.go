//go:build !linux

package e2e

import (
	"syscall"
	"testing"
)

func onItsOwn() *syscall.SysProcAttr { return nil }

func (p *process) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill()
	}
	<-p.exited
}

func (p *process) memory(t *testing.T, _ string) float64 {
	t.Helper()
	t.Skip("the memory of another process is read from /proc, which only Linux has")
	return 0
}
