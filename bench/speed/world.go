package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

const (
	// seats is in how many communities everybody is a member.
	seats = 10
	// together is how many accounts are made at once. It stays below the number of logins that one address may have under way.
	together   = 16
	passphrase = "a perfectly ordinary sentence"
)

// member is one membership, with all that the contestants call it.
type member struct {
	token, user, domain string
	person              int
	community           int64
	role                int
	// first is the number of the permission that is asked for first about this membership.
	first int
}

// world is so many memberships, and what is to be answered about them.
type world struct {
	// members are in random order, so that neighbours in memory are not asked for one after another.
	members     []member
	permissions []rbac.Permission
	roles       []string
	// allowed says what each role permits, by the numbers of both.
	allowed [][]bool
	lists   lists
	// people and domains are how many there are.
	people, domains int
}

// newWorld draws memberships, the same in every run: everybody is in ten communities, of which there is one for a thousand memberships, and
// ten at least.
func newWorld(memberships int) (*world, error) {
	grants, err := rbac.Compile(policyfile.Community())
	if err != nil {
		return nil, err
	}
	w := &world{roles: grants.Roles(), lists: lists{}, people: max(1, memberships/seats), domains: max(seats, memberships/1000)}
	for _, text := range grants.Permissions(rbac.Admin) {
		if text != rbac.Everything {
			w.permissions = append(w.permissions, rbac.MustPermission(text))
		}
	}
	for _, role := range w.roles {
		may := make([]bool, len(w.permissions))
		for n, p := range w.permissions {
			may[n] = grants.Allows([]string{role}, p)
		}
		w.allowed = append(w.allowed, may)
		w.lists[role] = slices.DeleteFunc(grants.Permissions(role), func(p string) bool { return p == rbac.Everything })
	}
	w.draw(rand.New(rand.NewPCG(1, uint64(memberships))))
	return w, nil
}

func (w *world) draw(r *rand.Rand) {
	for person := range w.people {
		first := r.IntN(w.domains)
		for seat := range seats {
			domain := (first + seat) % w.domains
			w.members = append(w.members, member{
				user: fmt.Sprintf("user-%d", person), domain: fmt.Sprintf("community-%d", domain), person: person,
				community: int64(domain), role: w.role(r), first: r.IntN(len(w.permissions)),
			})
		}
	}
	r.Shuffle(len(w.members), func(i, j int) { w.members[i], w.members[j] = w.members[j], w.members[i] })
}

// role draws one as they are held in a magazine: seventy readers in a hundred, one admin.
func (w *world) role(r *rand.Rand) int {
	at := r.IntN(100)
	for _, share := range []struct {
		role  string
		below int
	}{{"reader", 70}, {"author", 85}, {"artist", 90}, {"expert", 95}, {"editor", 99}} {
		if at < share.below {
			return slices.Index(w.roles, share.role)
		}
	}
	return slices.Index(w.roles, rbac.Admin)
}

// policy is the world as Casbin is told it.
func (w *world) policy() policy {
	p := policy{domains: map[string]lists{}}
	for n := range w.domains {
		p.domains[fmt.Sprintf("community-%d", n)] = w.lists
	}
	for _, m := range w.members {
		p.holders = append(p.holders, holder{m.user, w.roles[m.role], m.domain})
	}
	return p
}

// inhabit makes the world in a database in dir, by the public API alone, and notes the tokens and ids that it gives.
func (w *world) inhabit(ctx context.Context, dir string, say func(string)) (*embedded.Propusk, error) {
	p, err := embedded.Open(ctx, settings(dir))
	if err != nil {
		return nil, err
	}
	ids, tokens, err := w.populate(ctx, p, say)
	if err == nil {
		err = w.seat(ctx, p, ids, tokens, say)
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// settings are those of the Propusk that is timed. Hashing passwords costs nothing here, as it is not part of a check; and there is memory
// enough for everything to be remembered at the largest size.
func settings(dir string) embedded.Config {
	return embedded.Config{
		Database: "sqlite:" + filepath.Join(dir, "propusk.db"), MemoryMiB: 1024, PasswordMemoryKiB: 64, PasswordIterations: 1,
	}
}

// populate registers everybody and logs them in.
func (w *world) populate(ctx context.Context, p *embedded.Propusk, say func(string)) (ids, tokens []string, err error) {
	ids, tokens = make([]string, w.people), make([]string, w.people)
	var all errgroup.Group
	all.SetLimit(together)
	for n := range w.people {
		if n%10_000 == 0 {
			say(fmt.Sprintf("%d of %d accounts", n, w.people))
		}
		all.Go(func() error {
			address := fmt.Sprintf("user-%d@example.org", n)
			user, err := p.Register(ctx, embedded.Registration{Name: fmt.Sprintf("User %d", n), Email: address, Password: passphrase})
			if err != nil {
				return err
			}
			ids[n] = user.UserID
			tokens[n], err = login(ctx, p, address)
			return err
		})
	}
	err = all.Wait()
	return ids, tokens, err
}

// login waits where it is told to: a login under way counts as a failed one until it has succeeded, and all come from one address.
func login(ctx context.Context, p *embedded.Propusk, address string) (token string, err error) {
	for {
		var refused *propusk.Error
		token, err = p.Login(ctx, address, passphrase)
		if !errors.As(err, &refused) || refused.Kind != propusk.RateLimited {
			return token, err
		}
		select {
		case <-time.After(refused.RetryAfter):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// seat founds the communities and gives everybody their roles there.
func (w *world) seat(ctx context.Context, p *embedded.Propusk, ids, tokens []string, say func(string)) error {
	founder, err := p.Register(ctx, embedded.Registration{Name: "Founder", Email: "founder@example.org", Password: passphrase})
	if err != nil {
		return err
	}
	rows := make([][]propusk.Assignment, w.domains)
	for _, m := range w.members {
		rows[m.community] = append(rows[m.community], propusk.Assignment{UserID: ids[m.person], Roles: []string{w.roles[m.role]}})
	}
	communities := make([]int64, w.domains)
	for n := range communities {
		if n%200 == 0 {
			say(fmt.Sprintf("%d of %d communities", n, w.domains))
		}
		founded, err := p.Found(ctx, founder.UserID, fmt.Sprintf("community-%d", n), fmt.Sprintf("Community %d", n))
		if err != nil {
			return err
		}
		if _, err := p.BulkAssign(ctx, founded.ID, propusk.ModeReplace, rows[n]); err != nil && len(rows[n]) > 0 {
			return err
		}
		communities[n] = founded.ID
	}
	for n := range w.members {
		m := &w.members[n]
		m.token, m.community = tokens[m.person], communities[m.community]
	}
	return nil
}
