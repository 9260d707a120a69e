package app

import (
	"fmt"
	"os"

	"github.com/propusk/propusk/rbac"
	"github.com/propusk/propusk/rbac/policyfile"
)

// rules are the two policies, compiled.
type rules struct {
	platform, community                   rbac.Policy
	platformGrants, communityGrants       *rbac.Grants
	platformCatalogue, communityCatalogue *rbac.Catalogue
}

// readRules compiles the platform's policy and that of communities: the one in the file, or the default one where none is named.
func readRules(file string) (r rules, err error) {
	r.platform, r.community = policyfile.Platform(), policyfile.Community()
	if file != "" {
		if r.community, err = readPolicy(file); err != nil {
			return rules{}, err
		}
	}
	if r.platformGrants, r.platformCatalogue, err = compile(r.platform); err != nil {
		return rules{}, err
	}
	if r.communityGrants, r.communityCatalogue, err = compile(r.community); err != nil {
		return rules{}, err
	}
	// The catalogue decides the scope of a permission.
	if err := rbac.Disjoint(r.platformCatalogue, r.communityCatalogue); err != nil {
		return rules{}, fmt.Errorf("policy %s and that of the platform: %w", file, err)
	}
	return r, nil
}

func readPolicy(file string) (rbac.Policy, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return rbac.Policy{}, fmt.Errorf("--policy: %w", err)
	}
	policy, err := policyfile.Parse(file, text)
	if err != nil {
		return rbac.Policy{}, err
	}
	if policy.Scope != rbac.ScopeCommunity {
		return rbac.Policy{}, fmt.Errorf("%s: the scope must be %s; the platform's policy cannot be replaced", file, rbac.ScopeCommunity)
	}
	return policy, nil
}

// ancestors looks the inheritance of every role up once.
func ancestors(p rbac.Policy) map[string][]string {
	all := make(map[string][]string, len(p.Roles))
	for _, role := range p.Roles {
		all[role.ID] = p.Ancestors(role.ID)
	}
	return all
}

func compile(p rbac.Policy) (*rbac.Grants, *rbac.Catalogue, error) {
	grants, err := rbac.Compile(p)
	if err != nil {
		return nil, nil, err
	}
	catalogue, err := rbac.NewCatalogue(p.Content, p.Reserved)
	return grants, catalogue, err
}
