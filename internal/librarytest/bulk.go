package librarytest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/propusk/propusk"
)

var bulks = []story{
	{name: "a bulk adds roles", tell: bulkAdds},
	{name: "a bulk replaces roles", tell: bulkReplaces},
	{name: "one wrong row, and nothing is changed", tell: bulkRefused},
	{name: "a bulk has a size", tell: bulkLimits},
}

func row(userID string, roles ...string) propusk.Assignment {
	return propusk.Assignment{UserID: userID, Roles: append([]string{}, roles...)}
}

func bulkAdds(w *world) {
	_, owls := w.owls()
	boris, clara, dora := w.member("Boris", owls, "expert"), w.member("Clara", owls, "reader"), w.person("Dora")
	emil := w.person("Emil")
	number := w.pass(emil.Token, 0).User.ID
	results, err := w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeAdd, []propusk.Assignment{
		row(boris.UserID, "reader", "author"), row(clara.UserID, "reader"), row(strings.ToUpper(dora.UserID)),
		{AuthorID: number, Roles: []string{"reader", "reader"}},
	})
	w.must(err)
	w.same("results", results, []propusk.Assigned{
		{UserID: boris.UserID, Status: propusk.StatusChanged, Roles: []string{"expert", "reader", "author"}},
		{UserID: clara.UserID, Status: propusk.StatusUnchanged, Roles: []string{"reader"}},
		{UserID: dora.UserID, Status: propusk.StatusAdded, Roles: []string{}},
		{UserID: emil.UserID, Status: propusk.StatusAdded, Roles: []string{"reader"}},
	})
	w.has(owls, boris, "expert", "reader", "author")
	w.has(owls, clara, "reader")
	w.has(owls, dora)
	w.has(owls, emil, "reader")
}

func bulkReplaces(w *world) {
	anna, owls := w.owls()
	boris, clara := w.member("Boris", owls, "expert", "reader"), w.member("Clara", owls, "reader", "author")
	results, err := w.as(anna).BulkAssign(w.ctx(), owls, propusk.ModeReplace, []propusk.Assignment{
		row(boris.UserID), row(clara.UserID, "author", "reader"), row(anna.UserID, "admin"),
	})
	w.must(err)
	w.same("results", results, []propusk.Assigned{
		{UserID: boris.UserID, Status: propusk.StatusChanged, Roles: []string{}},
		{UserID: clara.UserID, Status: propusk.StatusChanged, Roles: []string{"author", "reader"}},
		{UserID: anna.UserID, Status: propusk.StatusUnchanged, Roles: []string{"admin"}},
	})
	w.has(owls, boris)
	w.has(owls, clara, "author", "reader")
	results, err = w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeReplace, nil)
	w.must(err)
	w.same("results of no rows", len(results), 0)
}

func bulkRefused(w *world) {
	_, owls := w.owls()
	boris, clara := w.member("Boris", owls, "reader"), w.person("Clara")
	refuse := func(rows []propusk.Assignment, fields ...string) {
		w.t.Helper()
		results, err := w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeAdd, rows)
		w.invalid(err, fields...)
		w.same("results beside an error", len(results), 0)
		w.has(owls, boris, "reader")
	}
	good := row(boris.UserID, "author")
	refuse([]propusk.Assignment{good, row(nobody, "reader")}, "members[1].user_id")
	refuse([]propusk.Assignment{good, row("clara", "reader")}, "members[1].user_id")
	refuse([]propusk.Assignment{good, {AuthorID: 1 << 30, Roles: []string{"reader"}}}, "members[1].author_id")
	refuse([]propusk.Assignment{good, {AuthorID: -1, Roles: []string{"reader"}}}, "members[1].author_id")
	refuse([]propusk.Assignment{good, row(clara.UserID, "reader", "king")}, "members[1].roles[1]")
	refuse([]propusk.Assignment{good, {Roles: []string{"reader"}}}, "members[1]")
	refuse([]propusk.Assignment{good, {UserID: clara.UserID, AuthorID: 1, Roles: []string{"reader"}}}, "members[1]")
	refuse([]propusk.Assignment{good, {UserID: clara.UserID}}, "members[1].roles")
	refuse([]propusk.Assignment{good, row(clara.UserID, "reader"), row(boris.UserID, "expert")}, "members[2].user_id")
	_, err := w.Communities.RolesOf(w.ctx(), owls, clara.UserID)
	w.refused(err, propusk.NotFound, "member_not_found")
	for _, mode := range []propusk.Mode{"", "Add", "remove"} {
		_, err = w.Communities.BulkAssign(w.ctx(), owls, mode, []propusk.Assignment{good})
		w.invalid(err, "mode")
	}
	// Of many wrong rows not all are named.
	_, err = w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeAdd, slices.Repeat([]propusk.Assignment{row(nobody, "reader")}, 300))
	if named := len(w.refused(err, propusk.Invalid, "invalid_input").Fields); named == 0 || named > 100 {
		w.t.Errorf("%d rows are named", named)
	}
}

func bulkLimits(w *world) {
	_, owls := w.owls()
	boris := w.member("Boris", owls, "reader")
	many := make([]propusk.Assignment, 100_001)
	for i := range many {
		many[i] = propusk.Assignment{AuthorID: int64(i + 1), Roles: []string{"author"}}
	}
	_, err := w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeAdd, many)
	w.invalid(err, "members")
	long := row(boris.UserID, slices.Repeat([]string{"reader"}, 101)...)
	_, err = w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeAdd, []propusk.Assignment{long})
	w.refused(err, propusk.Invalid, "invalid_input")
	w.has(owls, boris, "reader")
	var rows []propusk.Assignment
	for i := range 25 {
		rows = append(rows, row(w.person(fmt.Sprintf("Member %d", i)).UserID, "reader"))
	}
	results, err := w.Communities.BulkAssign(w.ctx(), owls, propusk.ModeAdd, rows)
	w.must(err)
	for i, result := range results {
		if result.UserID != rows[i].UserID || result.Status != propusk.StatusAdded {
			w.t.Errorf("row %d: %+v", i, result)
		}
	}
	page, err := w.Communities.Members(w.ctx(), owls, propusk.MemberFilter{Role: "reader"})
	w.must(err)
	w.same("readers", page.Total, 26)
}
