package importer_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/account"
	"github.com/propusk/propusk/internal/importer"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
)

const ordinary = "a perfectly ordinary sentence"

// ordinaryHash is what another program made of it with bcrypt.
const ordinaryHash = "$2a$04$57hGI6eWsXg2oGAcD3Xpi.wgoNivCV6Ydk1YOZGPPDKkSi8NZbU8S"

func TestEverythingComesOver(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		anna, boris, gone := somebody(12, "Anna"), somebody(40, "Boris"), somebody(41, "Gleb")
		anna.Password.Hash, boris.Password.Plain, anna.Role, anna.LastName = ordinaryHash, ordinary+" of Boris", "moderator", "Ivanova"
		gone.Deleted = true
		owls := place(9, "owls")
		owls.Creator, owls.Closed, owls.Description = source.Ref{Key: "12"}, true, "Those who read at night"
		owls.Available, owls.Default = []string{"reader", "author", "keeper", "admin"}, []string{"reader", "author"}
		owls.Roles = []source.Role{{ID: "keeper", Name: "Keeper", Permissions: []string{"topic:merge"}}, {ID: "reader", Permissions: []string{"shout:read"}}}
		owls.Roles = append(owls.Roles, source.Role{ID: "author", Permissions: w.Communities.Grants.Permissions("author")})
		closed := place(10, "closed")
		closed.Creator, closed.DeletedAt = source.Ref{Key: "12"}, day(30)
		joins := seat(9, 41)
		joins.Defaults = true
		m := &magazine{
			accounts: []source.Account{anna, boris, gone}, communities: []source.Community{owls, closed},
			members:   []source.Member{seat(9, 12, "author", "admin"), seat(9, 40, "keeper"), joins, seat(10, 12, "admin")},
			followers: []source.Follower{fan(9, 40)},
		}
		report := w.run(m, importer.Options{})
		w.expect()
		if report.Accounts.Added != 3 || report.Communities.Added != 2 || report.Members.Added != 4 || report.Followers.Added != 1 {
			t.Errorf("report:\n%v", report)
		}
		if want := "1 new accounts have no password"; len(report.Notes) != 1 || !strings.HasPrefix(report.Notes[0], want) {
			t.Errorf("notes: %q", report.Notes)
		}
		is := w.user("anna@example.org")
		want := propusk.User{
			ID: 12, UserID: is.UserID, Name: "Anna", LastName: "Ivanova", Slug: "anna", Email: "anna@example.org", Role: "moderator", IsActive: true,
			CreatedAt: day(1), UpdatedAt: day(2), LastSeen: day(3),
		}
		if diff := cmp.Diff(want, is, cmp.Comparer(time.Time.Equal)); diff != "" || len(is.UserID) != 36 {
			t.Errorf("Anna: %s", diff)
		}
		if is := w.user("gleb@example.org"); is.IsActive || !is.DeletedByOwner || is.ID != 41 {
			t.Errorf("Gleb: %+v", is)
		}
		profile, err := w.Communities.Get(t.Context(), w.Operator(), 9)
		if err != nil {
			t.Fatal(err)
		}
		c := profile.Community
		if c.Slug != "owls" || c.Joining != propusk.JoiningClosed || c.CreatorID != 12 || c.Description != owls.Description || c.MemberCount != 3 ||
			!slices.Equal(c.AvailableRoles, owls.Available) || !slices.Equal(c.DefaultRoles, owls.Default) || !c.CreatedAt.Equal(day(4)) {
			t.Errorf("owls: %+v", c)
		}
		if got, want := w.members(9), []string{"anna@example.org: author,admin", "boris@example.org: keeper", "gleb@example.org: reader,author"}; !slices.Equal(got, want) {
			t.Errorf("members: %q", got)
		}
		roles, err := w.Communities.Roles(t.Context(), w.Operator(), 9)
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range roles {
			switch role.ID {
			case "keeper":
				if !role.Custom || role.Name != "Keeper" || !slices.Equal(role.Permissions, []string{"topic:merge"}) {
					t.Errorf("keeper: %+v", role)
				}
			case "author":
				if role.Edited {
					t.Error("a list that is the policy's makes an edited role")
				}
			case "reader":
				if !role.Edited || role.Name != "Reader" || !slices.Equal(role.Permissions, []string{"shout:read"}) {
					t.Errorf("reader: %+v", role)
				}
			}
		}
		if _, err := w.Communities.Get(t.Context(), w.Operator(), 10); propusk.KindOf(err) != propusk.NotFound {
			t.Errorf("a deleted community: %v", err)
		}
		for address, password := range map[string]string{"anna@example.org": ordinary, "boris@example.org": ordinary + " of Boris"} {
			if err := w.login(address, password); err != nil {
				t.Errorf("%s: %v", address, err)
			}
		}
		if text := w.dump() + w.log.String(); strings.Contains(text, ordinary) {
			t.Error("a password is in the database or in the log")
		}
		for _, action := range []string{"import.accounts", "import.communities", "import.members", "import.followers"} {
			if w.events(action) == 0 {
				t.Errorf("the audit has no %s", action)
			}
		}
	})
}

