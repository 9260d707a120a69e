package policyfile

import "github.com/propusk/propusk/rbac"

// Source returns the text of the default policy of a scope, to start an own one from; "" for a scope there is none of.
func Source(scope rbac.Scope) string {
	switch scope {
	case rbac.ScopePlatform:
		return platformFile
	case rbac.ScopeCommunity:
		return communityFile
	default:
		return ""
	}
}
