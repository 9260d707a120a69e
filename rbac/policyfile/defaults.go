package policyfile

import (
	_ "embed" // for the two files below

	"github.com/propusk/propusk/rbac"
)

//go:embed defaults/platform.yaml
var platformFile string

//go:embed defaults/community.yaml
var communityFile string

// Platform returns the default policy of the platform: user, moderator, admin.
func Platform() rbac.Policy { return mustParse("platform.yaml", platformFile) }

// Community returns the default policy of a community: reader, author, artist,
// expert, editor, admin.
func Community() rbac.Policy { return mustParse("community.yaml", communityFile) }

// mustParse panics only if this package was built with a broken default.
func mustParse(name, file string) rbac.Policy {
	policy, err := Parse(name, []byte(file))
	if err != nil {
		panic(err)
	}
	return policy
}
