package app

import (
	"context"

	"github.com/propusk/propusk/internal/importer"
	"github.com/propusk/propusk/internal/importer/backspeen"
	"github.com/propusk/propusk/internal/importer/casbin"
	"github.com/propusk/propusk/internal/importer/csvfile"
	"github.com/propusk/propusk/internal/importer/discours"
)

// Importer brings people over from other systems.
func (a *App) Importer() *importer.Service {
	return &importer.Service{Store: a.Store, Access: a.Access, Communities: a.Communities, Hasher: a.Hasher, Now: a.Communities.Now}
}

// Discours says where an installation of Discours is and how to read it.
type Discours = discours.Options

// OpenDiscours connects to an installation of Discours. Grants and Catalogue are those of new communities. No error holds a password.
func (a *App) OpenDiscours(ctx context.Context, from Discours) (importer.System, error) {
	from.Grants, from.Catalogue = a.Communities.Grants, a.Communities.Catalogue
	return discours.Open(ctx, from)
}

// Backspeen says where the database of a program like backend_backspeen is and how to read it.
type Backspeen = backspeen.Config

// OpenBackspeen opens such a database. No error holds anything of a row.
func OpenBackspeen(ctx context.Context, from Backspeen) (importer.System, error) {
	system, err := backspeen.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	return system, nil
}

// CSV names files of accounts and memberships.
type CSV = csvfile.Config

// OpenCSV checks the headers of the files.
func OpenCSV(from CSV) (importer.System, error) {
	system, err := csvfile.Open(from)
	if err != nil {
		return nil, err
	}
	return system, nil
}

// Casbin names the files of a model and a policy of Casbin.
type Casbin = casbin.Config

// CasbinSystem is such a policy. It can also write a policy of Propusk with all permissions that it names.
type CasbinSystem interface {
	importer.System
	PolicyFile() ([]byte, error)
}

// OpenCasbin reads the files.
func OpenCasbin(ctx context.Context, from Casbin) (CasbinSystem, error) {
	system, err := casbin.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	return system, nil
}
