package importer

import (
	"context"
	"errors"
	"fmt"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/email"
	"github.com/propusk/propusk/internal/importer/source"
	"github.com/propusk/propusk/internal/store"
)

// minStrangers is how many accounts must be somebody else before a source is taken for another installation.
const minStrangers = 3

// recognise looks, before anything is changed, whether the rows that were imported under this name are still the same people. Two installations
// that number their accounts from 1 would give each other's roles to the wrong ones.
func (r *run) recognise(ctx context.Context) error {
	known, err := r.Store.Now(ctx).Imported(r.Source, store.ImportedNumbers, numberKeys(store.ImportedAccount))
	if err != nil || known[1] == 0 {
		return err
	}
	return chunks(r.system.Accounts(ctx), r.chunk(), sizeOfAccount, func(read []source.Account) error {
		return r.Store.View(ctx, func(reader store.Reader) error {
			keys := make([]string, len(read))
			for i, a := range read {
				if a.Refused == "" && isText(a.Key) {
					keys[i] = a.Key
				}
			}
			ids, err := reader.Imported(r.Source, store.ImportedAccount, keys)
			if err != nil {
				return err
			}
			var met []acquaintance
			for i, a := range read {
				if address, err := email.Parse(a.Email); err == nil && ids[i] != 0 {
					met = append(met, acquaintance{a, address.Key, ids[i]})
				}
			}
			_, err = r.strangers(reader, met)
			return err
		})
	})
}

// acquaintance is a row that became an account in an earlier run.
type acquaintance struct {
	source.Account
	emailKey string
	id       int64
}

// moved tells which of the rows that are known became accounts that do not have their addresses any more.
func (r *run) moved(g ground, o *outcome, rows []*accountRow, known []int64) ([]bool, error) {
	var met []acquaintance
	var places []int
	for i, row := range rows {
		if known[i] != 0 && row.refused == "" {
			met, places = append(met, acquaintance{row.Account, row.user.EmailKey, known[i]}), append(places, i)
		}
	}
	elsewhere, err := r.strangers(g, met)
	if err != nil {
		return nil, err
	}
	moved := make([]bool, len(rows))
	var same []*accountRow
	for n, i := range places {
		if moved[i] = elsewhere[n]; !moved[i] {
			same = append(same, rows[i])
		}
	}
	r.cameOver(o, same)
	return moved, nil
}

// strangers tells whose accounts do not have the addresses of their rows. Conflict (another_installation) when most of them cannot be the same:
// people change their addresses, but not when their accounts were made, and not all at once.
func (r *run) strangers(g store.Reader, met []acquaintance) (elsewhere []bool, err error) {
	keys := make([]string, len(met))
	for i, one := range met {
		keys[i] = one.emailKey
	}
	holders, err := g.EmailHolders(keys)
	if err != nil {
		return nil, err
	}
	elsewhere = make([]bool, len(met))
	others := 0
	for i, one := range met {
		if elsewhere[i] = holders[i] != one.id; !elsewhere[i] {
			continue
		}
		same, err := r.isSame(g, one)
		if err != nil {
			return nil, err
		}
		if !same {
			others++
		}
	}
	if others < minStrangers || others*2 <= len(met) {
		return elsewhere, nil
	}
	return nil, &propusk.Error{
		Kind: propusk.Conflict, Code: "another_installation",
		Message: fmt.Sprintf("of %d accounts that came over under the name %q, %d have other addresses there than here: this looks like another installation, "+
			"whose people would get the roles of others. Import it under a name of its own: --as NAME", len(met), r.Source, others),
	}
}

// isSame reports whether something beside the address says that the account is the row's: its key is the address, or it was made in the same second.
func (r *run) isSame(g store.Reader, one acquaintance) (bool, error) {
	if email.Key(one.Key) == one.emailKey {
		return true, nil
	}
	if one.CreatedAt.IsZero() {
		return false, nil
	}
	made, err := r.createdAt(g, one.id)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && made.Unix() == one.CreatedAt.Unix(), err
}
