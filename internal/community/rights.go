package community

import "github.com/propusk/propusk"

// rights remembers which roles a caller covers. A list of roles is covered when each of them is, so of a hundred thousand lists that are made
// of a hundred roles only the roles are judged.
type rights struct {
	me      propusk.Pass
	covered map[string]bool
}

func rightsOf(me propusk.Pass) rights { return rights{me: me, covered: map[string]bool{}} }

func (r rights) covers(roles []string) bool {
	for _, role := range roles {
		covered, judged := r.covered[role]
		if !judged {
			covered = r.me.Covers([]string{role})
			r.covered[role] = covered
		}
		if !covered {
			return false
		}
	}
	return true
}
