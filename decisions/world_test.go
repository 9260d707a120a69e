package decisions_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/decisions"
	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/rbac"
)

const (
	// noCommunity is an id that no community has, noAccount one that no account has.
	noCommunity = 2_000_000_000
	noAccount   = "00000000-0000-4000-8000-000000000000"
)

// world is the cast of the table in a database. It was brought there by the API, and the server that did it is gone.
type world struct {
	table decisions.Table
	// settings are those of that server.
	settings config.Config
	// userIDs are of everybody, of a key that of its issuer. bearers are what they show; nobody shows nothing.
	userIDs, bearers map[string]string
	communities      map[string]int64
}

// builder is the server while it builds a world.
type builder struct {
	*apptest.Server
	*world
	t *testing.T
}

// build brings the cast to life in an empty database.
func build(t *testing.T, options ...func(*config.Config)) *world {
	t.Helper()
	b := builder{
		Server: apptest.Start(t, options...), t: t,
		world: &world{table: read(t), userIDs: map[string]string{}, bearers: map[string]string{}, communities: map[string]int64{}},
	}
	b.world.settings = *b.Server.Config
	b.bearers["root"] = b.Admin()
	for _, p := range b.table.People {
		b.register(p)
	}
	for _, name := range decisions.Communities() {
		made := b.must("POST", "/api/communities", "founder", map[string]any{"slug": name, "name": name})
		b.communities[name] = int64(made.Body["id"].(float64))
	}
	for _, role := range b.table.Roles {
		b.role(role)
	}
	for _, p := range b.table.People {
		b.admit(p)
	}
	for _, key := range b.table.Keys {
		made := b.must("POST", "/api/admin/api-keys", key.Issuer, map[string]any{"name": key.Name, "permissions": key.Permissions})
		b.bearers[key.Name], b.userIDs[key.Name] = made.Text("key"), b.userIDs[key.Issuer]
	}
	for _, p := range b.table.People {
		b.endure(p)
	}
	b.must("DELETE", b.path(decisions.Crows, ""), "founder", nil)
	b.Stop()
	return b.world
}

// must is a call that has to succeed.
func (b builder) must(method, path, who string, body any) apptest.Answer {
	b.t.Helper()
	got := b.Call(method, path, b.bearers[who], body)
	if got.Status != http.StatusOK && got.Status != http.StatusCreated {
		b.t.Fatalf("%s: %s %s: %d %s", who, method, path, got.Status, got.Raw)
	}
	return got
}

func (b builder) path(community, below string) string {
	return fmt.Sprintf("/api/communities/%d%s", b.communities[community], below)
}

func (b builder) register(p decisions.Person) {
	switch {
	case p.State == decisions.Nobody:
		b.userIDs[p.Name] = noAccount
		return
	case p.Name == "root": // whom the server began with
		b.userIDs[p.Name] = b.must("GET", "/api/users/me", p.Name, nil).Text("user_id")
		return
	}
	account := b.Register(p.Name)
	b.userIDs[p.Name], b.bearers[p.Name] = account.UserID, account.Token
	if p.Platform != "user" {
		b.must("POST", "/api/admin/change-role", "root", map[string]any{"user_id": account.UserID, "role": p.Platform})
	}
}

func (b builder) role(r decisions.Role) {
	if r.Edited {
		b.must("PATCH", b.path(r.Community, "/roles/"+r.ID), "founder", map[string]any{"permissions": r.Permissions})
		return
	}
	b.must("POST", b.path(r.Community, "/roles"), "founder", map[string]any{"id": r.ID, "name": r.ID, "permissions": r.Permissions})
}

// admit gives somebody the roles in communities; who was a member once is removed again.
func (b builder) admit(p decisions.Person) {
	if p.Name == "founder" { // is the admin of all by having made them
		return
	}
	for community, roles := range p.Roles {
		b.must("PUT", b.path(community, "/members/"+b.userIDs[p.Name]+"/roles"), "founder", map[string]any{"roles": roles})
	}
	for community, roles := range p.Former {
		member := b.path(community, "/members/"+b.userIDs[p.Name])
		b.must("PUT", member+"/roles", "founder", map[string]any{"roles": roles})
		b.must("DELETE", member, "founder", nil)
	}
}

// endure is what becomes of an account in the end.
func (b builder) endure(p decisions.Person) {
	switch p.State {
	case decisions.Active, decisions.Nobody:
	case decisions.Follower:
		b.must("POST", b.path(decisions.Owls, "/follow"), p.Name, nil)
	case decisions.Blocked:
		b.must("PUT", "/api/admin/block/"+b.userIDs[p.Name], "root", nil)
	case decisions.Deleted:
		b.must("DELETE", "/api/users/me", p.Name, nil)
	}
}

// config is a server's over this database, with owls as the default community or none.
func (w *world) config(defaulted bool) *config.Config {
	c := w.settings
	if defaulted {
		c.DefaultCommunity = w.communities[decisions.Owls]
	}
	return &c
}

// rows are those to ask a server with a default community, or one without. Where there is one, the rows that name another are asked again:
// it must not come before what is named.
func (w *world) rows(defaulted bool) []decisions.Row {
	var rows []decisions.Row
	for _, row := range w.table.Rows {
		asked := row.Where != decisions.Default
		if defaulted {
			asked = row.Where != decisions.NoWhere && row.Where != decisions.Owls
		}
		if asked {
			rows = append(rows, row)
		}
	}
	return rows
}

// named is the id that a question about that place names, 0 for none.
func (w *world) named(where string) int64 {
	switch where {
	case decisions.NoWhere, decisions.Default:
		return 0
	case decisions.Unknown:
		return noCommunity
	}
	return w.communities[where]
}

// owner is the user_id of whose object a row is about.
func (w *world) owner(row decisions.Row) string {
	switch {
	case row.Owner == rbac.OwnerUnknown:
		return ""
	case row.Owner == rbac.OwnerSelf:
		return w.userIDs[row.Who]
	case row.Who == "stranger":
		return w.userIDs["reader"]
	}
	return w.userIDs["stranger"]
}

// question is a row as its asker puts it.
func (w *world) question(row decisions.Row) propusk.Question {
	q := propusk.Question{Permission: row.Permission, CommunityID: w.named(row.Where), OwnerID: w.owner(row)}
	if row.ByName {
		q.UserID = w.userIDs[row.Who]
	}
	return q
}

// about is a row as somebody else puts it.
func (w *world) about(row decisions.Row) propusk.Question {
	q := w.question(row)
	q.UserID = w.userIDs[row.Who]
	return q
}

// inactive tells whether the account behind a name is.
func (w *world) inactive(name string) bool {
	p, ok := w.table.Person(name)
	return ok && p.State != decisions.Active && p.State != decisions.Follower
}
