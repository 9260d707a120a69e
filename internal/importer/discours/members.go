package discours

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/rbac"
)

// pair is somebody in a community.
type pair struct{ community, author ident }

func (p pair) key() string {
	if p.whole() {
		return fmt.Sprintf("%v:%v", p.community, p.author)
	}
	return "?" + strings.TrimPrefix(fmt.Sprintf("%v:%v", p.community, p.author), "?")
}

func (p pair) whole() bool { return p.community.number != 0 && p.author.number != 0 }

func (p pair) String() string { return fmt.Sprintf("community %v, author %v", p.community, p.author) }

const noPair = "it names no community or no author: both must be whole numbers above 0"

// seat is all that the tables say about a pair.
type seat struct {
	pair
	// listed tells that community_author has a row; id is its id.
	listed bool
	id     int64
	roles  []string
	// old are the roles in the older table.
	old      []string
	joinedAt time.Time
	doubts
	// refused is why nothing of it can be understood.
	refused string
}

// Members implements source.System.
func (s *system) Members(ctx context.Context) iter.Seq2[source.Member, error] {
	return func(yield func(source.Member, error) bool) {
		text := s.memberText()
		if text == "" {
			return
		}
		oldCount, err := s.oldRolesCount(ctx)
		oldCount = oldCount || s.FillOldRoles
		if err != nil {
			yield(source.Member{}, err)
			return
		}
		var met keys
		tell := func(t *seat) bool {
			m := s.member(t, oldCount)
			met.once(&m.Row)
			return yield(m, nil)
		}
		var one *seat
		for r, err := range s.query(ctx, text) {
			if err != nil {
				yield(source.Member{}, err)
				return
			}
			p := pair{r.ident(0), r.ident(1)}
			if one != nil && (one.pair != p || !p.whole()) {
				if !tell(one) {
					return
				}
				one = nil
			}
			if one == nil {
				one = &seat{pair: p}
			}
			one.add(r)
		}
		if one != nil {
			tell(one)
		}
	}
}

// oldRolesCount reports whether author_role makes members by itself: where nothing newer says who is one. Whoever stands there alone otherwise
// may have been removed since.
func (s *system) oldRolesCount(ctx context.Context) (bool, error) {
	if !s.hasColumn("community_author", "roles") {
		return true, nil
	}
	for _, err := range s.query(ctx, `SELECT 1 FROM community_author LIMIT 1`) {
		return false, err
	}
	return true, nil
}

// memberText selects the rows of both tables, those about the same pair next to each other: community, author, whether it is of the older
// table, id, roles, joined_at, what is too long.
func (s *system) memberText() string {
	var parts []string
	if s.has("community_author") {
		parts = append(parts, `SELECT `+s.bounded(`community_id`)+` AS community, `+s.bounded(`author_id`)+` AS author, 0 AS old, `+
			s.orNull("community_author", "id")+` AS id, `+s.textOrNull("community_author", "roles")+` AS roles, `+
			s.orNull("community_author", "joined_at")+` AS joined_at, `+s.tooLong("community_author", "community_id", "author_id", "roles")+
			` AS long FROM community_author`)
	}
	if s.has("author_role") {
		parts = append(parts, `SELECT `+s.bounded(`community`)+` AS community, `+s.bounded(`author`)+` AS author, 1 AS old, NULL AS id, `+
			s.textOrNull("author_role", "role")+` AS roles, NULL AS joined_at, `+s.tooLong("author_role", "community", "author", "role")+
			` AS long FROM author_role`)
	}
	if len(parts) == 0 {
		return ""
	}
	bytewise := `BINARY`
	if s.postgres {
		bytewise = `"C"`
	}
	return `SELECT * FROM (` + strings.Join(parts, " UNION ALL ") + `) AS said ORDER BY community NULLS FIRST, author NULLS FIRST, old, id, roles COLLATE ` + bytewise
}

func (s *system) orNull(table, column string) string {
	if s.hasColumn(table, column) {
		return s.bounded(quote(column))
	}
	return `NULL`
}

func (s *system) textOrNull(table, column string) string {
	if s.hasColumn(table, column) {
		return s.bounded(`CAST(` + quote(column) + ` AS TEXT)`)
	}
	return `CAST(NULL AS TEXT)`
}

func (t *seat) add(r *record) {
	r.refuseLong(6)
	switch {
	case r.number(2) == 1:
		t.old = append(t.old, strings.TrimSpace(r.text(4)))
	case !t.listed:
		var bad []string
		t.listed, t.id, t.joinedAt = true, r.number(3), r.time(5, "joined_at")
		t.roles, bad = rbac.ParseRoles(r.text(4))
		for _, token := range bad {
			r.doubt(fmt.Sprintf("role %.100q", token), "a role must begin with a letter a-z and have at most 32 letters a-z, digits, _ and -")
		}
		t.addAll("", &r.doubts)
	default:
		t.again(r)
	}
	t.refused = cmp.Or(t.refused, r.refused)
}

// again is about a second row of the same pair, which Discours never reads: the first counts.
func (t *seat) again(r *record) {
	roles, bad := rbac.ParseRoles(r.text(4))
	for _, role := range append(roles, bad...) {
		if !slices.Contains(t.roles, role) {
			t.doubt(fmt.Sprintf("role %.100q", role),
				fmt.Sprintf("it stands in a second row of the same member, %d, and not in the first", r.number(3)))
		}
	}
}

// member is what the pair comes to. The list in community_author wins, where there is one.
func (s *system) member(t *seat, oldCount bool) source.Member {
	m := source.Member{
		Row:     source.Row{Key: t.key(), Where: t.where(), Refused: t.refused},
		Account: ref(t.author), Community: ref(t.community), Roles: t.roles, JoinedAt: t.joinedAt,
	}
	switch {
	case !t.whole():
		m.Refused = noPair
	case !t.listed && !oldCount:
		m.Refused = fmt.Sprintf("only the older table author_role has this member, with the roles %.200q: it was removed since, or never carried over; "+
			"--old-roles fill takes such members over", strings.Join(t.old, ","))
	case len(t.roles) > 0 || len(t.old) == 0:
	case oldCount:
		m.Roles = t.old
	default:
		t.doubt(fmt.Sprintf("old roles %.200q", strings.Join(t.old, ",")),
			"community_author has none for this member: they were taken away, or never carried over; --old-roles fill gives them back")
	}
	m.Odd = t.odd()
	return m
}

func (t *seat) where() string {
	if t.id != 0 {
		return fmt.Sprintf("community_author %d (%v)", t.id, t.pair)
	}
	if t.listed {
		return fmt.Sprintf("community_author, %v", t.pair)
	}
	return fmt.Sprintf("author_role, %v", t.pair)
}