// A person keeps the password; the first login renews its hash.
func TestTheHashOfAnImportedPasswordIsRenewed(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	anna := somebody(1, "Anna")
	anna.Password.Hash = ordinaryHash
	w.run(&magazine{accounts: []source.Account{anna}}, importer.Options{})
	hash := func() string { return fmt.Sprint(w.query(`SELECT password FROM author WHERE id = 1`)[0][0]) }
	before := hash()
	for range 2 {
		if err := w.login("anna@example.org", ordinary); err != nil {
			t.Fatal(err)
		}
	}
	if before != anna.Password.Hash || !strings.HasPrefix(hash(), "$argon2id$") {
		t.Errorf("the hash was %s and is %s", before, hash())
	}
}

// Nobody logs in to an account without a password, it is refused as a wrong password is, and no line in the log tells it from others.
func TestAnAccountWithoutAPassword(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	anna := somebody(1, "Anna")
	anna.Password.Hash = "5f4dcc3b5aa765d61d8327deb882cf99"
	report := w.run(&magazine{accounts: []source.Account{anna}}, importer.Options{})
	w.expect("author 1, password: password: stored hash cannot be read")
	if report.Accounts.Added != 1 || report.Accounts.Parts != 1 || len(report.Notes) != 1 {
		t.Errorf("report:\n%v", report)
	}
	for _, password := range []string{"", "password", anna.Password.Hash, ordinary} {
		var refused *propusk.Error
		if err := w.login("anna@example.org", password); !errors.As(err, &refused) || refused.Code != "invalid_credentials" {
			t.Errorf("%q: %v", password, err)
		}
	}
	if w.log.String() != "" {
		t.Errorf("the log: %s", w.log)
	}
	hash := fmt.Sprint(w.query(`SELECT password FROM author`)[0][0])
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,") || !strings.HasSuffix(hash, "$"+strings.Repeat("A", 43)) {
		t.Errorf("the hash is %s", hash)
	}
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	change := func(a source.Account, to func(*source.Account)) source.Account {
		to(&a)
		return a
	}
	for name, tc := range map[string]struct {
		account source.Account
		faults  []string
		// want are the name and slug of the account; empty when it is quarantined.
		want string
	}{
		"no address":            {change(somebody(2, "Eve"), func(a *source.Account) { a.Email = " " }), []string{"author 2: an account needs an e-mail address"}, ""},
		"no address at all":     {change(somebody(2, "Eve"), func(a *source.Account) { a.Email = "eve" }), []string{`author 2: the e-mail address "eve" must be`}, ""},
		"an address again":      {change(somebody(2, "Eve"), func(a *source.Account) { a.Email = "ANNA@example.org" }), []string{"author 2: another row before it has the address"}, ""},
		"an address of Propusk": {somebody(2, "Taken"), []string{"author 2: an account of Propusk has the address taken@example.org already"}, ""},
		"refused":               {change(somebody(2, "Eve"), func(a *source.Account) { a.Refused = "no person" }), []string{"author 2: no person"}, ""},
		"a key that is no text": {change(somebody(2, "Eve"), func(a *source.Account) { a.Key = "a\x00b" }), []string{"author 2: the row has no key"}, ""},
		"no name":               {change(somebody(2, "Eve"), func(a *source.Account) { a.Name = "" }), nil, "eve/eve"},
		"a name that hides":     {change(somebody(2, "Eve"), func(a *source.Account) { a.Name = "E\u202eve" }), []string{`author 2, name "E\u202eve": must have`}, "eve/eve"},
		"no slug":               {change(somebody(2, "Eve"), func(a *source.Account) { a.Slug = "" }), nil, "Eve/eve"},
		"neither":               {change(somebody(2, "Eve"), func(a *source.Account) { a.Slug, a.Name = "", "" }), nil, "user/user"},
		"a bad slug":            {change(somebody(2, "Eve"), func(a *source.Account) { a.Slug = "Ева_1" }), []string{`adjusted: author 2, slug "Ева_1": it is taken, or no slug: it is eva-1 now`}, "Eve/eva-1"},
		"a slug again":          {change(somebody(2, "Eve"), func(a *source.Account) { a.Slug = "anna" }), []string{`adjusted: author 2, slug "anna": it is taken, or no slug: it is anna-2 now`}, "Eve/anna-2"},
		"an unknown role":       {change(somebody(2, "Eve"), func(a *source.Account) { a.Role = "king" }), []string{`author 2, platform role "king": must be one of`}, "Eve/eve"},
		"a time of no calendar": {change(somebody(2, "Eve"), func(a *source.Account) { a.LastSeen = time.Unix(1_600_000_000_000, 0) }), []string{"author 2, time of the last visit: must be"}, "Eve/eve"},
		"a part":                {change(somebody(2, "Eve"), func(a *source.Account) { a.Odd = []source.Odd{{Part: "muted", Why: "nobody is"}} }), []string{"author 2, muted: nobody is"}, "Eve/eve"},
		"a number again":        {change(somebody(1, "Eve"), func(a *source.Account) { a.Key = "other" }), []string{"adjusted: author 1, number 1: somebody else has it"}, "Eve/eve"},
		"a number too high":     {change(somebody(2, "Eve"), func(a *source.Account) { a.Number = 2_000_000_000 }), []string{"adjusted: author 2, number 2000000000: somebody"}, "Eve/eve"},
		"a password too long":   {change(somebody(2, "Eve"), func(a *source.Account) { a.Password.Plain = strings.Repeat("x", 100_000) }), []string{"author 2, password: "}, "Eve/eve"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sqlite(t)
			// Whoever was there first has the number before those that are reserved.
			_, err := w.Accounts.CreateAdmin(t.Context(), w.Operator(), account.Registration{Name: "Taken", Email: "taken@example.org", Password: ordinary})
			if err != nil {
				t.Fatal(err)
			}
			anna := somebody(1, "Anna")
			anna.Number = 0
			if tc.account.Number == 1 {
				anna.Number = 3
				tc.account.Number = 3
				tc.account.Where, tc.faults = "author 3", []string{"adjusted: author 3, number 3: somebody"}
			}
			report := w.run(&magazine{accounts: []source.Account{anna, tc.account}}, importer.Options{})
			w.expect(tc.faults...)
			added := 2
			if tc.want == "" {
				added = 1
			}
			if report.Accounts.Added != added || report.Accounts.Read != 2 || report.Accounts.Quarantined != 2-added {
				t.Errorf("report:\n%v", report)
			}
			if tc.want != "" {
				if is := w.user("eve@example.org"); is.Name+"/"+is.Slug != tc.want {
					t.Errorf("the account is %s/%s, want %s", is.Name, is.Slug, tc.want)
				}
			}
		})
	}
}

