package rbac

// Ownership says whose the object of a check is.
type Ownership uint8

const (
	OwnerUnknown Ownership = iota // the check named no owner
	OwnerSelf                     // the caller's own
	OwnerOther                    // somebody else's
)

// Reason says why a check was allowed or denied, in words that are stable and
// may be shown to the caller.
type Reason string

// Why a check is allowed.
const (
	ReasonRole          Reason = "role"           // a role holds it
	ReasonOwn           Reason = "own"            // a role holds it for the caller's own objects
	ReasonPlatformAdmin Reason = "platform_admin" // passes every check
)

// Why a check is denied.
const (
	ReasonMissingPermission Reason = "missing_permission" // no role holds it
	ReasonNotOwner          Reason = "not_owner"          // held for own objects only, and this is not one
	ReasonNotMember         Reason = "not_member"         // also when there is no such community
	ReasonCommunityRequired Reason = "community_required" // the check named no community
	ReasonInactive          Reason = "inactive"           // the account is blocked or deleted
)

// Decision is the answer to a check. The zero value denies.
type Decision struct {
	Allowed bool
	Reason  Reason
}

// Allows reports whether one of roles holds p itself, or [Everything]. It
// knows nothing of owners; see [Grants.Decide]. It does not allocate.
func (g *Grants) Allows(roles []string, p Permission) bool {
	h := g.holding(roles, p)
	return h.all || h.literal
}

// Decide answers a check that may say whose the object is. With o known:
//   - "x" and "x_own" are allowed by x_any, and by x_own to the owner;
//   - "x" is allowed by a literal x too.
//
// With o unknown, "x" is allowed by x_any or a literal x, and "x_own" is the
// literal test, which does not prove that the caller is the owner. "x_any" is
// always the literal test. [Everything] allows every well-formed p.
//
// The reason is one of role, own, missing_permission and not_owner. Decide
// does not allocate.
func (g *Grants) Decide(roles []string, p Permission, o Ownership) Decision {
	return g.holding(roles, p).decide(p, o)
}

func (h holding) decide(p Permission, o Ownership) Decision {
	_, own := p.stem(suffixOwn)
	switch {
	case h.all:
		return Decision{true, ReasonRole}
	case own && o == OwnerUnknown:
		return h.decideLiteral()
	case h.any, h.literal && !own:
		return Decision{true, ReasonRole}
	case h.own && o == OwnerSelf:
		return Decision{true, ReasonOwn}
	case h.own && o != OwnerUnknown:
		return Decision{false, ReasonNotOwner}
	}
	return Decision{false, ReasonMissingPermission}
}

// holding is what some roles together hold of all that decides about one
// permission.
type holding struct {
	all     bool // Everything
	literal bool // the permission itself
	own     bool // its form for own objects
	any     bool // its form for any object
}

func (h holding) decideLiteral() Decision {
	if h.literal {
		return Decision{true, ReasonRole}
	}
	return Decision{false, ReasonMissingPermission}
}

func (g *Grants) holding(roles []string, p Permission) (h holding) {
	if g == nil || p.IsZero() {
		return holding{}
	}
	f := g.forms[p]
	for _, id := range roles {
		h.add(g.roles[id], f)
	}
	return h
}

// add adds what a role holds, or nothing where there is no such role.
func (h *holding) add(r *grant, f forms) {
	if r == nil {
		return
	}
	h.all = h.all || r.all
	h.literal = h.literal || r.set.has(f.literal)
	h.own = h.own || r.set.has(f.own)
	h.any = h.any || r.set.has(f.any)
}

// Holder is what some roles hold together, put together once for many checks.
// The zero value holds nothing. Make one with [Grants.Holder].
type Holder struct {
	grants *Grants
	held   *grant
}

// Holder is the holder of roles. Those that g does not have hold nothing.
func (g *Grants) Holder(roles []string) Holder {
	var held *grant
	for _, id := range roles {
		switch r := g.role(id); {
		case r == nil || r == held:
		case held == nil:
			held = r
		default:
			held = held.with(r)
		}
	}
	return Holder{g, held}
}

// Decide is [Grants.Decide] for the holder's roles.
func (h Holder) Decide(p Permission, o Ownership) Decision {
	var of holding
	if h.held != nil && !p.IsZero() {
		of.add(h.held, h.grants.forms[p])
	}
	return of.decide(p, o)
}
