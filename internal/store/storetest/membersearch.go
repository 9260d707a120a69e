package storetest

import (
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

var memberSearches = []story{
	{"a search among members finds three characters anywhere, and fewer at the beginning of words", func(d *database) {
		anna, percent, under, back, mark := person(1), person(2), person(3), person(4), person(5)
		anna.Name, anna.LastName, anna.Slug = "Анна Мария", "Ёлкина-Šímová", "anna-yolkina"
		anna.Email, anna.EmailKey = "Почта@Пример.РФ", "почта@пример.рф"
		percent.Name, under.Name, back.Name = "100%", "a_b", `a\b`
		mark.Name, mark.LastName = `Жанна "д'Арк"`, "O'Hara \x1f\x1fx"
		u := d.insert(anna, percent, under, back, mark, person(6))
		c := d.found(1, u[0].ID)
		d.join(c, nil, u[:5]...)
		for query, want := range map[string][]string{
			"анна":         {"anna-yolkina", "person5"},
			"АННА М":       {"anna-yolkina"},
			"анна мария ё": {"anna-yolkina"},
			"нна":          {"anna-yolkina", "person5"},
			"нн":           nil,
			"ан":           {"anna-yolkina"},
			"м":            {"anna-yolkina"},
			"ёл":           {"anna-yolkina"},
			"ЁЛК":          {"anna-yolkina"},
			"на-Ší":        {"anna-yolkina"},
			"ší":           {"anna-yolkina"}, // decomposed, as some keyboards type it
			"yo":           {"anna-yolkina"},
			"a-y":          {"anna-yolkina"},
			"ПРИМЕР.рф":    nil,
			"нет":          nil,
			"100%":         {"person2"},
			"00%":          {"person2"},
			"1%%":          nil,
			"1":            {"person2"},
			"%":            nil, // at the beginning of no word
			"a_b":          {"person3"},
			"a_":           {"person3"},
			`a\b`:          {"person4"},
			`\b`:           nil,
			`a\`:           {"person4"},
			`"д'`:          {"person5"},
			`д'а`:          {"person5"},
			`ар`:           {"person5"},
			`"`:            {"person5"},
			"hara":         {"person5"},
			"x":            {"person5"},
			"\x1f":         {"person5"}, // is a space
			"\x1f\x1fx":    {"person5"},
			"person6":      nil,
			"' OR 1=1 --":  nil,
			`names : x`:    nil,
			`" OR "нна`:    nil,
			"person":       {"person2", "person3", "person4", "person5"},
		} {
			d.t.Run(query, func(t *testing.T) {
				same(d.in(t), "found", d.in(t).members(store.MemberFilter{CommunityID: c.ID, Search: query}), want)
			})
		}
	}},

	{"an address is looked through only with Emails", func(d *database) {
		anna := person(1)
		anna.Email, anna.EmailKey = "Почта.и.я@Пример.РФ", "почта.и.я@пример.рф"
		u := d.insert(anna, person(2))
		c := d.found(1, u[0].ID)
		d.join(c, nil, u...)
		for query, want := range map[string][]string{
			"очта":     {"person1"},
			"ПРИМЕР.р": {"person1"},
			"и":        {"person1"},
			"рф":       {"person1"},
			"example":  {"person2"},
			"person":   {"person1", "person2"},
			"on2":      {"person2"},
			"\n":       nil,
		} {
			same(d, query, d.members(store.MemberFilter{CommunityID: c.ID, Search: query, Emails: true}), want)
			if query != "person" && query != "on2" {
				same(d, query+" without", d.members(store.MemberFilter{CommunityID: c.ID, Search: query}), nil)
			}
		}
	}},

	{"a search goes with a role, and is cut into pages", func(d *database) {
		u := d.people(8)
		c, other := d.found(1, u[0].ID), d.found(2, u[0].ID)
		d.join(c, []string{"reader", "author"}, u[:3]...)
		d.join(c, []string{"author"}, u[3:6]...)
		d.join(c, []string{"reader"}, u[6])
		d.join(other, []string{"author"}, u...)
		filter := store.MemberFilter{CommunityID: c.ID, Search: "PERSON", Role: "author"}
		want := []string{"person3", "person4", "person5", "person0", "person1", "person2"}
		same(d, "authors", d.members(filter), want)
		for offset := range 8 {
			filter.Offset, filter.Limit = offset, 2
			page, total, err := d.now().Members(filter)
			d.must(err)
			same(d, "total", total, len(want))
			var got []string
			for _, m := range page {
				got = append(got, m.User.Slug)
			}
			same(d, "page", append([]string{}, got...), append([]string{}, want[min(offset, 6):min(offset+2, 6)]...))
		}
		filter.Role, filter.Offset = "nobody", 0
		same(d, "nobody", d.members(filter), nil)
	}},

	{"a search sees who has another name now", func(d *database) {
		u := d.people(2)
		c := d.found(1, u[0].ID)
		d.join(c, nil, u...)
		renamed := u[0]
		renamed.Name, renamed.LastName, renamed.Slug = "Мария", "", "maria"
		d.update(func(tx store.Tx) error { return tx.UpdateUser(renamed) })
		d.update(func(tx store.Tx) error { return tx.UpdateUser(renamed) })
		for query, want := range map[string][]string{"person0": nil, "МАРИЯ": {"maria"}, "aria": {"maria"}, "person": {"person1"}} {
			same(d, query, d.members(store.MemberFilter{CommunityID: c.ID, Search: query}), want)
		}
		same(d, "address", d.members(store.MemberFilter{CommunityID: c.ID, Search: "person0@", Emails: true}), []string{"maria"})
	}},

	{"what is no text is refused, be it looked for among members", func(d *database) {
		for what, err := range map[string]error{
			"Members": func() error {
				_, _, err := d.now().Members(store.MemberFilter{CommunityID: 1, Search: "a\x00b", Limit: 1})
				return err
			}(),
			"Accounts": func() error { _, err := d.now().Accounts(1, []string{"\xff"}); return err }(),
		} {
			if propusk.KindOf(err) != propusk.Invalid {
				d.t.Errorf("%s answered %v", what, err)
			}
		}
	}},
}