// Whoever registered an address first does not become somebody by an import, unless the operator says that they are the same person.
func TestAddressesThatAreThereAlready(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		in := account.Registration{Name: "Squatter", Email: "Anna@Example.org", Password: ordinary}
		if _, err := w.Accounts.CreateAdmin(t.Context(), w.Operator(), in); err != nil {
			t.Fatal(err)
		}
		squatter := w.user("anna@example.org")
		anna, again := somebody(10, "Anna"), somebody(11, "Anna")
		boris := somebody(12, "Boris")
		m := &magazine{
			accounts: []source.Account{anna, again, boris}, communities: []source.Community{place(1, "owls")},
			members: []source.Member{seat(1, 10, "admin"), seat(1, 11, "reader"), seat(1, 12, "reader")},
		}
		m.communities[0].Creator = source.Ref{Key: "12"}
		w.run(m, importer.Options{})
		w.expect("author 11: another row before it has", "author 10: an account of Propusk has the address", "seat 1:10: its account 10 did not come over",
			"seat 1:11: its account 11 did not")
		report := w.run(m, importer.Options{LinkByAddress: true})
		w.expect("author 11: another row before it has", "seat 1:11: its account 11 did not come over")
		if report.Linked != 1 || report.Accounts.There != 2 || report.Members.Added != 1 {
			t.Errorf("report:\n%v", report)
		}
		if diff := cmp.Diff(squatter, w.user("anna@example.org")); diff != "" {
			t.Errorf("the account was changed: %s", diff)
		}
		if got := w.members(1); !slices.Equal(got, []string{"Anna@Example.org: admin", "boris@example.org: reader"}) {
			t.Errorf("members: %q", got)
		}
	})
}

