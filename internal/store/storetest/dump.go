package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// runDumps tells the stories of two databases: what one holds is moved into the other.
func runDumps(t *testing.T, fresh Fresh) {
	for _, s := range dumps {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			from := start(t, fresh(t))
			Fill(t, from)
			s.tell(from, start(t, fresh(t)))
		})
	}
}

// oddities are texts that are easily changed on the way: composed and decomposed letters, line ends of all kinds, what JSON, HTML and SQL take
// for their own, characters beyond 16 bits, and none at all.
var oddities = []string{
	"Ёлка é e\u0301 \u2028\u2029\ufeff", "a\r\nb\tc\x01\x1f\x7f", `"\\'%_<>&{}$1`, "🦉\U0010FFFF\u202e", " ", "",
}

// Fill makes a database that has rows of everything, with each column that may be empty once empty and once not.
func Fill(t *testing.T, s store.Store) {
	t.Helper()
	d := &database{Store: s, t: t}
	u := d.fillAccounts()
	d.fillSecrets(u)
	c := d.fillCommunities(u)
	d.fillBulks(c, u)
	d.update(func(tx store.Tx) error {
		return errors.Join(
			tx.SetImported("old "+oddities[0], store.ImportedAccount, []string{"7", "007", oddities[1]}, []int64{u[0].ID, u[1].ID, u[2].ID}),
			tx.SetImported("older", store.ImportedMember, []string{"7/8"}, []int64{1}))
	})
}

func (d *database) fillAccounts() []propusk.User {
	d.t.Helper()
	rows := make([]store.UserRow, len(oddities)+3)
	for i := range rows {
		rows[i] = person(i)
		if i < len(oddities) {
			rows[i].Name, rows[i].LastName = oddities[i], oddities[len(oddities)-1-i]
		}
	}
	rows[0].LastSeen = noon.Add(time.Minute)
	rows[1].IsActive, rows[1].DeletedByOwner = false, true
	return d.insert(rows...)
}

func (d *database) fillSecrets(u []propusk.User) {
	d.t.Helper()
	plain, renewed := login(u[0].ID, 1), login(u[1].ID, 2)
	plain.Device, plain.Address = oddities[1], ""
	renewed.Refresh = store.Refresh{
		Current: store.SecretHash{9}, Superseded: []store.Superseded{{Hash: store.SecretHash{0xff, 1}, At: noon.Add(time.Millisecond)}},
	}
	all, none := apiKey(u[0].ID, 1), apiKey(u[1].ID, 2)
	none.Permissions, none.LastUsed, none.ExpiresAt = []string{}, noon, noon.Add(time.Hour)
	some := apiKey(u[2].ID, 3)
	some.Permissions = []string{"community:read", "shout:read"}
	d.issue(all, none, some)
	d.update(func(tx store.Tx) error {
		return errors.Join(
			tx.InsertSession(plain), tx.InsertSession(renewed),
			tx.InsertSigningKey(store.SigningKey{KeyID: "old", Private: []byte{0, 0xff, '"'}, CreatedAt: noon}),
			tx.RetireSigningKeys(noon.Add(time.Hour)),
			tx.InsertSigningKey(store.SigningKey{KeyID: "new", Private: []byte{}, CreatedAt: noon}),
			tx.SetCounter(store.CounterKey{0xff}, store.Counter{Count: 3, At: noon, ExpiresAt: noon.Add(time.Hour)}),
			tx.SetCounter(store.CounterKey{0, 1}, store.Counter{Count: 1, At: noon, ExpiresAt: noon}))
	})
}

