package app

import (
	"time"

	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/lease"
	"github.com/propusk/propusk/internal/memory"
	"github.com/propusk/propusk/internal/store"
)

const mebibyte = 1 << 20

// remember makes access answer from memory while the node holds a lease.
func (a *App) remember(c *config.Config, changes *memory.Memory) {
	if c.Memory == 0 {
		return
	}
	a.Access.Memory = access.NewMemory(changes, c.Memory*mebibyte)
	a.Access.Lease = func() access.Lease {
		if held := a.Node.Current(); held != nil {
			return held
		}
		return nil
	}
}

// leaseClock is the one that leases go by; nil is Go's own.
func leaseClock(c *config.Config) (func() time.Duration, error) {
	if !c.StrictClock {
		return nil, nil
	}
	return lease.StrictClock()
}

// frozenClock is the source of time to warn of: one that stands still while the machine is paused.
func frozenClock(c *config.Config) string {
	if c.Memory == 0 {
		return ""
	}
	return lease.FrozenClock()
}

// remembering tells whether answers may come from memory now, and how many nodes there are.
func (a *App) remembering() (now bool, nodes int64) {
	s := a.Node.Stats()
	return s.Held, s.Nodes
}

// things is memory, told of changes.
type things struct{ *memory.Memory }

// Drop implements lease.Memory.
func (t things) Drop(changes ...store.Change) {
	about := make([]memory.Thing, 0, len(changes))
	for _, c := range changes {
		switch c.Kind {
		case store.ChangedUser:
			about = append(about, memory.User(c.A))
		case store.ChangedMember:
			about = append(about, memory.Member(c.A, c.B))
		case store.ChangedMembers:
			about = append(about, memory.CommunityMembers(c.A))
		case store.ChangedCommunity:
			about = append(about, memory.Community(c.A))
		case store.ChangedNothing:
		default: // everything, or what only a newer version knows
			t.DropAll()
			return
		}
	}
	t.Memory.Drop(about...)
}
