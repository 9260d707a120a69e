package importer

import (
	"crypto/sha256"
	"fmt"

	"github.com/propusk/propusk/internal/field"
)

// slugMaker finds slugs that nobody has. They depend on nothing but what is there already, so that a run that was interrupted and begun again
// gives everybody the slug that it would have given.
type slugMaker struct {
	taken func(string) (bool, error)
	// used are those of this transaction that are not written yet.
	used map[string]bool
}

// free is the wanted slug where that is one and nobody has it, and else one made of it, or of name.
func (s slugMaker) free(wanted, name, fallback, key string) (string, error) {
	if field.CheckSlug(wanted) == nil {
		if is, err := s.isTaken(wanted); err != nil || !is {
			return s.take(wanted), err
		}
	}
	if wanted == "" {
		wanted = name
	}
	base, err := field.FreeSlug(func(string) (bool, error) { return false, nil }, wanted, fallback)
	if err != nil {
		return "", err
	}
	for n := 1; ; n++ {
		try := variant(base, key, n)
		if is, err := s.isTaken(try); err != nil || !is {
			return s.take(try), err
		}
	}
}

func (s slugMaker) isTaken(slug string) (bool, error) {
	if s.used[slug] {
		return true, nil
	}
	return s.taken(slug)
}

func (s slugMaker) take(slug string) string {
	s.used[slug] = true
	return slug
}

// variant follows anna, anna-2 … anna-5 with anna and eight digits that hang on the key.
func variant(base, key string, n int) string {
	switch {
	case n == 1:
		return base
	case n <= 5:
		return fmt.Sprintf("%s-%d", base, n)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", n, key))
	return fmt.Sprintf("%s-%x", base, sum[:4])
}