func TestCommunities(t *testing.T) {
	t.Parallel()
	type rows = []source.Community
	change := func(to func(*source.Community)) source.Community {
		c := place(2, "larks")
		to(&c)
		return c
	}
	for name, tc := range map[string]struct {
		community source.Community
		owner     string
		faults    []string
		// want is what of the community must be so; nil when it is quarantined.
		want func(propusk.Community) bool
	}{
		"a slug again": {change(func(c *source.Community) { c.Slug = "owls" }), "", []string{"community 2: another community has, or had, the slug owls"}, nil},
		"a bad slug": {
			change(func(c *source.Community) { c.Slug = "Ночные_совы" }), "", []string{`adjusted: community 2, slug "Ночные_совы": it is no slug, and is nochnye-sovy now`},
			func(c propusk.Community) bool { return c.Slug == "nochnye-sovy" && c.ID == 2 },
		},
		"no founder":         {change(func(c *source.Community) { c.Creator = source.Ref{} }), "", []string{"community 2: it has no founder that came over"}, nil},
		"an unknown founder": {change(func(c *source.Community) { c.Creator.Key = "77" }), "", []string{"community 2: it has no founder that came over"}, nil},
		"an owner":           {change(func(c *source.Community) { c.Creator.Key = "77" }), "BORIS@example.org", nil, func(c propusk.Community) bool { return c.CreatorID == 2 }},
		"a founder by address": {
			change(func(c *source.Community) { c.Creator = source.Ref{Name: "boris@example.org"} }), "", nil, func(c propusk.Community) bool { return c.CreatorID == 2 },
		},
		"no name":  {change(func(c *source.Community) { c.Name = "" }), "", nil, func(c propusk.Community) bool { return c.Name == "larks" }},
		"too long": {change(func(c *source.Community) { c.Description = strings.Repeat("я", 2001) }), "", []string{"community 2, description "}, func(c propusk.Community) bool { return c.Description == "" }},
		"the default": {change(func(*source.Community) {}), "", nil, func(c propusk.Community) bool {
			return len(c.AvailableRoles) == 6 && slices.Equal(c.DefaultRoles, []string{"reader"})
		}},
		"without admin": {
			change(func(c *source.Community) { c.Available = []string{"author"} }), "", []string{"adjusted: community 2, available roles: admin is always"},
			func(c propusk.Community) bool {
				return slices.Equal(c.AvailableRoles, []string{"author", "admin"}) && len(c.DefaultRoles) == 0
			},
		},
		"admin for everybody": {
			change(func(c *source.Community) { c.Default = []string{"reader", "admin"} }), "", []string{`community 2, default role "admin": it cannot be given on joining`},
			func(c propusk.Community) bool { return slices.Equal(c.DefaultRoles, []string{"reader"}) },
		},
		"no defaults": {change(func(c *source.Community) { c.Default = []string{} }), "", nil, func(c propusk.Community) bool { return len(c.DefaultRoles) == 0 }},
		"unknown roles": {
			change(func(c *source.Community) {
				c.Available, c.Default = []string{"reader", "king", "admin"}, []string{"author"}
			}), "",
			[]string{`community 2, available role "king": the community has no such role`, `community 2, default role "author": it cannot be given`},
			func(c propusk.Community) bool { return slices.Equal(c.AvailableRoles, []string{"reader", "admin"}) },
		},
		"a role of its own": {
			change(func(c *source.Community) {
				c.Roles = []source.Role{{ID: "keeper", Permissions: []string{"topic:merge", "topic:update_any"}}}
			}), "", nil,
			func(c propusk.Community) bool { return slices.Contains(c.AvailableRoles, "keeper") },
		},
		"the list of admin": {
			change(func(c *source.Community) {
				c.Roles = []source.Role{{ID: "admin", Permissions: []string{"topic:merge"}}}
			}), "",
			[]string{`community 2, role "admin": its list cannot be edited`}, func(propusk.Community) bool { return true },
		},
		"permissions that are none": {
			change(func(c *source.Community) {
				c.Roles = []source.Role{{ID: "keeper", Permissions: []string{"topic:*", "author:delete_any", "topic:merge", "*"}}, {ID: "Big King"}}
			}), "",
			[]string{
				`community 2, role "keeper", permission "topic:*": `, `community 2, role "keeper", permission "author:delete_any": author:delete_any is not in`,
				`community 2, role "keeper", permission "*": `, `community 2, role "Big King": a role must`,
			},
			func(c propusk.Community) bool { return slices.Contains(c.AvailableRoles, "keeper") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sqlite(t)
			m := &magazine{
				accounts: []source.Account{somebody(1, "Anna"), somebody(2, "Boris")}, communities: rows{place(1, "owls"), tc.community},
				members: []source.Member{seat(1, 1, "admin"), seat(2, 1, "admin")},
			}
			if tc.want == nil {
				tc.faults = append(tc.faults, "seat 2:1: its community 2 did not come over")
			}
			w.run(m, importer.Options{Owner: tc.owner})
			w.expect(tc.faults...)
			is, err := w.Communities.Get(t.Context(), w.Operator(), 2)
			if (err == nil) != (tc.want != nil) || (err == nil && !tc.want(is.Community)) {
				t.Errorf("the community: %+v, %v", is.Community, err)
			}
		})
	}
}

