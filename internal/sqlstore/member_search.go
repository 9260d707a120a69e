package sqlstore

import (
	"cmp"
	"database/sql"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// wordMark stands before each word of a text that is searched: with it a word of one letter has the three characters that an index of
// pieces of three can find, and is found at the beginning of words only.
const wordMark = "\x1f\x1f"

// wordEnds are the characters after which a word begins.
const wordEnds = "-\n ._@+/(\"'"

var afterWordEnds = func() *strings.Replacer {
	pairs := []string{"\x1f", " " + wordMark}
	for _, end := range wordEnds {
		pairs = append(pairs, string(end), string(end)+wordMark)
	}
	return strings.NewReplacer(pairs...)
}()

// markWords is a folded text with the marks. Migration 0002 does the same.
func markWords(text string) string { return wordMark + afterWordEnds.Replace(text) }

// minTerm is from how many characters on a term is found anywhere, and not only at the beginning of words.
const minTerm = 3

// searchTerm is the part of marked texts that somebody looks for.
func searchTerm(search string) string {
	search = fold(search)
	if utf8.RuneCountInString(search) < minTerm {
		return markWords(search)
	}
	return afterWordEnds.Replace(search)
}

// walkable is how many members are looked at one by one.
const walkable = 20_000

// membersFound is Members with Search.
func (r reader) membersFound(f store.MemberFilter) ([]propusk.Membership, int, error) {
	if err := checkTexts([]any{f.Search}); err != nil {
		return nil, 0, err
	}
	found, err := r.find(f)
	if err != nil {
		return nil, 0, err
	}
	slices.SortFunc(found, func(a, b foundMember) int {
		if f.Role != "" && a.list != b.list {
			return cmp.Compare(a.list, b.list)
		}
		return cmp.Compare(a.id, b.id)
	})
	found = found[:min(len(found), store.MaxFound)]
	page, err := r.membersByID(f.CommunityID, found[min(f.Offset, len(found)):min(f.Offset+f.Limit, len(found))])
	return page, len(found), err
}

// foundMember is the id of a membership and its roles as they are kept.
type foundMember struct {
	id   int64
	list string
}

func scanFound(rows *sql.Rows) (m foundMember, err error) {
	var list sql.NullString
	err = rows.Scan(&m.id, &list)
	m.list = list.String
	return m, err
}

// find finds members, at most MaxFound of them.
func (r reader) find(f store.MemberFilter) ([]foundMember, error) {
	among, lists, err := r.among(f)
	if err != nil || among == 0 {
		return nil, err
	}
	term := searchTerm(f.Search)
	found, err := r.findWalking(f, term, lists, among)
	if err != nil || among <= walkable || len(found) == store.MaxFound {
		return found, err
	}
	return r.findAnywhere(f, term, lists)
}

// among is how many members there are to search, and with Role the argument that lists their lists of roles.
func (r reader) among(f store.MemberFilter) (members int, lists any, err error) {
	if f.Role == "" {
		members, err = r.memberCount(f.CommunityID)
		return members, nil, err
	}
	with, err := r.listsWith(f.CommunityID, f.Role)
	if err != nil {
		return 0, nil, err
	}
	texts := make([]string, len(with))
	for i, l := range with {
		texts[i] = l.text
	}
	lists, err = r.list(texts)
	return sum(with), lists, err
}

// findWalking looks at the texts of members one after the other: of all if they are few, or else of those who joined first, since a term that many
// have is found there soon.
func (r reader) findWalking(f store.MemberFilter, term string, lists any, among int) ([]foundMember, error) {
	where, args := ``, []any{f.CommunityID, term, store.MaxFound, walkable}
	if lists != nil {
		where = ` AND ` + r.oneOf(`roles`, `$5`, `text`)
		args = append(args, lists)
	}
	if among > walkable { // to order a few would make SQLite walk all
		where += ` ORDER BY id`
	}
	has := r.instr() + `(names, $2) > 0`
	if f.Emails {
		has = `(` + has + ` OR ` + r.instr() + `(address, $2) > 0)`
	}
	return many(r, scanFound, `
		WITH walk AS MATERIALIZED (
			SELECT id, roles, author_id FROM community_author WHERE community_id = $1`+where+` LIMIT $4
		)
		SELECT id, roles FROM walk
		WHERE (SELECT `+has+` FROM author_text WHERE author_text.author_id = walk.author_id) LIMIT $3`, args...)
}

// findAnywhere finds members by an index of texts.
func (r reader) findAnywhere(f store.MemberFilter, term string, lists any) ([]foundMember, error) {
	text, arg := r.foundAnywhere(term, f.Emails)
	args := []any{f.CommunityID, arg, store.MaxFound}
	if lists != nil {
		text += ` AND ` + r.oneOf(`m.roles`, `$4`, `text`)
		args = append(args, lists)
	}
	return many(r, scanFound, text+` LIMIT $3`, args...)
}

// membersByID are memberships in that order. With CROSS JOIN SQLite looks up each, and does not walk all members for it.
func (r reader) membersByID(communityID int64, wanted []foundMember) ([]propusk.Membership, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	ids := make([]int64, len(wanted))
	for i, m := range wanted {
		ids[i] = m.id
	}
	list, err := r.list(ids)
	if err != nil {
		return nil, err
	}
	return many(r, scanMember, `SELECT `+memberColumns+` FROM `+r.elements(`$2`, `bigint`)+` AS wanted
		CROSS JOIN community_author AS m`+joinMember+`
		WHERE m.id = wanted.v AND m.community_id = $1 ORDER BY wanted.n`, communityID, list)
}
