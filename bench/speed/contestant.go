package main

import (
	"context"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/rbac"
)

// contestant answers whether a member may, where they are one, what the permission of that number is.
type contestant struct {
	name string
	// concurrent tells whether several goroutines may ask at once.
	concurrent bool
	ask        func(m *member, permission int) (bool, error)
	// forget drops the answers it has kept. It is nil for those that keep none: what they remember are people and roles, not questions.
	forget func() error
}

// The names of those who are compared with all others.
const (
	propuskName = "Propusk"
	passName    = "Propusk, a Pass made"
	mapName     = "bare Go map"
)

// byPropusk asks about the token: what a program with Propusk inside it does for each request.
func byPropusk(ctx context.Context, w *world, p *embedded.Propusk) contestant {
	return contestant{name: propuskName, concurrent: true, ask: func(m *member, permission int) (bool, error) {
		decision, err := p.May(ctx, m.token, m.community, w.permissions[permission], rbac.OwnerUnknown)
		return decision.Allowed, err
	}}
}

// byPass makes a Pass of the token and looks at what it permits: what the guards do, whose Pass then answers everything else about the request.
func byPass(ctx context.Context, w *world, p propusk.Inspector) contestant {
	return contestant{name: passName, concurrent: true, ask: func(m *member, permission int) (bool, error) {
		pass, err := p.Inspect(ctx, m.token, m.community)
		if err != nil {
			return false, err
		}
		return pass.May(w.permissions[permission], rbac.OwnerUnknown).Allowed, nil
	}}
}

// session, seat and bits are what the bare map knows: who has the token, which role they have in a community, and what it permits.
type (
	session struct{ person int }
	seat    struct {
		person    int
		community int64
	}
	bits [8]uint64
)

func (b *bits) set(n int) { b[n/64] |= 1 << (n % 64) }

func (b *bits) has(n int) bool { return b[n/64]&(1<<(n%64)) != 0 }

// byMap is the least that any answer from memory costs: token → session, person and community → role, and one bit of that role. It checks no
// time, forgets nothing, has no bound and could not be changed while somebody reads.
func byMap(w *world) contestant {
	sessions, seats := make(map[string]session, w.people), make(map[seat]int, len(w.members))
	for _, m := range w.members {
		sessions[m.token], seats[seat{m.person, m.community}] = session{m.person}, m.role
	}
	permits := make([]bits, len(w.roles))
	for role, may := range w.allowed {
		for n, yes := range may {
			if yes {
				permits[role].set(n)
			}
		}
	}
	return contestant{name: mapName, concurrent: true, ask: func(m *member, permission int) (bool, error) {
		who, known := sessions[m.token]
		if !known {
			return false, nil
		}
		role, member := seats[seat{who.person, m.community}]
		return member && permits[role].has(permission), nil
	}}
}

// byCasbin are all enforcers in all layouts over the world. They are told who asks: they know no sessions.
func byCasbin(w *world, say func(string)) ([]contestant, error) {
	var all []contestant
	from := w.policy()
	for _, l := range layouts() {
		say("telling Casbin the policy, layout " + l.name)
		made, err := enforcers(l, from)
		if err != nil {
			return nil, err
		}
		for _, e := range made {
			all = append(all, contestant{e.name(), e.concurrent, func(m *member, permission int) (bool, error) {
				return e.ask(m.user, m.domain, w.permissions[permission].String())
			}, e.forget})
		}
	}
	return all, nil
}