func (d *database) fillCommunities(u []propusk.User) propusk.Community {
	d.t.Helper()
	c, gone, bare := magazine(1, u[0].ID), magazine(2, u[1].ID), magazine(3, u[2].ID)
	const lists, others = `{"admin":["*"],"author":["shout:create","shout:read"],"reader":["shout:read"]}`, `{"reader":["shout:read"]}`
	c.Grants, gone.Grants, bare.Grants = sha256.Sum256([]byte(lists)), sha256.Sum256([]byte(lists)), sha256.Sum256([]byte(lists))
	bare.Name, bare.Description, bare.DefaultRoles, bare.Joining = oddities[3], oddities[1], nil, propusk.JoiningClosed
	d.update(func(tx store.Tx) (err error) {
		if err := errors.Join(tx.KeepGrants(c.Grants, []byte(lists)), tx.KeepGrants(sha256.Sum256([]byte(others)), []byte(others))); err != nil {
			return err
		}
		for _, made := range []*propusk.Community{&c, &gone, &bare} {
			if *made, err = tx.InsertCommunity(*made); err != nil {
				return err
			}
		}
		return nil
	})
	d.join(c, []string{"reader"}, u[0], u[1])
	d.join(c, []string{"reader", "author"}, u[2])
	d.join(c, nil, u[3], u[4])
	d.join(gone, []string{"admin"}, u[1])
	d.join(bare, nil, u[5])
	d.update(func(tx store.Tx) error {
		return errors.Join(
			tx.SetFollows(c.ID, u[5].ID, true, noon), tx.SetFollows(gone.ID, u[0].ID, true, noon.Add(time.Second)),
			tx.SetBarred(c.ID, u[6].ID, true), tx.SetBarred(bare.ID, u[0].ID, true),
			tx.SetCommunityRole(c.ID, store.RoleRow{ID: "poet", Name: oddities[0], Custom: true, Permissions: []string{"shout:create", "shout:read"}}),
			tx.SetCommunityRole(c.ID, store.RoleRow{ID: "mute", Icon: oddities[3], Custom: true, Permissions: []string{}}),
			tx.SetCommunityRole(c.ID, store.RoleRow{ID: "reader", Description: oddities[2]}),
			tx.DeleteMember(bare.ID, u[5].ID), // the last one who got a number
			tx.DeleteCommunity(gone.ID, noon))
	})
	return c
}

func (d *database) fillBulks(c propusk.Community, u []propusk.User) {
	d.t.Helper()
	applied := d.stage(c,
		store.BulkRow{AccountID: u[0].ID, Member: true, Before: []string{"reader"}, After: []string{"reader", "admin"}},
		store.BulkRow{AccountID: u[1].ID, Member: true, Before: []string{"reader"}, Bar: true},
		store.BulkRow{AccountID: u[6].ID, After: []string{"reader"}, Admit: true})
	d.must(d.UpdateBeside(d.t.Context(), applying(applied, noon.Add(time.Hour))))
	d.tell(applied)
	d.stage(c, store.BulkRow{AccountID: u[7].ID, After: []string{"author"}}) // and never applied
	dropped := d.stage(c, store.BulkRow{AccountID: u[8].ID})
	d.update(func(tx store.Tx) error {
		plain := event(2)
		plain.Target, plain.Before, plain.RequestID = oddities[0], `{"name":"<é>"}`, ""
		_, err := tx.DropBulk(dropped, 10)
		return errors.Join(err, tx.InsertAuditEvent(plain))
	})
}

// dumped is all that a database tells.
func (d *database) dumped() (rows []store.DumpRow) {
	d.t.Helper()
	promised := -1
	d.must(d.Dump(d.t.Context(), func(n int) error {
		promised = n
		return nil
	}, func(row store.DumpRow) error {
		row.Values = slices.Clone(row.Values)
		rows = append(rows, row)
		return nil
	}))
	if promised != len(rows) {
		d.t.Errorf("%d rows were promised, and %d told", promised, len(rows))
	}
	return rows
}

// load gives these rows to a database.
func (d *database) load(rows []store.DumpRow) error {
	return d.Load(d.t.Context(), func(add func(store.DumpRow) error) error {
		for _, row := range rows {
			row.Values = slices.Clone(row.Values)
			if err := add(row); err != nil {
				return err
			}
		}
		return nil
	})
}

