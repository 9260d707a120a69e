package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

var users = []story{
	{"an account is found as it was inserted", func(d *database) {
		row := person(1)
		row.LastSeen = noon.Add(time.Minute)
		row.DeletedByOwner = true
		want := row.User
		want.ID = d.insert(row)[0].ID
		if want.ID < 1 || want.ID >= 1<<31 {
			d.t.Errorf("id %d does not fit GraphQL's Int", want.ID)
		}
		same(d, "by UUID", d.user(row), want)
		got, hash, err := d.now().Credentials(row.EmailKey)
		d.must(err)
		same(d, "by address", got, want)
		same(d, "hash by address", hash, row.PasswordHash)
		hash, err = d.now().PasswordHash(want.ID)
		d.must(err)
		same(d, "hash", hash, row.PasswordHash)
	}},

	{"InsertUser returns the account with its id", func(d *database) {
		row := person(1)
		row.ID = 77 // ignored
		inserted := d.insert(row, person(2))
		same(d, "inserted", inserted[0], d.user(row))
		if inserted[0].ID == inserted[1].ID {
			d.t.Errorf("two accounts have id %d", inserted[0].ID)
		}
	}},

	{"nobody is found in an empty database", func(d *database) {
		tell := map[string]error{}
		_, tell["UserByUserID"] = d.now().UserByUserID(person(1).UserID)
		_, _, tell["Credentials"] = d.now().Credentials("person1@example.org")
		_, tell["PasswordHash"] = d.now().PasswordHash(1)
		for method, err := range tell {
			if !errors.Is(err, store.ErrNotFound) {
				d.t.Errorf("%s answered %v, want ErrNotFound", method, err)
			}
		}
		found, total, err := d.now().Users(store.UserFilter{Limit: 10})
		d.must(err)
		same(d, "found", len(found)+total, 0)
		exists, err := d.now().UserExists()
		d.must(err)
		same(d, "exists", exists, false)
	}},

	{"an address is given once, also that of an inactive account", func(d *database) {
		gone := person(1)
		gone.IsActive = false
		d.insert(gone)
		again := person(2)
		again.Email, again.EmailKey = "PERSON1@example.org", gone.EmailKey
		d.refuse(store.ErrEmailTaken, func(tx store.Tx) error {
			_, err := tx.InsertUser(again)
			return err
		})
		d.absent(again)
	}},

	{"a slug is given once", func(d *database) {
		first, second, third := person(1), person(2), person(3)
		d.insert(first, second)
		third.Slug = first.Slug
		d.refuse(store.ErrSlugTaken, func(tx store.Tx) error {
			_, err := tx.InsertUser(third)
			return err
		})
		renamed := d.user(second)
		renamed.Slug = first.Slug
		d.refuse(store.ErrSlugTaken, func(tx store.Tx) error { return tx.UpdateUser(renamed) })
		same(d, "slug", d.user(second).Slug, second.Slug)

		for slug, want := range map[string]bool{first.Slug: true, "free": false, "PERSON1": false} {
			got, err := d.now().SlugExists(slug)
			d.must(err)
			same(d, slug, got, want)
		}
	}},

	{"UpdateUser writes what it names and leaves the rest", func(d *database) {
		row := person(1)
		before := d.insert(row)[0]
		change := propusk.User{
			ID: before.ID, Name: "Анна", LastName: "Каренина", Slug: "anna", Role: "moderator", DeletedByOwner: true,
			UpdatedAt: noon.Add(time.Hour),
			UserID:    person(9).UserID, Email: "other@example.org", CreatedAt: noon.Add(time.Hour), LastSeen: noon.Add(time.Hour),
		}
		d.update(func(tx store.Tx) error { return tx.UpdateUser(change) })
		want := change
		want.UserID, want.Email, want.CreatedAt, want.LastSeen = before.UserID, before.Email, before.CreatedAt, before.LastSeen
		same(d, "changed", d.user(row), want)
	}},

	{"a new hash replaces the old one", func(d *database) {
		id := d.insert(person(1))[0].ID
		d.update(func(tx store.Tx) error { return tx.SetPasswordHash(id, "new") })
		hash, err := d.now().PasswordHash(id)
		d.must(err)
		same(d, "hash", hash, "new")
	}},

	{"an account that is not there cannot be changed", func(d *database) {
		unknown := person(1).User
		unknown.ID = 42
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.UpdateUser(unknown) })
		d.refuse(store.ErrNotFound, func(tx store.Tx) error { return tx.SetPasswordHash(unknown.ID, "new") })
	}},

	{"what cannot be an account is refused", func(d *database) {
		for what, spoil := range map[string]func(*store.UserRow){
			"a role in capitals":      func(r *store.UserRow) { r.Role = "Admin" },
			"a list of roles":         func(r *store.UserRow) { r.Role = "user,admin" },
			"no role":                 func(r *store.UserRow) { r.Role = "" },
			"a Cyrillic look-alike":   func(r *store.UserRow) { r.Role = "аdmin" },
			"a role of 33 letters":    func(r *store.UserRow) { r.Role = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
			"a UUID in capitals":      func(r *store.UserRow) { r.UserID = "00000001-0000-4000-8000-00000000ABCD" },
			"a UUID in braces":        func(r *store.UserRow) { r.UserID = "{0000001-0000-4000-8000-00000000abc}" },
			"something not like UUID": func(r *store.UserRow) { r.UserID = "1" },
		} {
			row := person(1)
			spoil(&row)
			err := d.Update(d.t.Context(), func(tx store.Tx) error {
				_, err := tx.InsertUser(row)
				return err
			})
			if err == nil {
				d.t.Errorf("%s was accepted", what)
			}
		}
		longest := person(2)
		longest.Role = "a-role_with-32-characters-in-it1"
		d.insert(longest)
	}},

	{"what is no text is refused, be it looked for or kept", func(d *database) {
		for _, no := range []string{"a\x00b", "\xff", "\xed\xa0\x80"} {
			row := person(1)
			row.Name = no
			tell := map[string]error{"InsertUser": d.Update(d.t.Context(), func(tx store.Tx) error {
				_, err := tx.InsertUser(row)
				return err
			})}
			_, _, tell["Credentials"] = d.now().Credentials(no)
			_, _, tell["SessionByID"] = d.now().SessionByID(no)
			for method, err := range tell {
				if propusk.KindOf(err) != propusk.Invalid {
					d.t.Errorf("%s of %q answered %v", method, no, err)
				}
			}
		}
	}},

	{"a search finds text anywhere, whatever its case", search},

	{"a list is cut into pages by id", func(d *database) {
		rows := make([]store.UserRow, 5)
		for i := range rows {
			rows[i] = person(5 - i)
		}
		all := d.insert(rows...)
		for _, page := range []struct {
			offset, limit int
			want          []propusk.User
		}{
			{0, 2, all[:2]}, {2, 2, all[2:4]}, {4, 2, all[4:]}, {5, 2, nil}, {0, 100, all},
		} {
			found, total, err := d.now().Users(store.UserFilter{Offset: page.offset, Limit: page.limit})
			d.must(err)
			same(d, "page", found, page.want)
			same(d, "total", total, len(all))
		}
	}},

	{"filters narrow the list together", func(d *database) {
		rows := []store.UserRow{person(1), person(2), person(3), person(4)}
		rows[1].Role, rows[2].Role = "moderator", "moderator"
		rows[2].IsActive, rows[3].IsActive = false, false
		d.insert(rows...)
		yes, no := true, false
		for _, c := range []struct {
			filter store.UserFilter
			want   []string
		}{
			{store.UserFilter{}, []string{"person1", "person2", "person3", "person4"}},
			{store.UserFilter{Role: "moderator"}, []string{"person2", "person3"}},
			{store.UserFilter{Active: &yes}, []string{"person1", "person2"}},
			{store.UserFilter{Active: &no}, []string{"person3", "person4"}},
			{store.UserFilter{Role: "moderator", Active: &yes}, []string{"person2"}},
			{store.UserFilter{Role: "moderator", Active: &no, Search: "PERSON"}, []string{"person3"}},
			{store.UserFilter{Search: "person4"}, []string{"person4"}},
			{store.UserFilter{Role: "admin"}, nil},
			{store.UserFilter{Role: "moderator' OR '1'='1"}, nil},
		} {
			c.filter.Limit = 10
			same(d, "found", slugs(d, c.filter), c.want)
		}
	}},

	{"active holders of a role are counted up to a limit", func(d *database) {
		rows := []store.UserRow{person(1), person(2), person(3), person(4)}
		for i := range rows[:3] {
			rows[i].Role = "admin"
		}
		rows[2].IsActive = false
		d.insert(rows...)
		for _, c := range []struct {
			role        string
			limit, want int
		}{{"admin", 10, 2}, {"admin", 1, 1}, {"user", 10, 1}, {"moderator", 10, 0}} {
			got, err := d.now().CountActive(c.role, c.limit)
			d.must(err)
			same(d, c.role, got, c.want)
		}
		exists, err := d.now().UserExists()
		d.must(err)
		same(d, "exists", exists, true)
	}},
}

