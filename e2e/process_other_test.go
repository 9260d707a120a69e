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

func (p *process) freeze(t *testing.T) { t.Skip("a process is stopped and continued on Linux only") }

func (p *process) thaw(*testing.T) {}
