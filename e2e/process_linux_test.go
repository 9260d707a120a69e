package e2e

import (
	"syscall"
	"testing"
)

// onItsOwn puts a process into a group of its own, so that whatever it starts can be ended with it, and has the kernel kill it when the
// test dies without cleaning up.
func onItsOwn() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// kill is kill -9 for the process and its group.
func (p *process) kill() {
	if p.running() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	<-p.exited
}

// freeze keeps the process from running until thaw. Nothing tells it that time has passed.
func (p *process) freeze(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

func (p *process) thaw(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(p.cmd.Process.Pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}
