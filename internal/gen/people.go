package gen

import (
	"crypto/rand"
	"fmt"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
)

// account is an account of the plan under the number that it gets. Slug and address begin with that number: nobody else has them, and in the
// indexes they come one after the other. With the name first a million rows would each touch a page of its own there.
func (p *plan) account(i int, id int64) store.UserRow {
	dice := p.dice(diceAccount, uint64(i), 0)
	people := pick(dice, p.cultures)
	first, last := often(dice, people.first), often(dice, people.last)
	row := store.UserRow{User: propusk.User{
		ID: id, UserID: newUserID(), Name: first.shown, LastName: last.shown, Slug: fmt.Sprintf("%d-%s-%s", id, first.plain, last.plain),
		Email: fmt.Sprintf("%d.%s.%s@example.org", id, first.plain, last.plain), Role: "user", IsActive: p.active(i), CreatedAt: p.joined(i),
	}}
	row.EmailKey, row.UpdatedAt = row.Email, row.CreatedAt
	if dice.IntN(20) == 0 { // some put nothing into the second field
		row.LastName = ""
	}
	if dice.IntN(10) > 0 { // some never came back
		part := dice.Float64()
		row.LastSeen = between(row.CreatedAt, closed, 1-part*part)
	}
	if !row.IsActive {
		row.UpdatedAt = between(row.CreatedAt, closed, dice.Float64())
		row.DeletedByOwner = dice.IntN(2) == 0
	}
	return row
}

// newUserID is a random UUID (RFC 9562, version 4) in lower-case text. It does not hang on the seed: two databases of one seed that were
// put together must not have two people of one user_id.
func newUserID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails, and never leaves a byte out
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
