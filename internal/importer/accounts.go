package importer

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/field"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/password"
	"github.com/propusk/propusk/internal/store"
)

// accountRow is a row and what it is to be.
type accountRow struct {
	source.Account
	refused string
	// twice tells that a row before it has its key.
	twice  bool
	judged outcome
	// user has all but the slug, and the number where that is kept.
	user store.UserRow
}

func (r *run) accounts(ctx context.Context) error {
	return chunks(r.system.Accounts(ctx), r.chunk(), sizeOfAccount, func(read []source.Account) error {
		rows := make([]*accountRow, len(read))
		for i, a := range read {
			rows[i] = r.judgeAccount(a)
		}
		if err := r.hashPasswords(ctx, rows); err != nil {
			return err
		}
		err := r.change(ctx, "import.accounts", &r.report.Accounts, func(g ground, o *outcome) error { return r.writeAccounts(g, o, rows) })
		r.report.Accounts.Read += len(rows)
		r.tell("accounts", r.report.Accounts.Read, r.total.Accounts)
		return err
	})
}

// judgeAccount says what a row is to be, as far as that hangs on nothing but the rows.
func (r *run) judgeAccount(a source.Account) *accountRow {
	row := &accountRow{Account: a, refused: refusal(a.Row), judged: outcome{ofRow: true}}
	if row.refused == "" {
		row.refused = r.again(a.Row)
		row.twice = row.refused != ""
	}
	if row.refused != "" {
		r.refuseAddress(a.Email)
		return row
	}
	row.judged.odd(store.ImportedAccount, a.Row)
	row.judgeAddress(r)
	row.judgeNames()
	row.judgeRole(r)
	row.judgePassword(r.unusable)
	row.judgeTimes(r.Now())
	row.user.ID = r.keep(store.ImportedAccount, a.Number)
	row.user.UserID = newUserID()
	row.user.DeletedByOwner = a.Deleted
	row.user.IsActive = !a.Inactive && !a.Deleted
	return row
}

// refuseAddress notes that a row that may have meant somebody with this address did not come over.
func (r *run) refuseAddress(address string) {
	key := digestOf(email.Key(address))
	if _, met := r.addresses[key]; !met && address != "" {
		r.addresses[key] = refused
	}
}

func (a *accountRow) fault(part, why string) { a.judged.fault(store.ImportedAccount, a.Row, part, why) }

func (a *accountRow) judgeAddress(r *run) {
	if strings.TrimSpace(a.Email) == "" {
		a.refused = "an account needs an e-mail address, and this one has none"
		return
	}
	address, err := email.Parse(a.Email)
	if err != nil {
		a.refused = fmt.Sprintf("the e-mail address %q %v", a.Email, err)
		r.refuseAddress(a.Email)
		return
	}
	key := digestOf(address.Key)
	if r.addresses[key] >= claimed {
		a.refused = fmt.Sprintf("another row before it has the address %s too", address.Typed)
		return
	}
	r.addresses[key] = claimed
	a.user.Email, a.user.EmailKey = address.Typed, address.Key
}

// judgeNames leaves a name empty that is none; the slug then takes its place.
func (a *accountRow) judgeNames() {
	a.user.Name = shownName(&a.judged, store.ImportedAccount, a.Row, "name", a.Name)
	a.user.LastName = shownName(&a.judged, store.ImportedAccount, a.Row, "last name", a.LastName)
}

// shownName is a name as it is shown; empty when it is none.
func shownName(o *outcome, kind store.ImportKind, row source.Row, part, name string) string {
	var bad field.Faults
	shown := bad.Name(part, name, 0)
	if len(bad) > 0 {
		o.fault(kind, row, fmt.Sprintf("%s %.200q", part, name), bad[0].Message)
		return ""
	}
	return shown
}

func (a *accountRow) judgeRole(r *run) {
	a.user.Role = "user"
	switch {
	case a.Role == "":
	case r.Access.Platform.Has(a.Role):
		a.user.Role = a.Role
	default:
		a.fault(fmt.Sprintf("platform role %.100q", a.Role), "must be one of "+strings.Join(r.Access.Platform.Roles(), ", ")+"; the account is a user")
	}
}

func (a *accountRow) judgePassword(unusable string) {
	a.user.PasswordHash = unusable
	if len(a.Password.Plain) > password.MaxBytes {
		a.fault("password", fmt.Sprintf("must have at most %d bytes; the account needs a new password", password.MaxBytes))
		a.Password.Plain = ""
	}
	if a.Password.Hash == "" {
		return
	}
	if err := password.Readable(a.Password.Hash); err != nil {
		a.fault("password", err.Error()+"; the account needs a new password")
		return
	}
	a.user.PasswordHash = a.Password.Hash
}

func (a *accountRow) judgeTimes(now time.Time) {
	at := func(part string, t time.Time) time.Time {
		return moment(&a.judged, store.ImportedAccount, a.Row, part, t)
	}
	a.user.CreatedAt = since(at("time of creation", a.CreatedAt), now.Truncate(time.Second))
	a.user.UpdatedAt = since(at("time of the last change", a.UpdatedAt), a.user.CreatedAt)
	a.user.LastSeen = at("time of the last visit", a.LastSeen)
}