func TestAnOwnerThatThereIsNot(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	_, err := w.attempt(t.Context(), &magazine{accounts: []source.Account{somebody(1, "Anna")}}, importer.Options{Owner: "nobody@example.org"})
	if err == nil || !strings.Contains(err.Error(), "nobody@example.org") {
		t.Errorf("%v", err)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	by := func(m source.Member, to func(*source.Member)) source.Member {
		to(&m)
		return m
	}
	for name, tc := range map[string]struct {
		member source.Member
		faults []string
		want   string
	}{
		"as it is":                 {seat(1, 2, "author", "reader"), nil, "boris@example.org: author,reader"},
		"no roles":                 {seat(1, 2), nil, "boris@example.org: "},
		"a role twice":             {seat(1, 2, "reader", "reader"), nil, "boris@example.org: reader"},
		"default roles":            {by(seat(1, 2), func(m *source.Member) { m.Defaults = true }), nil, "boris@example.org: reader"},
		"a role that there is not": {seat(1, 2, "king", "reader"), []string{`seat 1:2, role "king": the community has no such role to give: reader`}, "boris@example.org: reader"},
		"a role that is malformed": {seat(1, 2, "Reader", "reader"), []string{`seat 1:2, role "Reader": a role must begin`}, "boris@example.org: reader"},
		"an account that is not":   {seat(1, 77, "reader"), []string{"seat 1:77: its account 77 did not come over"}, ""},
		"a community that is not":  {seat(77, 2, "reader"), []string{"seat 77:2: its community 77 did not come over"}, ""},
		"refused":                  {by(seat(1, 2), func(m *source.Member) { m.Refused = "no seat" }), []string{"seat 1:2: no seat"}, ""},
		"by address and by slug": {by(seat(1, 2, "reader"), func(m *source.Member) {
			m.Account, m.Community = source.Ref{Name: "BORIS@example.org"}, source.Ref{Name: "owls"}
		}), nil, "boris@example.org: reader"},
		"a slug that there is not":   {by(seat(1, 2, "reader"), func(m *source.Member) { m.Community = source.Ref{Name: "larks"} }), []string{"seat 1:2: its community larks did not come over"}, ""},
		"the same seat again":        {by(seat(1, 1, "reader"), func(m *source.Member) { m.Key = "another" }), nil, ""},
		"a reference without a name": {by(seat(1, 2, "reader"), func(m *source.Member) { m.Account = source.Ref{} }), []string{"seat 1:2: its account  did not come over"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := sqlite(t)
			m := &magazine{
				accounts: []source.Account{somebody(1, "Anna"), somebody(2, "Boris")}, communities: []source.Community{place(1, "owls")},
				members: []source.Member{seat(1, 1, "admin"), tc.member},
			}
			w.run(m, importer.Options{})
			w.expect(tc.faults...)
			want := []string{"anna@example.org: admin"}
			if tc.want != "" {
				want = append(want, tc.want)
			}
			if got := w.members(1); !slices.Equal(got, want) {
				t.Errorf("members: %q", got)
			}
		})
	}
}

// The first moment at which somebody can have joined is when both were there.
func TestWhenSomebodyJoinedIsUnknown(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	late := somebody(2, "Boris")
	late.CreatedAt = day(20)
	m := &magazine{
		accounts: []source.Account{somebody(1, "Anna"), late}, communities: []source.Community{place(1, "owls")},
		members: []source.Member{seat(1, 1, "admin"), seat(1, 2)},
	}
	m.members[0].JoinedAt, m.members[1].JoinedAt = time.Time{}, time.Time{}
	w.run(m, importer.Options{})
	rows := w.query(`SELECT joined_at FROM community_author ORDER BY author_id`)
	if rows[0][0] != day(4).Unix() || rows[1][0] != day(20).Unix() {
		t.Errorf("joined at %v", rows)
	}
}

// What was done in Propusk since the first import stays: nobody who was removed comes back, and nothing that was changed is changed back.
func TestASecondRunChangesNothing(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		m := crowd(5)
		m.members[3].Roles = []string{"king", "reader"}
		m.accounts = append(m.accounts, source.Account{Row: source.Row{Key: "9", Where: "author 9"}, Number: 9})
		m.communities[1].Available = []string{"reader", "author"} // admin is added
		first := w.run(m, importer.Options{})
		faults := slices.DeleteFunc(w.faults, func(f importer.Fault) bool { return f.Adjusted })
		if first.Communities.Adjusted != 1 {
			t.Errorf("the first report:\n%v", first)
		}
		boris := w.user("p2@example.org")
		if err := w.Communities.Remove(t.Context(), w.Operator(), 5, boris.UserID); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Communities.SetRoles(t.Context(), w.Operator(), 5, w.user("p3@example.org").UserID, []string{"expert"}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Accounts.Block(t.Context(), w.Operator(), boris.UserID); err != nil {
			t.Fatal(err)
		}
		before, events := w.dump(), len(w.query(`SELECT id FROM audit_event`))
		second := w.run(m, importer.Options{})
		if after := w.dump(); after != before || events != len(w.query(`SELECT id FROM audit_event`)) {
			t.Errorf("the second run changed something: %s", cmp.Diff(before, after))
		}
		if second.Accounts.There != 5 || second.Members.There != 10 || second.Followers.There != 5 || second.Communities.There != 2 || second.Accounts.Added != 0 {
			t.Errorf("the second report:\n%v", second)
		}
		if diff := cmp.Diff(faults, w.faults); diff != "" || first.Quarantined() != second.Quarantined() {
			t.Errorf("the second quarantine is another: %s", diff)
		}
		// What was quarantined is tried again, and what is new comes on top.
		m.accounts[5] = somebody(9, "Nine")
		m.accounts = append(m.accounts, somebody(12, "Twelve"))
		m.members = append(m.members, seat(5, 9, "reader"), seat(5, 2, "reader"))
		m.members[len(m.members)-1].Key = "5:2 again"
		third := w.run(m, importer.Options{})
		if third.Accounts.Added != 2 || third.Members.Added != 1 || third.Members.Quarantined != 1 || w.user("nine@example.org").ID != 9 {
			t.Errorf("the third report:\n%v", third)
		}
		if last := w.faults[len(w.faults)-1].String(); !strings.HasPrefix(last, "seat 5:2: somebody removed this account from the community in Propusk") {
			t.Errorf("the last fault: %s", last)
		}
	})
}

