package app

import (
	"context"

	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/sqlstore"
)

// Migration is one step of the database's schema.
type Migration = sqlstore.Migration

// Migrate brings the schema up to date, under a lock against other nodes, and says what it applied.
func Migrate(ctx context.Context, c *config.Config) ([]Migration, error) {
	return sqlstore.Migrate(ctx, c.Database)
}

// Migrations is every step that this program or the database knows. It changes nothing.
func Migrations(ctx context.Context, c *config.Config) ([]Migration, error) {
	return sqlstore.Status(ctx, c.Database)
}