func search(d *database) {
	anna, percent, under, back := person(1), person(2), person(3), person(4)
	anna.Name, anna.LastName, anna.Slug = "Анна", "Ёлкина-Šímová", "anna"
	anna.Email, anna.EmailKey = "Почта@Пример.РФ", "почта@пример.рф"
	percent.Name, under.Name, back.Name = "100%", "a_b", `a\b`
	d.insert(anna, percent, under, back)
	for query, want := range map[string][]string{
		"анна":        {"anna"},
		"НН":          {"anna"},
		"ёлк":         {"anna"},
		"ЁЛК":         {"anna"},
		"šíMOV":       {"anna"},
		"ší":          {"anna"}, // decomposed, as some keyboards type it
		"ПРИМЕР.рф":   {"anna"},
		"Anna":        {"anna"},
		"анна ёлкина": {"anna"},
		"нет":         nil,
		"%":           {"person2"},
		"0%":          {"person2"},
		"1%%":         nil,
		"_":           {"person3"},
		"a_":          {"person3"},
		`\`:           {"person4"},
		`\b`:          {"person4"},
		`\%`:          nil,
		"person3":     {"person3"},
		"EXAMPLE.ORG": {"person2", "person3", "person4"},
		"' OR 1=1 --": nil,
	} {
		d.t.Run(query, func(t *testing.T) {
			same(d.in(t), "found", slugs(d, store.UserFilter{Search: query, Limit: 10}), want)
		})
	}

	renamed := d.user(anna)
	renamed.Name, renamed.LastName, renamed.Slug = "Мария", "", "maria"
	d.update(func(tx store.Tx) error { return tx.UpdateUser(renamed) })
	for query, want := range map[string][]string{"анна": nil, "МАРИЯ": {"maria"}, "почта@": {"maria"}} {
		same(d, query+" after the change", slugs(d, store.UserFilter{Search: query, Limit: 10}), want)
	}
}

// slugs are those of the accounts found; the total must be their number.
func slugs(d *database, f store.UserFilter) (found []string) {
	d.t.Helper()
	page, total, err := d.now().Users(f)
	d.must(err)
	for _, u := range page {
		found = append(found, u.Slug)
	}
	same(d, "total", total, len(found))
	return found
}

// in is the same database seen from a sub-test.
func (d *database) in(t *testing.T) *database { return &database{d.Store, t, d.open} }