// A number that was not reserved by the first run may be somebody's since.
func TestALaterRunKnowsItsNumbers(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		m := &magazine{accounts: []source.Account{somebody(3, "Three"), somebody(8, "Eight")}}
		w.run(m, importer.Options{})
		in := account.Registration{Name: "Between", Email: "between@example.org", Password: ordinary}
		between, err := w.Accounts.CreateAdmin(t.Context(), w.Operator(), in)
		if err != nil || between.ID != 9 {
			t.Fatalf("%+v, %v", between, err)
		}
		m.accounts = []source.Account{somebody(3, "Three"), somebody(5, "Five"), somebody(8, "Eight"), somebody(9, "Nine"), somebody(10, "Ten")}
		w.run(m, importer.Options{})
		w.expect("adjusted: author 9, number 9: somebody else has it", "adjusted: author 10, number 10: somebody else has it")
		for address, id := range map[string]int64{"five@example.org": 5, "between@example.org": 9, "nine@example.org": 10, "ten@example.org": 11} {
			if is := w.user(address); is.ID != id {
				t.Errorf("%s is %d, want %d", address, is.ID, id)
			}
		}
		// Another source has numbers of its own, and none of these.
		other := &magazine{accounts: []source.Account{somebody(4, "Four"), somebody(20, "Twenty")}}
		w.run(other, importer.Options{Source: "other"})
		w.expect("adjusted: author 4, number 4: somebody else")
		if w.user("twenty@example.org").ID != 20 {
			t.Errorf("Twenty is %d", w.user("twenty@example.org").ID)
		}
	})
}

