package equivalence

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

const model = `[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = sub, dom, obj, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
`

// Names that requests draw from. The last of each are in no policy. Some roles have names that Propusk's own policy has too.
var (
	domains = []string{"night-owls", "Early Birds", "magazine", "совы", "nowhere"}
	roles   = []string{"reader", "author", "editor", "admin", "chief", "guest", "proof-reader", "helper", "r_1", "r-2"}
	objects = []string{"article", "photo", "comment", "invoice", "shout", "null", "nothing"}
	actions = []string{"read", "write", "publish", "delete", "approve", "vanish"}
)

// chain is how many roles inherit one from another in one line: more than Casbin follows.
const chain = 14

const users, strangers = 30, 3

func user(n int) string { return fmt.Sprintf("user-%d@example.org", n) }

func link(n int) string { return fmt.Sprintf("link-%d", n) }

// pick is one of all but the last of names.
func pick(r *rand.Rand, names []string) string { return names[r.IntN(len(names)-1)] }

// randomPolicy is a policy.csv in random order. All of it has words in Propusk, unless it is spoilt.
func randomPolicy(r *rand.Rand, spoilt bool) string {
	var lines []string
	add := func(cells ...string) { lines = append(lines, strings.Join(cells, ", ")) }
	for _, domain := range domains[:len(domains)-1] {
		for _, role := range roles {
			add("g", user(r.IntN(users)), role, domain) // so that it is a role
			for range 3 + r.IntN(5) {
				add("p", role, domain, pick(r, objects), pick(r, actions))
			}
			if r.IntN(2) == 0 {
				add("g", role, roles[r.IntN(len(roles))], domain) // circles come by themselves
			}
		}
		for range 2 * users {
			add("g", user(r.IntN(users)), roles[r.IntN(len(roles))], domain)
		}
		addChain(r, add, domain)
		if spoilt {
			spoil(r, add, domain)
		}
	}
	add("g", user(0), roles[0], domains[0]) // the founder of the communities
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return strings.Join(lines, "\n") + "\n"
}

// addChain has each role of the chain permit something that no other does, and gives people one from its beginning.
func addChain(r *rand.Rand, add func(...string), domain string) {
	for n := range chain {
		if n > 0 {
			add("g", link(n-1), link(n), domain)
		}
		add("p", link(n), domain, "chain", fmt.Sprintf("step_%d", n))
	}
	for range 6 {
		add("g", user(r.IntN(users)), link(r.IntN(5)), domain)
	}
}

// spoil adds what Propusk has no words for.
func spoil(r *rand.Rand, add func(...string), domain string) {
	for range 5 {
		add("p", user(r.IntN(users)), domain, pick(r, objects), pick(r, actions))
		add("p", roles[r.IntN(len(roles))], domain, "member", "remove")
		add("g", user(r.IntN(users)), "Chief Editor", domain)
		add("g", user(r.IntN(users)), user(1+r.IntN(users-1)), domain) // the founder stays a person
	}
	add("p", "Chief Editor", domain, pick(r, objects), pick(r, actions))
	add("p", roles[r.IntN(len(roles))], domain, "article", "*")
	add("p", "guest", domain, "Article", "read")
}

// request is what both are asked.
type request struct{ subject, domain, object, action string }

func randomRequest(r *rand.Rand) request {
	q := request{user(r.IntN(users + strangers)), domains[r.IntN(len(domains))], objects[r.IntN(len(objects))], actions[r.IntN(len(actions))]}
	if r.IntN(4) == 0 {
		q.object, q.action = "chain", fmt.Sprintf("step_%d", r.IntN(chain+1))
	}
	return q
}
