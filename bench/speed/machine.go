package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// machine is where and of what a run was made.
type machine struct {
	day, cpu, system, golang, revision string
	cores                              int
	casbin                             []string
}

func describe(ctx context.Context, root string, now time.Time) machine {
	m := machine{
		day: now.UTC().Format(time.DateOnly), cpu: "unknown processor", system: runtime.GOOS + "/" + runtime.GOARCH, golang: runtime.Version(),
		revision: "of unknown revision", cores: runtime.NumCPU(), casbin: casbinVersions(),
	}
	if told, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range bytes.Lines(told) {
			if name, value, _ := strings.Cut(string(line), ":"); strings.TrimSpace(name) == "model name" {
				m.cpu = strings.TrimSpace(value)
				break
			}
		}
	}
	if told, err := exec.CommandContext(ctx, "git", "-C", root, "describe", "--always", "--dirty").Output(); err == nil {
		m.revision = strings.TrimSpace(string(told))
	}
	return m
}

// casbinVersions are those that were linked.
func casbinVersions() (versions []string) {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return nil
	}
	for _, module := range info.Deps {
		if strings.HasPrefix(module.Path, "github.com/casbin/casbin/") {
			versions = append(versions, module.Version)
		}
	}
	return versions
}
