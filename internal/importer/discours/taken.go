package discours

// administration are the permissions by which Propusk rules over itself in communities. Discours had nothing of the kind, so what is called the
// same in its lists is something else: who may remove a "member" of theirs must not come to remove members here. community:read and
// community:update_own are not among them: these two Discours had; nor is member:read, which only shows what every reader of the policy sees. A
// test compares the list with the policy.
var administration = []string{
	"community:delete_own", "community:configure", "member:admit", "member:remove", "member:assign_role", "role:manage", "policy:apply",
}
