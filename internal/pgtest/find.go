package pgtest

import (
	"cmp"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// oldest is the first major version that Propusk supports.
const oldest = 15

// errMissing says that no suitable PostgreSQL is installed.
var errMissing = errors.New("no PostgreSQL 15 or newer is installed here; on Debian: apt-get install --no-install-recommends postgresql")

func isMissing(err error) bool { return errors.Is(err, errMissing) }

// places are where packages put the programs of a server. Most do not put them on PATH.
var places = []string{
	"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin",
}

// find is the directory of the newest PostgreSQL.
var find = sync.OnceValues(func() (string, error) {
	var found []string
	for _, place := range places {
		matches, err := filepath.Glob(filepath.Join(place, "postgres"))
		if err != nil {
			return "", err
		}
		found = append(found, matches...)
	}
	if onPath, err := exec.LookPath("postgres"); err == nil {
		// A link would lead past the programs and files beside the real one.
		if onPath, err = filepath.EvalSymlinks(onPath); err == nil {
			found = append(found, onPath)
		}
	}
	found = slices.DeleteFunc(found, func(postgres string) bool { return major(postgres) < oldest })
	if len(found) == 0 {
		return "", errMissing
	}
	return filepath.Dir(slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(major(a), major(b)) })), nil
})

var versionText = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// major is the major version of a postgres program, and 0 of anything else.
func major(postgres string) int {
	said, err := exec.Command(postgres, "--version").Output()
	if err != nil {
		return 0
	}
	match := versionText.FindSubmatch(said)
	if match == nil {
		return 0
	}
	version, err := strconv.Atoi(string(match[1]))
	if err != nil {
		return 0
	}
	return version
}
