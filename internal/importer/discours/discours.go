// Package discours reads an installation of Discours: its database, whatever age its schema is, and the lists of permissions that it kept in
// Redis or in a file.
package discours

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

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
		"last_seen", "deleted_at") + ` FROM author ORDER BY ` + s.byNumber()
	return func(yield func(source.Account, error) bool) {
		var met keys
		for r, err := range s.query(ctx, text) {
			var a source.Account
			if err == nil {
				a = account(r)
				met.once(&a.Row)
			}
			if !yield(a, err) {
				return
			}
		}
	}
}

// byNumber is the order of rows by their ids. SQLite has room for any kind of value in any column; what is the same number must come together.
func (d *database) byNumber() string {
	if d.postgres {
		return `id`
	}
	return `(CAST(id AS INTEGER) > 0) IS NOT TRUE, CAST(id AS INTEGER), CAST(CAST(id AS INTEGER) AS TEXT) <> CAST(id AS TEXT), id`
}

func account(r *record) source.Account {
	id := r.ident(0)
	a := source.Account{
		Number: id.number, Slug: r.text(1), Name: r.text(2), Email: r.text(3), Password: r.password(4), Inactive: !r.flag(5, "is_active", true),
		CreatedAt: r.time(7, "created_at"), UpdatedAt: r.time(8, "updated_at"), LastSeen: r.time(9, "last_seen"),
	}
	_, a.Deleted = r.ended(10, "deleted_at")
	if r.flag(6, "muted", false) {
		r.doubt("muted", "Propusk mutes nobody: take away the role that lets this person write, or block the account")
	}
	r.refuseLong(11)
	a.Row = r.row("author", id)
	return a
}

// Communities implements source.System.
func (s *system) Communities(ctx context.Context) iter.Seq2[source.Community, error] {
	return func(yield func(source.Community, error) bool) {
		old, err := s.oldTables(ctx)
		if err != nil {
			yield(source.Community{}, err)
			return
		}
		places := &places{system: s, old: old, met: map[int64]bool{}}
		for r, err := range s.query(ctx, s.communityText()) {
			var c source.Community
			if err == nil {
				c, err = places.community(ctx, r)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
		for _, id := range s.lists.ids() {
			if !places.met[id] && !yield(strayLists(id), nil) {
				return
			}
		}
	}
}

func (s *system) communityText() string {
	return `SELECT ` + s.columns("community", "id", "name", "slug", "desc", "created_by", "private", "settings", "created_at", "updated_at",
		"deleted_at") + ` FROM community ORDER BY ` + s.byNumber()
}

// places are the communities while they are read.
type places struct {
	*system
	old  *oldTables
	met  map[int64]bool
	keys keys
	// shared are the lists for all communities, once they were read; told says that what is wrong with them was told, with the first community
	// that can be understood.
	shared map[string][]string
	odd    *doubts
	told   bool
}

// community is a row with its lists.
func (p *places) community(ctx context.Context, r *record) (source.Community, error) {
	id := r.ident(0)
	p.met[id.number] = true
	c := source.Community{
		Number: id.number, Name: r.text(1), Slug: r.text(2), Description: r.text(3), Creator: ref(r.ident(4)), Closed: r.flag(5, "private", false),
		CreatedAt: r.time(7, "created_at"), UpdatedAt: r.time(8, "updated_at"),
	}
	if c.Creator.Key == "" && r.values[4] != nil {
		r.doubt(fmt.Sprintf("created_by %.100q", r.text(4)), "it is no number of an author")
	}
	c.DeletedAt = p.deletedAt(r, c.UpdatedAt)
	c.Available, c.Default = r.settings(6)
	r.refuseLong(10)
	if err := p.addLists(ctx, &c, r); err != nil {
		return c, err
	}
	c.Row = r.row("community", id)
	p.keys.once(&c.Row)
	return c, nil
}

// deletedAt is when a community was deleted, or about when, if that cannot be read.
func (p *places) deletedAt(r *record, updated time.Time) time.Time {
	at, is := r.ended(9, "deleted_at")
	switch {
	case !is || !at.IsZero():
		return at
	case !updated.IsZero():
		return updated
	default:
		return time.Now().UTC().Truncate(time.Second)
	}
}

// addLists gives a community the roles that differ from the policy's.
func (p *places) addLists(ctx context.Context, c *source.Community, r *record) error {
	if c.Number == 0 {
		return nil // it is refused
	}
	given, err := p.lists.of(ctx, c.Number)
	if err != nil {
		return err
	}
	if given.refused != "" {
		r.refuse(given.refused)
		return nil
	}
	if given.lists == nil {
		p.old.add(c, r)
		return nil
	}
	lists, odd := p.shared, p.odd
	if lists == nil || !given.shared {
		if lists, odd, err = p.dialect.normalize(ctx, given.lists); err != nil {
			return err
		}
	}
	if given.shared {
		p.shared, p.odd = lists, odd
	}
	if !given.shared || !p.told && r.refused == "" {
		r.addAll("", odd)
		p.told = given.shared
	}
	c.Roles = p.dialect.differing(lists)
	p.old.addEmpty(c, r, lists)
	return nil
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
			at = s.bounded(`min(created_at)`)
		}
		text := `SELECT ` + s.bounded(`community`) + `, ` + s.bounded(`follower`) + `, ` + at + ` FROM community_follower GROUP BY community, follower
			ORDER BY community NULLS FIRST, follower NULLS FIRST`
		var met keys
		for r, err := range s.query(ctx, text) {
			var f source.Follower
			if err == nil {
				f = follower(r)
				met.once(&f.Row)
			}
			if !yield(f, err) {
				return
			}
		}
	}
}

func follower(r *record) source.Follower {
	p := pair{r.ident(0), r.ident(1)}
	f := source.Follower{Community: ref(p.community), Account: ref(p.author), FollowedAt: r.time(2, "created_at")}
	f.Row = source.Row{Key: p.key(), Where: "community_follower, " + p.String(), Odd: r.odd()}
	if !p.whole() {
		f.Refused = noPair
	}
	return f
}