// A run that breaks off and is begun again comes to the same as one that does not.
func TestARunThatBreaksOff(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		whole, broken := fresh(), fresh()
		m := crowd(160)
		for i := 10; i < 160; i += 10 {
			m.accounts[i].Slug = "p7" // somebody has it
			m.accounts[i].Name = ""
		}
		whole.run(m, importer.Options{})
		m.breaks = 210
		for stop := 1; stop < 9; stop += 2 {
			ctx, cancel := context.WithCancel(t.Context())
			n := 0
			_, err := broken.attempt(ctx, m, importer.Options{Progress: func(string, int, int) {
				if n++; n == stop+2 {
					cancel()
				}
			}})
			cancel()
			if err == nil {
				t.Error("the run did not break off")
			}
		}
		m.breaks = 0
		report := broken.run(m, importer.Options{})
		if report.Members.Added == 0 || report.Members.There == 0 {
			t.Errorf("the last run had nothing left to do, or all:\n%v", report)
		}
		if diff := cmp.Diff(whole.dump(), broken.dump()); diff != "" {
			t.Errorf("broken off and begun again differs: %.2000s", diff)
		}
	})
}

// A dry run says what a real one will, and writes nothing.
func TestADryRun(t *testing.T) {
	t.Parallel()
	worlds(t, func(t *testing.T, fresh func() *world) {
		w := fresh()
		in := account.Registration{Name: "Squatter", Email: "p3@example.org", Password: ordinary}
		if _, err := w.Accounts.CreateAdmin(t.Context(), w.Operator(), in); err != nil {
			t.Fatal(err)
		}
		m := crowd(150)
		m.accounts[140].Slug, m.accounts[141].Email = "p5", "p2@example.org"
		m.communities = append(m.communities, place(8, "owls"), place(9, "gone"), place(11, "empty"))
		m.communities[3].DeletedAt = day(9)
		m.members = append(m.members, seat(8, 2), seat(9, 2, "reader"), seat(11, 2, "king"), seat(5, 2, "reader"))
		m.members[len(m.members)-1].Key = "another"
		byName := seat(11, 5, "reader")
		byName.Account, byName.Community = source.Ref{Name: "P5@example.org"}, source.Ref{Name: "empty"}
		m.members = append(m.members, byName)
		m.communities[4].Creator = source.Ref{}
		before := w.dump()
		said := w.run(m, importer.Options{DryRun: true, Owner: "p7@example.org"})
		faults := slices.Clone(w.faults)
		if w.dump() != before {
			t.Error("the dry run wrote something")
		}
		did := w.run(m, importer.Options{Owner: "p7@example.org"})
		// Which number somebody gets nobody knows before.
		if said.Notes[2] != "author 1 gets a new number" || did.Notes[2] != "author 1 is account 151 now" {
			t.Errorf("notes: %q, then %q", said.Notes, did.Notes)
		}
		said.Notes, did.Notes = said.Notes[:2], did.Notes[:2]
		if said.DryRun = false; !cmp.Equal(said, did) {
			t.Errorf("the dry run said:\n%v\nand the run:\n%v", said, did)
		}
		if diff := cmp.Diff(faults, w.faults); diff != "" {
			t.Errorf("the dry run's quarantine differs: %s", diff)
		}
		if len(did.Notes) != 2 || !strings.Contains(did.Notes[1], "1 communities have no active admin: empty;") {
			t.Errorf("notes: %q", did.Notes)
		}
		again := w.run(m, importer.Options{DryRun: true, Owner: "p7@example.org"})
		if again.Accounts.Added+again.Members.Added+again.Communities.Added+again.Followers.Added != 0 {
			t.Errorf("a dry run afterwards:\n%v", again)
		}
	})
}

