package source

// Administration are the permissions by which Propusk rules over itself in communities. What other programs call by the same name is something
// else: who may remove a "member" of theirs must not come to remove members here. Three of the policy's are not among them: community:read and community:update_own, which Discours had, and member:read, which only shows
// what every reader sees. A test compares the list with the policy.
func Administration() []string {
	return []string{
		"community:delete_own", "community:configure", "member:admit", "member:remove", "member:assign_role", "role:manage", "policy:apply",
	}
}
