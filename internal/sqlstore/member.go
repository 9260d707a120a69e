package sqlstore

import (
	"cmp"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

const memberColumns = `m.community_id, m.roles, f.author_id IS NOT NULL, m.joined_at, ` + userColumns

// joinMember completes a community_author m.
const joinMember = ` JOIN author ON author.id = m.author_id
	LEFT JOIN community_follower AS f ON f.community_id = m.community_id AND f.author_id = m.author_id`

func scanMember(rows *sql.Rows) (m propusk.Membership, err error) {
	err = rows.Scan(append([]any{&m.CommunityID, roleList{&m.Roles, nil}, &m.Follower, unixTime{&m.JoinedAt}}, userFields(&m.User)...)...)
	return m, err
}

// Member implements store.MemberReader.
func (r reader) Member(communityID int64, userID string) (propusk.Membership, error) {
	return one(r, scanMember, `SELECT `+memberColumns+` FROM community_author AS m`+joinMember+`
		JOIN community ON community.id = m.community_id
		WHERE m.community_id = $1 AND author.user_id = $2 AND community.deleted_at IS NULL`, communityID, userID)
}

// Members implements store.MemberReader. Each way to find them is a few statements: where page and count must agree, it belongs in a View.
func (r reader) Members(f store.MemberFilter) ([]propusk.Membership, int, error) {
	switch {
	case f.Search != "":
		return r.membersFound(f)
	case f.Role != "":
		return r.membersWith(f)
	}
	total, err := r.memberCount(f.CommunityID)
	if err != nil {
		return nil, 0, err
	}
	page, err := r.memberPage(f.CommunityID, nil, cut(total, f.Offset, f.Limit))
	return page, total, err
}

// memberCount is how many members a community has: none if it is not there.
func (r reader) memberCount(communityID int64) (int, error) {
	total, err := one(r, value[int], `SELECT members FROM community`+joinTotal+` WHERE id = $1 AND deleted_at IS NULL`, communityID)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return total, err
}

// span is a part of a list, told from the end of the list that is nearer.
type span struct {
	skip, size int
	fromEnd    bool
}

// cut is the page of a list of total entries.
func cut(total, offset, limit int) span {
	size := max(0, min(limit, total-offset))
	if after := total - offset - size; size > 0 && after < offset {
		return span{after, size, true}
	}
	return span{offset, size, false}
}

// memberPage is a part of the members of a community, or of those who have exactly a list of roles, in the order of joining. The inner SELECT
// touches nothing but an index.
func (r reader) memberPage(communityID int64, list *string, part span) ([]propusk.Membership, error) {
	if part.size == 0 {
		return nil, nil
	}
	args := []any{communityID, part.size, part.skip}
	if list != nil {
		args = append(args, *list)
	}
	which, order := r.membersInOrder(list != nil)
	if part.fromEnd {
		order = strings.ReplaceAll(order, `,`, ` DESC,`) + ` DESC`
	}
	return many(r, scanMember, `
		WITH page AS MATERIALIZED (SELECT id FROM community_author WHERE `+which+` ORDER BY `+order+` LIMIT $2 OFFSET $3)
		SELECT `+memberColumns+` FROM page CROSS JOIN community_author AS m`+joinMember+` WHERE m.id = page.id ORDER BY m.id`, args...)
}

// countedList is a list of roles as it is kept, ” for none, and how many have it.
type countedList struct {
	text  string
	roles []string
	count int
}

// lists are the lists that members of a community have, by their bytes.
func (r reader) lists(communityID int64) ([]countedList, error) {
	found, err := many(r, func(rows *sql.Rows) (l countedList, err error) {
		err = rows.Scan(&l.text, &l.count)
		l.roles, _ = rbac.ParseRoles(l.text)
		return l, err
	}, `SELECT roles, members FROM community_author_count WHERE community_id = $1`, communityID)
	slices.SortFunc(found, func(a, b countedList) int { return cmp.Compare(a.text, b.text) })
	return found, err
}

// listsWith are those that hold a role.
func (r reader) listsWith(communityID int64, role string) ([]countedList, error) {
	lists, err := r.lists(communityID)
	return slices.DeleteFunc(lists, func(l countedList) bool { return !slices.Contains(l.roles, role) }), err
}

// sum is how many members have one of the lists.
func sum(lists []countedList) (total int) {
	for _, l := range lists {
		total += l.count
	}
	return total
}

// membersWith is Members with Role: the page may begin in one list of roles and end in another.
func (r reader) membersWith(f store.MemberFilter) (page []propusk.Membership, total int, err error) {
	lists, err := r.listsWith(f.CommunityID, f.Role)
	if err != nil {
		return nil, 0, err
	}
	offset := f.Offset
	for _, l := range lists {
		part, err := r.memberPage(f.CommunityID, &l.text, cut(l.count, offset, f.Limit-len(page)))
		if err != nil {
			return nil, 0, err
		}
		page = append(page, part...)
		offset = max(0, offset-l.count)
	}
	return page, sum(lists), nil
}

// RoleLists implements store.MemberReader. Lists that differ only in what is no role id are one.
func (r reader) RoleLists(communityID int64) (lists []store.RoleList, err error) {
	counted, err := r.lists(communityID)
	index := map[string]int{}
	for _, l := range counted {
		key, _ := rbac.FormatRoles(l.roles)
		if i, ok := index[key]; ok {
			lists[i].Members += l.count
			continue
		}
		index[key] = len(lists)
		lists = append(lists, store.RoleList{Roles: l.roles, Members: l.count})
	}
	return lists, err
}

// ActiveHolders implements store.MemberReader.
func (r reader) ActiveHolders(communityID int64, role string, limit int) (int, error) {
	lists, err := r.listsWith(communityID, role)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, l := range lists {
		if total >= limit {
			break
		}
		active, err := one(r, value[int], `
			SELECT count(*) FROM (
				SELECT 1 FROM community_author WHERE community_id = $1 AND roles = $2
					AND (SELECT is_active FROM author WHERE author.id = community_author.author_id) LIMIT $3
			) AS active`, communityID, l.text, limit-total)
		if err != nil {
			return 0, err
		}
		total += active
	}
	return total, nil
}

// PlacesOf implements store.MemberReader.
func (r reader) PlacesOf(userID int64) ([]store.Place, error) {
	return many(r, scanPlace, `SELECT `+placeColumns+`
		FROM community_author JOIN community ON community.id = community_author.community_id`+joinTotal+`
		WHERE community_author.author_id = $1 AND community.deleted_at IS NULL ORDER BY community.id`, userID)
}

// CommunitiesWith implements store.MemberReader.
func (r reader) CommunitiesWith(userID int64, role string) (found []propusk.Community, err error) {
	places, err := r.PlacesOf(userID)
	for _, p := range places {
		if slices.Contains(p.Roles, role) {
			found = append(found, p.Community)
		}
	}
	return found, err
}

// Barred implements store.MemberReader.
func (r reader) Barred(communityID, userID int64) (bool, error) {
	return one(r, value[bool], `SELECT EXISTS (SELECT 1 FROM community_barred WHERE community_id = $1 AND author_id = $2)`, communityID, userID)
}

// Follows implements store.MemberReader.
func (r reader) Follows(communityID, userID int64) (bool, error) {
	return one(r, value[bool], `SELECT EXISTS (SELECT 1 FROM community_follower WHERE community_id = $1 AND author_id = $2)`, communityID, userID)
}

// InsertMember implements store.MemberWriter.
func (t tx) InsertMember(communityID, userID int64, roles []string, at time.Time) error {
	list, err := memberRoles(roles)
	if err != nil {
		return t.spoil(err)
	}
	_, err = t.exec(`INSERT INTO community_author (community_id, author_id, roles, joined_at) VALUES ($1, $2, $3, $4)`,
		communityID, userID, list, at.Unix())
	if err != nil {
		return err
	}
	if err := t.moveCommunity(communityID, 1); err != nil {
		return err
	}
	return t.countMore(communityID, countedAs(list), 1)
}

// SetMemberRoles implements store.MemberWriter.
func (t tx) SetMemberRoles(communityID, userID int64, roles []string) error {
	list, err := memberRoles(roles)
	if err != nil {
		return t.spoil(err)
	}
	before, err := one(t.reader, value[*string],
		`SELECT roles FROM community_author WHERE community_id = $1 AND author_id = $2`+t.locking("community_author"), communityID, userID)
	if err != nil {
		return err
	}
	_, err = t.exec(`UPDATE community_author SET roles = $3 WHERE community_id = $1 AND author_id = $2`, communityID, userID, list)
	if err != nil {
		return err
	}
	if err := t.moveCommunity(communityID, 0); err != nil {
		return err
	}
	return t.recount(communityID, countedAs(before), countedAs(list), 1)
}

// DeleteMember implements store.MemberWriter.
func (t tx) DeleteMember(communityID, userID int64) error {
	before, err := one(t.reader, value[*string],
		`DELETE FROM community_author WHERE community_id = $1 AND author_id = $2 RETURNING roles`, communityID, userID)
	if err != nil {
		return err
	}
	if err := t.moveCommunity(communityID, -1); err != nil {
		return err
	}
	return t.countLess(communityID, countedAs(before), 1)
}

// ReplaceRoleList implements store.MemberWriter. Lists that differ from the wanted one only in what is no role id are replaced too: whoever
// takes a role away must not leave it to those.
func (t tx) ReplaceRoleList(bulkID int64, from, to []string, bar bool) (int, error) {
	wanted, err := rbac.FormatRoles(from)
	if err != nil {
		return 0, t.spoil(err)
	}
	list, err := memberRoles(to)
	if err != nil {
		return 0, t.spoil(err)
	}
	b, err := t.bulk(bulkID)
	if err != nil {
		return 0, err
	}
	communityID := b.community
	lists, err := t.lists(communityID)
	if err != nil {
		return 0, err
	}
	type move struct {
		text  string
		count int
	}
	var moves []move
	total := 0
	for _, l := range lists {
		if is, _ := rbac.FormatRoles(l.roles); is != wanted {
			continue
		}
		if bar {
			if err := t.barHolders(communityID, l.text); err != nil {
				return 0, err
			}
		}
		if err := t.writeDown(bulkID, communityID, l.text, list, bar); err != nil {
			return 0, err
		}
		moved := 0
		err := t.changingMembers(l.count, func() (err error) {
			moved, err = t.exec(`UPDATE community_author SET roles = $3 WHERE community_id = $1 AND roles = $2`, communityID, l.text, list)
			return err
		}, communityID)
		if err != nil {
			return 0, err
		}
		moves = append(moves, move{l.text, moved})
		total += moved
	}
	if err := t.moveCommunity(communityID, 0); err != nil {
		return 0, err
	}
	for _, m := range moves {
		if err := t.recount(communityID, m.text, countedAs(list), m.count); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// writeDown makes rows of all whose roles are kept as text and are to be others.
func (t tx) writeDown(bulkID, communityID int64, text string, to *string, bar bool) error {
	written, err := t.exec(`
		INSERT INTO bulk_row (bulk_id, author_id, member, before_roles, after_roles, bar, admit)
		SELECT $1, author_id, TRUE, roles, $4, $5, FALSE FROM community_author WHERE community_id = $2 AND roles = $3`,
		bulkID, communityID, text, to, bar)
	if err != nil {
		return err
	}
	return t.change(`UPDATE bulk SET all_rows = all_rows + $2, members = members + $2, bars = bars + $3 WHERE id = $1`,
		bulkID, written, written*number(bar))
}

// barHolders makes all whose roles are kept as text people who may come in only by being admitted.
func (t tx) barHolders(communityID int64, text string) error {
	_, err := t.exec(`
		INSERT INTO community_barred (community_id, author_id)
		SELECT community_id, author_id FROM community_author WHERE community_id = $1 AND roles = $2
		ON CONFLICT (community_id, author_id) DO NOTHING`, communityID, text)
	return err
}

// moveCommunity changes the totals of a community after its members. The counts by lists come after it, so that nobody who changes them
// waits for somebody who waits for the totals.
func (t tx) moveCommunity(communityID int64, more int) error {
	return t.spoil(t.touchCommunity(communityID, more))
}

// recount counts members under another list.
func (t tx) recount(communityID int64, from, to string, members int) error {
	if from == to || members == 0 {
		return nil
	}
	if err := t.countLess(communityID, from, members); err != nil {
		return err
	}
	return t.countMore(communityID, to, members)
}

func (t tx) countMore(communityID int64, list string, members int) error {
	_, err := t.exec(`
		INSERT INTO community_author_count (community_id, roles, members) VALUES ($1, $2, $3)
		ON CONFLICT (community_id, roles) DO UPDATE SET members = community_author_count.members + excluded.members`,
		communityID, list, members)
	return err
}

func (t tx) countLess(communityID int64, list string, members int) error {
	_, err := t.exec(`UPDATE community_author_count SET members = members - $3 WHERE community_id = $1 AND roles = $2`,
		communityID, list, members)
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM community_author_count WHERE community_id = $1 AND roles = $2 AND members <= 0`, communityID, list)
	return err
}

// SetBarred implements store.MemberWriter.
func (t tx) SetBarred(communityID, userID int64, barred bool) error {
	statement := `DELETE FROM community_barred WHERE community_id = $1 AND author_id = $2`
	if barred {
		statement = `INSERT INTO community_barred (community_id, author_id) VALUES ($1, $2) ON CONFLICT (community_id, author_id) DO NOTHING`
	}
	_, err := t.exec(statement, communityID, userID)
	return err
}

// SetFollows implements store.MemberWriter.
func (t tx) SetFollows(communityID, userID int64, follows bool, at time.Time) error {
	if !follows {
		_, err := t.exec(`DELETE FROM community_follower WHERE community_id = $1 AND author_id = $2`, communityID, userID)
		return err
	}
	_, err := t.exec(`
		INSERT INTO community_follower (community_id, author_id, followed_at) VALUES ($1, $2, $3)
		ON CONFLICT (community_id, author_id) DO NOTHING`, communityID, userID, at.Unix())
	return err
}
