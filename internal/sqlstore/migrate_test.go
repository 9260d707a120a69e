package sqlstore

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

func TestMigrationsAreToldAndAppliedOnce(t *testing.T) {
	for name, fresh := range map[string]func(t *testing.T) string{
		"sqlite": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "propusk.db")
			if err := createPrivate(path); err != nil {
				t.Fatal(err)
			}
			return "sqlite:" + path
		},
		"postgres": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			url := fresh(t)
			begin := time.Now().Add(-time.Minute)
			pending := status(t, url)
			if len(pending) == 0 || len(status(t, url)) != len(pending) {
				t.Fatalf("at first: %+v", pending)
			}
			applied, err := Migrate(t.Context(), url)
			if err != nil || len(applied) != len(pending) {
				t.Fatalf("applied %+v (%v), want %+v", applied, err, pending)
			}
			for i, m := range status(t, url) {
				if p := pending[i]; !p.AppliedAt.IsZero() || p.Name == "" || p.Number != m.Number || p.Name != m.Name {
					t.Errorf("was pending: %+v, is applied: %+v", p, m)
				}
				if m.AppliedAt.Before(begin) || m.AppliedAt.After(time.Now().Add(time.Minute)) || m != applied[i] {
					t.Errorf("%+v was told as %+v", m, applied[i])
				}
			}
			if applied, err := Migrate(t.Context(), url); err != nil || len(applied) != 0 {
				t.Errorf("the second time applied %+v (%v)", applied, err)
			}
		})
	}
}

func status(t *testing.T, url string) []Migration {
	t.Helper()
	all, err := Status(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStatusCreatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "propusk.db")
	if all, err := Status(t.Context(), "sqlite:"+path); err == nil {
		t.Errorf("a file that is not there has %+v", all)
	}
	if left, _ := filepath.Glob(path + "*"); len(left) != 0 {
		t.Errorf("created %q", left)
	}
}

// Both engines have the same migrations, so that one number means one schema.
func TestEnginesHaveTheSameMigrations(t *testing.T) {
	sqlite, err := sqliteSchema.known()
	if err != nil {
		t.Fatal(err)
	}
	postgres, err := postgresSchema.known()
	if err != nil {
		t.Fatal(err)
	}
	if len(sqlite) != len(postgres) {
		t.Fatalf("%+v and %+v", sqlite, postgres)
	}
	for i := range sqlite {
		if sqlite[i] != postgres[i] {
			t.Errorf("%+v is %+v on PostgreSQL", sqlite[i], postgres[i])
		}
	}
}
