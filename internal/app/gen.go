package app

import "github.com/propusk/propusk/internal/gen"

// Generator fills the database with people and communities that nobody is.
func (a *App) Generator() *gen.Service {
	return &gen.Service{Store: a.Store, Communities: a.Communities, Hasher: a.Hasher, Now: a.Communities.Now}
}