// empty checks that a database holds nothing.
func (d *database) empty(want bool) {
	d.t.Helper()
	empty, err := d.Empty(d.t.Context())
	d.must(err)
	same(d, "empty", empty, want)
}

// table is the index of a table.
func table(name string) int {
	return slices.IndexFunc(store.DumpTables(), func(t store.DumpTable) bool { return t.Name == name })
}

// column is the index of a column of a table.
func column(name, column string) int {
	return slices.IndexFunc(store.DumpTables()[table(name)].Columns, func(c store.DumpColumn) bool { return c.Name == column })
}

type dumpStory struct {
	name string
	tell func(from, to *database)
}

var dumps = []dumpStory{
	{"what was dumped and loaded dumps the same", func(from, to *database) {
		to.empty(true)
		from.empty(false)
		rows := from.dumped()
		to.must(to.load(rows))
		to.empty(false)
		same(to, "rows", to.dumped(), rows)
		to.must(to.Close())
		to.reopen()
		same(to, "rows after a restart", to.dumped(), rows)
	}},
	{"a full database has all that can be told", func(from, _ *database) {
		full, none := map[string]bool{}, map[string]bool{}
		for _, row := range from.dumped() {
			t := store.DumpTables()[row.Table]
			for i, c := range t.Columns {
				full[t.Name+"."+c.Name] = full[t.Name+"."+c.Name] || row.Values[i] != nil
				none[t.Name+"."+c.Name] = none[t.Name+"."+c.Name] || row.Values[i] == nil
			}
		}
		for _, t := range store.DumpTables() {
			for _, c := range t.Columns {
				if name := t.Name + "." + c.Name; !full[name] || none[name] != c.Nullable {
					from.t.Errorf("%s: has a value somewhere: %v, is nil somewhere: %v", name, full[name], none[name])
				}
			}
		}
	}},
	{"rows come in the order of their keys, texts by bytes", func(from, _ *database) {
		from.update(func(tx store.Tx) error {
			return tx.SetImported("x", store.ImportedAccount, []string{"b", "B", "ä", "a", "é", "z", "_", "-", "10", "9"}, make10(1))
		})
		last := ""
		for _, row := range from.dumped() {
			if row.Table != table("imported") {
				continue
			}
			key := fmt.Sprint(row.Values[0], "\x00", row.Values[1], "\x00", row.Values[2])
			if key <= last {
				from.t.Errorf("%q comes after %q", key, last)
			}
			last = key
		}
	}},
	{"many rows are told once each", func(from, to *database) {
		const many = 12_345
		keys, numbers := make([]string, many), make([]int64, many)
		for i := range keys {
			keys[i], numbers[i] = fmt.Sprint(i), int64(i+1)
		}
		from.update(func(tx store.Tx) error { return tx.SetImported("many", store.ImportedAccount, keys, numbers) })
		rows := from.dumped()
		seen := map[any]bool{}
		for _, row := range rows {
			if row.Table == table("imported") && row.Values[0] == "many" {
				seen[row.Values[2]] = true
			}
		}
		same(from, "keys", len(seen), many)
		to.must(to.load(rows))
		same(to, "rows", to.dumped(), rows)
	}},
	{"counts and searches are made anew", func(from, to *database) {
		to.must(to.load(from.dumped()))
		for id := range int64(3) {
			want, err := from.now().RoleLists(id + 1)
			from.must(err)
			got, err := to.now().RoleLists(id + 1)
			to.must(err)
			same(to, "lists of roles", got, want)
			for _, f := range []store.MemberFilter{
				{Limit: 10}, {Limit: 10, Role: "reader"}, {Limit: 10, Search: "person2"}, {Limit: 10, Search: "ё"}, {Limit: 10, Search: "erson3@ex", Emails: true},
			} {
				f.CommunityID = id + 1
				wantPage, wantTotal, err := from.now().Members(f)
				from.must(err)
				gotPage, gotTotal, err := to.now().Members(f)
				to.must(err)
				same(to, "members", gotPage, wantPage)
				same(to, "how many", gotTotal, wantTotal)
			}
		}
		for _, search := range []string{"person", "ёлка", "4@example", ""} {
			wantPage, wantTotal, err := from.now().Users(store.UserFilter{Search: search, Limit: 10})
			from.must(err)
			gotPage, gotTotal, err := to.now().Users(store.UserFilter{Search: search, Limit: 10})
			to.must(err)
			same(to, "accounts", gotPage, wantPage)
			same(to, "how many", gotTotal, wantTotal)
		}
		want, _, err := from.now().Communities(store.CommunityFilter{Search: "журнал", Limit: 10})
		from.must(err)
		got, _, err := to.now().Communities(store.CommunityFilter{Search: "журнал", Limit: 10})
		to.must(err)
		same(to, "communities", got, want)
	}},
	{"no number is given out twice", func(from, to *database) {
		to.must(to.load(from.dumped()))
		want, got := from.insert(person(100))[0].ID, to.insert(person(100))[0].ID
		same(to, "the next account", got, want)
		same(to, "the next community", to.found(9, got).ID, from.found(9, want).ID)
		u := to.user(person(100))
		to.join(propusk.Community{ID: 1}, nil, u)
		from.join(propusk.Community{ID: 1}, nil, from.user(person(100)))
		same(to, "all of them", to.dumped(), from.dumped())
	}},
	{"a database that holds something takes nothing", func(from, to *database) {
		to.update(func(tx store.Tx) error { return tx.KeepGrants(lists(1), []byte("{}")) })
		before := to.dumped()
		if err := to.load(from.dumped()); !errors.Is(err, store.ErrNotEmpty) {
			to.t.Errorf("Load answered %v, want ErrNotEmpty", err)
		}
		same(to, "rows", to.dumped(), before)
	}},
	{"what fails on the way leaves nothing", func(from, to *database) {
		rows := from.dumped()
		broken := errors.New("broken")
		for _, after := range []int{0, 1, len(rows) / 2, len(rows)} {
			err := to.Load(to.t.Context(), func(add func(store.DumpRow) error) error {
				for _, row := range rows[:after] {
					row.Values = slices.Clone(row.Values)
					if err := add(row); err != nil {
						return err
					}
				}
				return broken
			})
			if !errors.Is(err, broken) {
				to.t.Errorf("after %d rows Load answered %v", after, err)
			}
			to.empty(true)
		}
		to.must(to.load(rows))
		same(to, "rows", to.dumped(), rows)
	}},
	{"what no database could have told is refused", func(from, to *database) {
		rows := from.dumped()
		change := func(t, c string, value any) []store.DumpRow {
			changed := slices.Clone(rows)
			for i, row := range changed {
				if row.Table == table(t) {
					changed[i].Values = slices.Clone(row.Values)
					changed[i].Values[column(t, c)] = value
					return changed
				}
			}
			return nil
		}
		// twice has the first row of a table a second time, with another value.
		twice := func(t, c string, value any) []store.DumpRow {
			i := slices.IndexFunc(rows, func(row store.DumpRow) bool { return row.Table == table(t) })
			return slices.Insert(change(t, c, value), i, rows[i])
		}
		// permissions are lists that have their hash.
		permissions := func(lists string) []store.DumpRow {
			hash := sha256.Sum256([]byte(lists))
			added := store.DumpRow{Table: table("permission_lists"), Values: []any{hash[:], lists}}
			return slices.Insert(slices.Clone(rows), slices.IndexFunc(rows, func(row store.DumpRow) bool { return row.Table == added.Table }), added)
		}
		for name, bad := range map[string][]store.DumpRow{
			"an account twice":          append([]store.DumpRow{rows[0]}, rows...),
			"a member of nothing":       change("member", "community_id", int64(99)),
			"a session of nobody":       change("session", "author_id", int64(99)),
			"a member with odd roles":   change("member", "roles", "Reader;DROP"),
			"a short hash":              change("permission_lists", "hash", []byte{1}),
			"a zero byte":               change("account", "name", "a\x00b"),
			"no UTF-8":                  change("account", "name", "a\xff"),
			"a number given out before": change(store.DumpNumbers, store.DumpNumbersLast, int64(1)),
			"a number below none":       change(store.DumpNumbers, store.DumpNumbersLast, int64(-1)),
			"a number too large":        change(store.DumpNumbers, store.DumpNumbersLast, int64(1<<31)),
			"numbers of a stranger":     change(store.DumpNumbers, store.DumpNumbersOf, "session"),
			"no numbers":                rows[:len(rows)-6],
			"numbers twice":             append(slices.Clone(rows), rows[len(rows)-1]),
			"one number six times":      append(slices.Clone(rows[:len(rows)-6]), slices.Repeat(rows[len(rows)-6:len(rows)-5], 6)...),
			"a number less":             rows[:len(rows)-1],
			"a member twice":            twice("member", "id", int64(99)),
			"an address twice":          change("account", "email_key", person(1).EmailKey),
			"lists of another hash":     change("permission_lists", "lists", `{"admin":["*"]}`),
			"a hash of other lists":     change("permission_lists", "hash", make([]byte, 32)),
			"lists that give nothing":   permissions(`{"reader":"shout:read"}`),
			"an admin of some things":   permissions(`{"admin":["shout:read"]}`),
			"what is no role":           change("account", "role", "-user"),
			"a role in capitals":        change("account", "role", "User"),
			"nobody to be the admin":    change("community", "available_roles", "reader,author"),
			"an admin by joining":       change("community", "default_roles", "reader,admin"),
			"a role that is not there":  change("community", "default_roles", "reader,poet"),
			"an odd available role":     change("community", "available_roles", "reader,admin,-"),
			"a time before all":         change("account", "created_at", int64(-1)),
			"a time after all":          change("session", "expires_at", int64(253402300800)),
			"an odd time that may lack": change("community", "deleted_at", int64(1)<<62),
			"nothing":                   nil,
		} {
			err := to.load(bad)
			if err == nil {
				to.t.Errorf("%s is taken", name)
			} else if !strings.Contains(err.Error(), "not written by propusk export, or changed since") && name != "a zero byte" && name != "no UTF-8" {
				to.t.Errorf("%s is answered %q, which does not say what to do", name, err)
			}
			to.empty(true)
		}
		to.must(to.load(rows))
	}},
	{"a dump is one moment, whatever happens meanwhile", func(from, _ *database) {
		before := from.dumped()
		n := 0
		var rows []store.DumpRow
		from.must(from.Dump(from.t.Context(), func(int) error { return nil }, func(row store.DumpRow) error {
			if n++; n%5 == 0 {
				from.insert(person(100 + n))
				from.update(func(tx store.Tx) error {
					return errors.Join(tx.SetFollows(1, int64(n/5%9+1), true, noon), tx.SetBarred(1, int64(n/5%9+1), n%2 == 0))
				})
			}
			row.Values = slices.Clone(row.Values)
			rows = append(rows, row)
			return nil
		}))
		same(from, "rows", rows, before)
	}},
	{"a caller that has gone ends it", func(from, to *database) {
		if err := from.Dump(cancelled(), func(int) error { return nil }, func(store.DumpRow) error { return nil }); err == nil {
			from.t.Error("a dump for nobody ends well")
		}
		if err := to.Load(cancelled(), func(func(store.DumpRow) error) error { return nil }); err == nil {
			to.t.Error("a load for nobody ends well")
		}
		stop := errors.New("stop")
		err := from.Dump(from.t.Context(), func(int) error { return nil }, func(row store.DumpRow) error {
			if row.Table == table("member") {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) || !strings.Contains(err.Error(), "stop") {
			from.t.Errorf("a dump that was stopped says %v", err)
		}
	}},
}

func make10(n int64) []int64 { return slices.Repeat([]int64{n}, 10) }