// writeAccounts adds those that are neither there nor in anybody's way.
func (r *run) writeAccounts(g ground, o *outcome, rows []*accountRow) error {
	fresh, err := r.unknownAccounts(g, o, rows)
	if err != nil || len(fresh) == 0 {
		return err
	}
	if fresh, err = r.withFreeAddress(g, o, fresh); err != nil || len(fresh) == 0 {
		return err
	}
	users, err := r.users(g, o, fresh)
	if err != nil {
		return err
	}
	ids, err := g.InsertUsers(users)
	if err != nil {
		return err
	}
	for i, row := range fresh {
		r.renumber(o, store.ImportedAccount, row.Row, row.Number, row.user.ID, ids[i])
	}
	r.cameOver(o, fresh)
	o.Added += len(fresh)
	o.note("count", len(fresh))
	return g.SetImported(r.Source, store.ImportedAccount, keysOf(fresh), ids)
}

// cameOver notes whose accounts have the addresses of their rows.
func (r *run) cameOver(o *outcome, rows []*accountRow) {
	o.after = append(o.after, func() {
		for _, row := range rows {
			r.addresses[digestOf(row.user.EmailKey)] = came
		}
	})
}

// unknownAccounts are the rows that no run has taken over and nothing speaks against.
func (r *run) unknownAccounts(g ground, o *outcome, rows []*accountRow) (fresh []*accountRow, err error) {
	known, err := known(g, r.Source, store.ImportedAccount, rows)
	if err != nil {
		return nil, err
	}
	moved, err := r.moved(g, o, rows, known)
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		o.add(row.judged, known[i] != 0)
		switch {
		case known[i] != 0 && !row.twice:
			o.There++
			if moved[i] {
				o.fault(store.ImportedAccount, row.Row, "address", "the account that it became has another address here now")
			}
		case row.refused != "":
			o.fault(store.ImportedAccount, row.Row, "", row.refused)
		default:
			fresh = append(fresh, row)
		}
	}
	return fresh, nil
}

func (a *accountRow) key() string { return a.Key }

// withFreeAddress are the rows whose address no account has. Of the others the account is taken, if that was asked for.
func (r *run) withFreeAddress(g ground, o *outcome, rows []*accountRow) (fresh []*accountRow, err error) {
	addresses := make([]string, len(rows))
	for i, row := range rows {
		addresses[i] = row.user.EmailKey
	}
	holders, err := g.EmailHolders(addresses)
	if err != nil {
		return nil, err
	}
	var linked []string
	var accounts []int64
	var same []*accountRow
	for i, row := range rows {
		switch {
		case holders[i] == 0:
			fresh = append(fresh, row)
		case r.LinkByAddress:
			linked, accounts, same = append(linked, row.Key), append(accounts, holders[i]), append(same, row)
		default:
			o.fault(store.ImportedAccount, row.Row, "", fmt.Sprintf("an account of Propusk has the address %s already, and nobody knows whether it is the "+
				"same person: --link-by-address says that it is", row.user.Email))
		}
	}
	if len(linked) == 0 {
		return fresh, nil
	}
	o.There += len(linked)
	o.note("linked", len(linked))
	for _, row := range same {
		row.tellLinked(o)
	}
	r.cameOver(o, same)
	o.after = append(o.after, func() { r.report.Linked += len(linked) })
	return fresh, g.SetImported(r.Source, store.ImportedAccount, linked, accounts)
}

// tellLinked tells what a row brought that its account does not get.
func (a *accountRow) tellLinked(o *outcome) {
	if a.Password.Hash != "" || a.Password.Plain != "" {
		o.fault(store.ImportedAccount, a.Row, "password", "the account was there already, and keeps the password that it has")
	}
	if a.user.Role != "user" {
		o.fault(store.ImportedAccount, a.Row, "role", fmt.Sprintf("the account was there already, and keeps the role that it has: it is not made %s", a.user.Role))
	}
	if !a.user.IsActive {
		o.fault(store.ImportedAccount, a.Row, "inactive", "the account was there already, and stays as it is: it is not blocked")
	}
}

// users are the accounts that rows become, each with a slug of its own.
func (r *run) users(g ground, o *outcome, rows []*accountRow) ([]store.UserRow, error) {
	taken, err := slugsTaken(g, rows)
	if err != nil {
		return nil, err
	}
	maker := slugMaker{used: map[string]bool{}, taken: func(slug string) (bool, error) {
		if is, asked := taken[slug]; asked {
			return is, nil
		}
		return g.SlugExists(slug)
	}}
	users := make([]store.UserRow, len(rows))
	passwordless := 0
	for i, row := range rows {
		users[i] = row.user
		if users[i].Slug, err = maker.free(row.Slug, row.user.Name+" "+row.user.LastName, "user", row.Key); err != nil {
			return nil, err
		}
		if row.Slug != "" && row.Slug != users[i].Slug {
			o.adjusted(store.ImportedAccount, row.Row, fmt.Sprintf("slug %.100q", row.Slug), "it is taken, or no slug: it is "+users[i].Slug+" now")
		}
		users[i].Name = cmp.Or(row.user.Name, users[i].Slug)
		// A dry run hashes nothing.
		if row.user.PasswordHash == r.unusable && row.Password.Plain == "" {
			passwordless++
		}
	}
	o.after = append(o.after, func() { r.passwordless += passwordless })
	return users, nil
}

// slugsTaken asks once for all slugs that can be had as they are.
func slugsTaken(g ground, rows []*accountRow) (map[string]bool, error) {
	var slugs []string
	for _, row := range rows {
		if field.CheckSlug(row.Slug) == nil {
			slugs = append(slugs, row.Slug)
		}
	}
	is, err := g.SlugsTaken(slugs)
	taken := make(map[string]bool, len(slugs))
	for i := range is {
		taken[slugs[i]] = is[i]
	}
	return taken, err
}