// salts counts what is hashed.
type salts struct{ n atomic.Int64 }

func (s *salts) Read(b []byte) (int, error) {
	s.n.Add(1)
	return rand.Read(b)
}

// A password is hashed once, when its row comes over, and not in each run again: a hundred thousand of them would take an hour.
func TestPasswordsAreHashedOnce(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	var count salts
	hasher, err := password.New(password.Config{Params: password.Params{MemoryKiB: 64, Iterations: 1, Parallelism: 1}, Rand: &count})
	if err != nil {
		t.Fatal(err)
	}
	m := crowd(30)
	for i := range m.accounts {
		m.accounts[i].Password.Plain = fmt.Sprint(ordinary, i)
	}
	m.accounts[29].Email = ""
	hashed := func(o importer.Options) int64 {
		before := count.n.Load()
		service := w.Importer()
		service.Hasher, o.Source = hasher, "old"
		if _, err := service.Run(t.Context(), w.Operator(), m, o); err != nil {
			t.Fatal(err)
		}
		return count.n.Load() - before
	}
	// One more than people: the hash that stands for no password.
	for i, want := range []int64{1, 30, 1} {
		if got := hashed(importer.Options{DryRun: i == 0}); got != want {
			t.Errorf("run %d hashed %d times, want %d", i, got, want)
		}
	}
	if err := w.login("p29@example.org", fmt.Sprint(ordinary, 28)); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheOperatorImports(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	before := w.dump()
	_, err := w.Importer().Run(t.Context(), propusk.Pass{PlatformAdmin: true}, crowd(1), importer.Options{Source: "old"})
	if propusk.KindOf(err) != propusk.Forbidden || w.dump() != before {
		t.Errorf("%v", err)
	}
}

// A member of a community that was deleted in Propusk meanwhile is quarantined, and the community stays as it is.
func TestACommunityThatWasDeletedSince(t *testing.T) {
	t.Parallel()
	w := sqlite(t)
	m := crowd(2)
	w.run(m, importer.Options{})
	if err := w.Communities.Delete(t.Context(), w.Operator(), 7); err != nil {
		t.Fatal(err)
	}
	m.accounts = append(m.accounts, somebody(3, "Three"))
	m.members = append(m.members, seat(5, 3), seat(7, 3))
	report := w.run(m, importer.Options{})
	w.expect("adjusted: author 3, number 3", "seat 7:3: its community 7 was deleted in Propusk")
	if report.Members.Added != 1 {
		t.Errorf("report:\n%v", report)
	}
}
