package discours

import (
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
type pair struct{ community, author int64 }

func (p pair) key() string { return fmt.Sprintf("%d:%d", p.community, p.author) }

func (p pair) whole() bool { return p.community != 0 && p.author != 0 }

func (p pair) String() string { return fmt.Sprintf("community %d, author %d", p.community, p.author) }

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
	odd      []source.Odd
}

// Members implements source.System.
func (s *system) Members(ctx context.Context) iter.Seq2[source.Member, error] {
	return func(yield func(source.Member, error) bool) {
		text := s.memberText()
		if text == "" {
			return
		}
		var one *seat
		for r, err := range s.query(ctx, text) {
			if err != nil {
				yield(source.Member{}, err)
				return
			}
			p := pair{r.number(0), r.number(1)}
			if one != nil && (one.pair != p || !p.whole()) {
				if !yield(s.member(one), nil) {
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
			yield(s.member(one), nil)
		}
	}
}

// memberText selects the rows of both tables, those about the same pair next to each other: community, author, whether it is of the older
// table, id, roles, joined_at.
func (s *system) memberText() string {
	var parts []string
	if s.has("community_author") {
		parts = append(parts, `SELECT community_id AS community, author_id AS author, 0 AS old, `+
			s.orNull("community_author", "id", "BIGINT")+` AS id, `+s.orNull("community_author", "roles", "TEXT")+` AS roles, `+
			s.orNull("community_author", "joined_at", "BIGINT")+` AS joined_at FROM community_author`)
	}
	if s.has("author_role") {
		parts = append(parts, `SELECT community AS community, author AS author, 1 AS old, CAST(NULL AS BIGINT) AS id, CAST(role AS TEXT) AS roles,
			CAST(NULL AS BIGINT) AS joined_at FROM author_role`)
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

func (s *system) orNull(table, column, kind string) string {
	if s.hasColumn(table, column) {
		return `CAST(` + quote(column) + ` AS ` + kind + `)`
	}
	return `CAST(NULL AS ` + kind + `)`
}

func (t *seat) add(r *record) {
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
		t.odd = r.odd
	default:
		t.again(r)
	}
}

// again is about a second row of the same pair, which Discours never reads: the first counts.
func (t *seat) again(r *record) {
	roles, bad := rbac.ParseRoles(r.text(4))
	for _, role := range append(roles, bad...) {
		if !slices.Contains(t.roles, role) {
			t.odd = append(t.odd, source.Odd{
				Part: fmt.Sprintf("role %.100q", role), Why: fmt.Sprintf("it stands in a second row of the same member, %d, and not in the first", r.number(3)),
			})
		}
	}
}

// member is what the pair comes to. The list in community_author wins, where there is one.
func (s *system) member(t *seat) source.Member {
	m := source.Member{
		Row:     source.Row{Key: t.key(), Where: t.where(), Odd: t.odd},
		Account: ref(t.author), Community: ref(t.community), Roles: t.roles, JoinedAt: t.joinedAt,
	}
	if !t.whole() {
		m.Refused = "it names no community or no author"
		return m
	}
	switch {
	case len(t.roles) > 0 || len(t.old) == 0:
	case !t.listed || !s.hasColumn("community_author", "roles") || s.FillOldRoles:
		m.Roles = t.old
	default:
		m.Odd = append(m.Odd, source.Odd{
			Part: fmt.Sprintf("old roles %.200q", strings.Join(t.old, ",")),
			Why:  "community_author has none for this member: they were taken away, or never carried over; --old-roles fill gives them back",
		})
	}
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
