package sqlstore

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// asked answers a question about each element of a list of that type, which the question calls asked.v, in their order. The arguments of the
// question begin with $2. It must be an expression, and not a join, which PostgreSQL may make by reading whole tables.
func asked[T any](r reader, scan func(*sql.Rows) (T, error), elements any, kind, question string, args ...any) ([]T, error) {
	if err := checkTexts([]any{elements}); err != nil {
		return nil, err
	}
	list, err := r.list(elements)
	if err != nil {
		return nil, err
	}
	return many(r, scan, `SELECT `+question+` FROM `+r.elements(`$1`, kind)+` AS asked ORDER BY asked.n`, append([]any{list}, args...)...)
}

// Imported implements store.ImportReader.
func (r reader) Imported(source string, kind store.ImportKind, keys []string) ([]int64, error) {
	return asked(r, value[int64], keys, `text`,
		`coalesce((SELECT number FROM imported WHERE source = $2 AND kind = $3 AND foreign_id = asked.v), 0)`, source, string(kind))
}

// EmailHolders implements store.ImportReader.
func (r reader) EmailHolders(emailKeys []string) ([]int64, error) {
	return asked(r, value[int64], emailKeys, `text`, `coalesce((SELECT id FROM author WHERE email_key = asked.v), 0)`)
}

// SlugsTaken implements store.ImportReader.
func (r reader) SlugsTaken(slugs []string) ([]bool, error) {
	return asked(r, value[bool], slugs, `text`, `EXISTS (SELECT 1 FROM author WHERE slug = asked.v)`)
}

// CommunitiesBySlug implements store.ImportReader.
func (r reader) CommunitiesBySlug(slugs []string) ([]int64, error) {
	return asked(r, value[int64], slugs, `text`, `coalesce((SELECT id FROM community WHERE slug = asked.v), 0)`)
}

// Standings implements store.ImportReader. Both numbers of a key travel in one, and one that cannot be an id as 0. No member has an empty list.
func (r reader) Standings(keys []store.StandingKey) ([]store.Standing, error) {
	const here = `community_id = (asked.v >> 32) AND author_id = (asked.v & 4294967295)`
	pairs := make([]int64, len(keys))
	for i, key := range keys {
		if isNumber(key.CommunityID) && isNumber(key.AccountID) {
			pairs[i] = key.CommunityID<<32 | key.AccountID
		}
	}
	return asked(r, func(rows *sql.Rows) (s store.Standing, err error) {
		var roles sql.NullString
		err = rows.Scan(&roles, &s.Barred, &s.Follower)
		s.Member = roles.Valid
		s.Roles, _ = rbac.ParseRoles(roles.String)
		return s, err
	}, pairs, `bigint`, `
		(SELECT coalesce(roles, '') FROM community_author WHERE `+here+`),
		EXISTS (SELECT 1 FROM community_barred WHERE `+here+`),
		EXISTS (SELECT 1 FROM community_follower WHERE `+here+`)`)
}

// isNumber reports whether that can be the id of anything.
func isNumber(id int64) bool { return id > 0 && id <= math.MaxInt32 }

// ReserveNumbers implements store.ImportWriter.
func (t tx) ReserveNumbers(kind store.ImportKind, last int64) (int64, error) {
	table := map[store.ImportKind]string{store.ImportedAccount: `author`, store.ImportedCommunity: `community`}[kind]
	switch {
	case table == "":
		return 0, t.spoil(fmt.Errorf("sqlstore: a row of kind %q has no number to reserve", kind))
	case last > store.MaxReserved:
		return 0, t.spoil(fmt.Errorf("sqlstore: %d cannot be reserved: the numbers end at %d", last, math.MaxInt32))
	}
	return t.reserveNumbers(t, table, last)
}

// InsertUsers implements store.ImportWriter.
func (t tx) InsertUsers(users []store.UserRow) ([]int64, error) {
	numbers, err := t.numbersFor(users)
	if err != nil {
		return nil, err
	}
	rows, texts := make([][]any, len(users)), make([][]any, len(users))
	for i, user := range users {
		rows[i] = append(insertedUserArgs(user), numbers[i])
		texts[i] = []any{numbers[i], markWords(namesText(user.User)), markWords(user.EmailKey)}
	}
	err = t.insertRows(t, insertion{
		into: `author (` + insertedUser + `, id)`,
		kinds: []string{
			`text`, `text`, `text`, `text`, `text`, `text`, `text`, `text`, `boolean`, `boolean`, `bigint`, `bigint`, `bigint`, `text`, `bigint`,
		},
	}, rows)
	if err != nil {
		return nil, err
	}
	return numbers, t.insertRows(t, insertion{into: `author_text (author_id, names, address)`, kinds: []string{`bigint`, `text`, `text`}}, texts)
}

