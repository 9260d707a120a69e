// Package discours reads an installation of Discours: its database, whatever age its schema is, and the lists of permissions that it kept in
// Redis or in a file.
package discours

import (
	"context"
	"errors"
	"iter"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// Options say where an installation is and how to read it.
type Options struct {
	// From is postgres://… or sqlite:PATH.
	From string
	// Permissions is a JSON file, or redis://… (rediss://…); empty for none.
	Permissions string
	// FillOldRoles gives members whose roles are empty those of the older role tables.
	FillOldRoles bool
	// Grants are the lists that communities start with, and Catalogue the permissions there are.
	Grants    *rbac.Grants
	Catalogue *rbac.Catalogue
}

// system is one installation, read in one snapshot.
type system struct {
	*database
	Options
	lists   lists
	dialect dialect
}

var _ source.System = (*system)(nil)

// Open connects. No error holds a password.
func Open(ctx context.Context, o Options) (source.System, error) {
	lists, err := openLists(ctx, o.Permissions)
	if err != nil {
		return nil, err
	}
	db, err := openDatabase(ctx, o.From)
	if err != nil {
		return nil, errors.Join(err, lists.close())
	}
	return &system{database: db, Options: o, lists: lists, dialect: dialect{grants: o.Grants, catalogue: o.Catalogue}}, nil
}

// Close implements source.System.
func (s *system) Close() error { return errors.Join(s.database.close(), s.lists.close()) }

// Count implements source.System.
func (s *system) Count(ctx context.Context) (n source.Count, err error) {
	members := "community_author"
	if !s.has(members) {
		members = "author_role"
	}
	for table, to := range map[string]*int{
		"author": &n.Accounts, "community": &n.Communities, members: &n.Members, "community_follower": &n.Followers,
	} {
		if s.has(table) {
			err = errors.Join(err, s.tx.QueryRowContext(ctx, `SELECT count(*) FROM `+quote(table)).Scan(to))
		}
	}
	return n, err
}

// Accounts implements source.System.
func (s *system) Accounts(ctx context.Context) iter.Seq2[source.Account, error] {
	text := `SELECT ` + s.columns("author", "id", "slug", "name", "email", "password", "is_active", "muted", "created_at", "updated_at",
		"last_seen", "deleted_at") + ` FROM author ORDER BY id`
	return func(yield func(source.Account, error) bool) {
		for r, err := range s.query(ctx, text) {
			var a source.Account
			if err == nil {
				a = account(r)
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

func account(r *record) source.Account {
	id := r.number(0)
	deleted := r.time(10, "deleted_at")
	a := source.Account{
		Number: id, Slug: r.text(1), Name: r.text(2), Email: r.text(3), Password: r.password(4), Inactive: r.isFalse(5),
		Deleted: !deleted.IsZero(), CreatedAt: r.time(7, "created_at"), UpdatedAt: r.time(8, "updated_at"), LastSeen: r.time(9, "last_seen"),
	}
	if r.isTrue(6) {
		r.doubt("muted", "Propusk mutes nobody: take away the role that lets this person write, or block the account")
	}
	a.Row = r.row("author", id)
	return a
}

// Communities implements source.System.
func (s *system) Communities(ctx context.Context) iter.Seq2[source.Community, error] {
	return func(yield func(source.Community, error) bool) {
		custom, err := s.customRoles(ctx)
		if err != nil {
			yield(source.Community{}, err)
			return
		}
		met := map[int64]bool{}
		for r, err := range s.query(ctx, s.communityText()) {
			var c source.Community
			if err == nil {
				c, err = s.community(ctx, r, custom, len(met) == 0)
				met[c.Number] = true
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
		for _, id := range s.lists.ids() {
			if !met[id] && !yield(strayLists(id), nil) {
				return
			}
		}
	}
}

func (s *system) communityText() string {
	return `SELECT ` + s.columns("community", "id", "name", "slug", "desc", "created_by", "private", "settings", "created_at", "updated_at",
		"deleted_at") + ` FROM community ORDER BY id`
}

// community is a row with its lists. What is wrong with lists for all communities is told with the first.
func (s *system) community(ctx context.Context, r *record, custom map[int64][]source.Role, first bool) (source.Community, error) {
	id := r.number(0)
	c := source.Community{
		Number: id, Name: r.text(1), Slug: r.text(2), Description: r.text(3), Creator: ref(r.number(4)), Closed: r.isTrue(5),
		CreatedAt: r.time(7, "created_at"), UpdatedAt: r.time(8, "updated_at"), DeletedAt: r.time(9, "deleted_at"),
	}
	c.Available, c.Default = r.settings(6)
	given, err := s.lists.of(ctx, id)
	if err != nil {
		return c, err
	}
	lists, odd := s.dialect.normalize(given.lists)
	if first || !given.shared {
		r.odd = append(append(r.odd, given.odd...), odd...)
	}
	c.Roles = s.dialect.differing(lists)
	s.addCustom(&c, r, custom[id])
	c.Row = r.row("community", id)
	return c, nil
}

// strayLists are lists of a community that there is not.
func strayLists(id int64) source.Community {
	key := listKey(id)
	return source.Community{Row: source.Row{Key: key, Where: key, Refused: "there are lists of permissions for this community, and no such community"}}
}

// Followers implements source.System.
func (s *system) Followers(ctx context.Context) iter.Seq2[source.Follower, error] {
	return func(yield func(source.Follower, error) bool) {
		if !s.has("community_follower") {
			return
		}
		at := `CAST(NULL AS BIGINT)`
		if s.hasColumn("community_follower", "created_at") {
			at = `min(created_at)`
		}
		text := `SELECT community, follower, ` + at + ` FROM community_follower GROUP BY community, follower
			ORDER BY community NULLS FIRST, follower NULLS FIRST`
		for r, err := range s.query(ctx, text) {
			var f source.Follower
			if err == nil {
				f = follower(r)
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

func follower(r *record) source.Follower {
	p := pair{r.number(0), r.number(1)}
	f := source.Follower{Community: ref(p.community), Account: ref(p.author), FollowedAt: r.time(2, "created_at")}
	f.Row = source.Row{Key: p.key(), Where: "community_follower, " + p.String(), Odd: r.odd}
	if !p.whole() {
		f.Refused = "it names no community or no author"
	}
	return f
}