// numbersFor are the ids that new accounts have or get.
func (t tx) numbersFor(users []store.UserRow) ([]int64, error) {
	numbers := make([]int64, len(users))
	missing := 0
	for i, user := range users {
		numbers[i] = user.ID
		missing += number(user.ID == 0)
	}
	taken, err := t.takeNumbers(t, `author`, missing)
	if err != nil {
		return nil, err
	}
	for i := range numbers {
		if numbers[i] == 0 {
			numbers[i], taken = taken[0], taken[1:]
		}
	}
	return numbers, nil
}

// InsertNumberedCommunity implements store.ImportWriter.
func (t tx) InsertNumberedCommunity(c propusk.Community) error {
	args, err := communityArgs(c)
	if err != nil {
		return t.spoil(err)
	}
	_, err = t.exec(`
		INSERT INTO community (`+insertedCommunity+`, id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`, append(args, c.CreatorID, c.CreatedAt.Unix(), c.ID)...)
	if err != nil {
		return err
	}
	return t.insertTotal(c.ID)
}

// communityList is a list of roles in a community, as the table of counts calls it.
type communityList struct {
	community int64
	roles     string
}

// InsertMembers implements store.ImportWriter.
func (t tx) InsertMembers(members []store.MemberRow) error {
	numbers, err := t.takeNumbers(t, `community_author`, len(members))
	if err != nil {
		return err
	}
	rows := make([][]any, len(members))
	totals, lists := map[int64]int{}, map[communityList]int{}
	for i, m := range members {
		roles, err := memberRoles(m.Roles)
		if err != nil {
			return t.spoil(err)
		}
		rows[i] = []any{m.CommunityID, m.AccountID, roles, m.JoinedAt.Unix(), numbers[i]}
		totals[m.CommunityID]++
		lists[communityList{m.CommunityID, countedAs(roles)}]++
	}
	insert := func() error {
		return t.insertRows(t, insertion{
			into:  `community_author (community_id, author_id, roles, joined_at, id)`,
			kinds: []string{`bigint`, `bigint`, `text`, `bigint`, `bigint`},
		}, rows)
	}
	if err := t.changingMembers(len(members), insert, slices.Sorted(maps.Keys(totals))...); err != nil {
		return err
	}
	return t.countInserted(totals, lists)
}

// countInserted counts new members: the totals first, as moveCommunity says, and each table in the order of communities, so that of two who
// count the same ones the second waits. Every community has a row of totals already.
func (t tx) countInserted(totals map[int64]int, lists map[communityList]int) error {
	var moves, counts [][]any
	for _, community := range slices.Sorted(maps.Keys(totals)) {
		moves = append(moves, []any{community, totals[community], 1})
	}
	err := t.insertRows(t, insertion{
		into:  `community_total (community_id, members, changes)`,
		kinds: []string{`bigint`, `bigint`, `bigint`},
		conflict: `ON CONFLICT (community_id) DO UPDATE SET members = community_total.members + excluded.members,
			changes = community_total.changes + 1`,
	}, moves)
	if err != nil {
		return err
	}
	for _, list := range slices.SortedFunc(maps.Keys(lists), func(a, b communityList) int {
		return cmp.Or(cmp.Compare(a.community, b.community), cmp.Compare(a.roles, b.roles))
	}) {
		counts = append(counts, []any{list.community, list.roles, lists[list]})
	}
	return t.insertRows(t, insertion{
		into:     `community_author_count (community_id, roles, members)`,
		kinds:    []string{`bigint`, `text`, `bigint`},
		conflict: `ON CONFLICT (community_id, roles) DO UPDATE SET members = community_author_count.members + excluded.members`,
	}, counts)
}

// InsertFollowers implements store.ImportWriter.
func (t tx) InsertFollowers(followers []store.FollowerRow) error {
	rows := make([][]any, len(followers))
	for i, f := range followers {
		rows[i] = []any{f.CommunityID, f.AccountID, f.FollowedAt.Unix()}
	}
	return t.insertRows(t, insertion{
		into: `community_follower (community_id, author_id, followed_at)`, kinds: []string{`bigint`, `bigint`, `bigint`},
	}, rows)
}

// SetImported implements store.ImportWriter.
func (t tx) SetImported(source string, kind store.ImportKind, keys []string, numbers []int64) error {
	if len(keys) != len(numbers) {
		return t.spoil(fmt.Errorf("sqlstore: %d rows became %d", len(keys), len(numbers)))
	}
	rows := make([][]any, len(keys))
	for i, key := range keys {
		rows[i] = []any{source, string(kind), key, numbers[i]}
	}
	return t.insertRows(t, insertion{
		into: `imported (source, kind, foreign_id, number)`, kinds: []string{`text`, `text`, `text`, `bigint`},
	}, rows)
}
