package guard

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// Rule says who may. Make one with the functions of this package; the zero Rule lets nobody pass.
type Rule struct {
	// allows is nil for who may. The request is nil outside of one.
	allows func(context.Context, *propusk.Pass, *http.Request) error
}

// Permission lets those pass who hold a concrete permission, such as shout:create, in the community of the request, or on the platform if it is a
// permission of the platform. It panics when name is no concrete permission: that is a mistake in the program.
//
// shout:update means shout:update_any, as nobody says whose object it is; see [Own].
func Permission(name string) Rule {
	p := rbac.MustPermission(name)
	return Rule{func(_ context.Context, pass *propusk.Pass, _ *http.Request) error {
		return missing(pass.May(p, rbac.OwnerUnknown), name)
	}}
}

// AnyPermission lets those pass who hold one of the permissions or more. Without names it lets nobody pass.
//
// AnyPermission("shout:update_own", "shout:update_any") does not ask whose the object is: whoever may update their own would get at everybody's.
// Use [Own] for that, or look at the owner yourself.
func AnyPermission(names ...string) Rule {
	permissions := parse(names)
	return Rule{func(_ context.Context, pass *propusk.Pass, _ *http.Request) error {
		var last rbac.Decision
		for _, p := range permissions {
			if last = pass.May(p, rbac.OwnerUnknown); last.Allowed {
				return nil
			}
		}
		return missing(last, strings.Join(names, " or "))
	}}
}

// AllPermissions lets those pass who hold all of the permissions. Without names it lets nobody pass.
func AllPermissions(names ...string) Rule {
	permissions := parse(names)
	return Rule{func(_ context.Context, pass *propusk.Pass, _ *http.Request) error {
		if len(permissions) == 0 {
			return missing(rbac.Decision{}, "")
		}
		for i, p := range permissions {
			if decision := pass.May(p, rbac.OwnerUnknown); !decision.Allowed {
				return missing(decision, names[i])
			}
		}
		return nil
	}}
}

func parse(names []string) []rbac.Permission {
	permissions := make([]rbac.Permission, len(names))
	for i, name := range names {
		permissions[i] = rbac.MustPermission(name)
	}
	return permissions
}

// Role lets those pass whose list of roles in the community names that role, and platform admins. It is literal: an editor is no expert, though an
// editor may all that an expert may; see [RoleAtLeast].
func Role(id string) Rule {
	return role(id, func(pass *propusk.Pass) bool { return slices.Contains(pass.Local.Roles, id) })
}

// RoleAtLeast lets those pass who have that role in the community or one that inherits it by the policy, and platform admins.
func RoleAtLeast(id string) Rule {
	return role(id, func(pass *propusk.Pass) bool { return slices.Contains(pass.Ranks, id) })
}

// role asks for a role. An API key with a list of its own has permissions and no roles.
func role(id string, has func(*propusk.Pass) bool) Rule {
	if !rbac.ValidRole(id) {
		panic(fmt.Sprintf("guard: %q is no id of a role", id))
	}
	return Rule{func(_ context.Context, pass *propusk.Pass, _ *http.Request) error {
		switch {
		case pass.Community.ID == 0:
			return nowhere(pass)
		case pass.PlatformAdmin, has(pass) && !pass.Limited():
			return nil
		}
		return &propusk.Error{Kind: propusk.Forbidden, Code: "missing_role", Message: fmt.Sprintf("this needs the role %s in this community", id)}
	}}
}

// AdminOnly lets admins of the community and of the platform pass, those of the platform also where there is no community.
func AdminOnly() Rule {
	return Rule{func(_ context.Context, pass *propusk.Pass, _ *http.Request) error {
		local := pass.Community.ID != 0 && slices.Contains(pass.Local.Roles, rbac.Admin) && !pass.Limited()
		if pass.PlatformAdmin || local {
			return nil
		}
		return &propusk.Error{Kind: propusk.Forbidden, Code: "missing_role", Message: "this needs the role admin"}
	}}
}

// Authenticated lets everybody pass who is known, whatever they may.
func Authenticated() Rule {
	return Rule{func(context.Context, *propusk.Pass, *http.Request) error { return nil }}
}

// Object is what a request is about.
type Object struct {
	// CommunityID is where it is, OwnerID the user_id of whose it is.
	CommunityID int64
	OwnerID     string
}

// Own lets those pass who may do something to one object: shout:update, say, to who holds shout:update_any in the object's community, and to its owner
// who holds shout:update_own there. find looks the object up where you keep it; never take community or owner from the client. The request is nil
// when the rule stands before a function. When find fails nobody passes, and its error is the refusal: return a *propusk.Error of kind
// NotFound for what is not there.
func Own(permission string, find func(ctx context.Context, r *http.Request) (Object, error)) Rule {
	p := rbac.MustPermission(permission)
	return Rule{func(ctx context.Context, pass *propusk.Pass, r *http.Request) error {
		object, err := find(ctx, r)
		if err != nil {
			return err
		}
		if object.CommunityID != pass.Community.ID {
			if pass, err = elsewhere(ctx, object.CommunityID); err != nil {
				return err
			}
		}
		owner := rbac.OwnerOther
		if object.OwnerID != "" && strings.EqualFold(object.OwnerID, pass.User.UserID) {
			owner = rbac.OwnerSelf
		}
		return missing(pass.May(p, owner), permission)
	}}
}

// elsewhere is the pass in the community of the object, when the request named another or none.
func elsewhere(ctx context.Context, community int64) (*propusk.Pass, error) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok || community < 1 {
		return nil, nowhere(&propusk.Pass{Named: true})
	}
	h := v.in(ctx, community)
	if h.err == nil && !h.pass.User.IsActive {
		return nil, notSignedIn()
	}
	return &h.pass, h.err
}

func missing(d rbac.Decision, permission string) error {
	switch {
	case d.Allowed:
		return nil
	case d.Reason == rbac.ReasonCommunityRequired:
		return nowhere(&propusk.Pass{})
	case d.Reason == rbac.ReasonNotMember:
		return nowhere(&propusk.Pass{Named: true})
	case d.Reason == rbac.ReasonNotOwner:
		return &propusk.Error{
			Kind: propusk.Forbidden, Code: string(d.Reason), Permission: permission, Message: "this is allowed to its owner, and it is not yours",
		}
	}
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "missing_permission", Permission: permission,
		Message: fmt.Sprintf("this needs the permission %s, which you do not have here", permission),
	}
}

// nowhere refuses who acts in no community. One that does not exist and one that somebody is not in are the same.
func nowhere(pass *propusk.Pass) error {
	if !pass.Named {
		return &propusk.Error{
			Kind: propusk.Forbidden, Code: string(rbac.ReasonCommunityRequired),
			Message: "this is decided in a community: name one in the path, in the argument community_id or in the header " + Header,
		}
	}
	return &propusk.Error{Kind: propusk.Forbidden, Code: string(rbac.ReasonNotMember), Message: "you are not a member of this community"}
}

// Check is nil if the Pass in ctx passes the rule, and else the refusal: a *propusk.Error that names what was missing.
func (rule Rule) Check(ctx context.Context) error {
	h, err := heldIn(ctx)
	if err != nil {
		return err
	}
	return rule.judge(ctx, h, nil)
}

func (rule Rule) judge(ctx context.Context, h *held, r *http.Request) error {
	switch {
	case h.err != nil:
		return h.err
	case !h.pass.User.IsActive:
		return notSignedIn()
	case rule.allows == nil:
		return missing(rbac.Decision{}, "")
	}
	return rule.allows(ctx, &h.pass, r)
}

// Handler lets a request through to next if its Pass passes the rule.
func (rule Rule) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		h, refuse, err := heldFor(ctx, r)
		if err == nil {
			r = h.seated(ctx, r)
			err = rule.judge(r.Context(), h, r)
		}
		if err != nil {
			refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// seated is r with this pass in its context, for what comes behind a rule.
func (h *held) seated(ctx context.Context, r *http.Request) *http.Request {
	switch p := ctx.Value(passKey{}).(type) {
	case *held:
		if p == h {
			return r
		}
	case *routed:
		if p.held == h && p.request == r {
			return r
		}
	}
	p := &routed{held: h, pattern: r.Pattern}
	p.request = r.WithContext(context.WithValue(ctx, passKey{}, p))
	return p.request
}

// HandlerFunc is Handler for a function.
func (rule Rule) HandlerFunc(next http.HandlerFunc) http.Handler { return rule.Handler(next) }

// heldFor is the pass in the community that r names now: routes are chosen, and path values known, only behind the middleware.
func heldFor(ctx context.Context, r *http.Request) (*held, func(http.ResponseWriter, *http.Request, error), error) {
	h := present(ctx)
	v, ok := ctx.Value(visitKey{}).(*visit)
	switch {
	case !ok && h == nil:
		return nil, WriteProblem, errNoGuard
	case !ok:
		return h, WriteProblem, h.fits(r)
	}
	community, err := v.guard.community(r)
	if err != nil {
		return nil, v.guard.refuse, err
	}
	if h != nil && h.community == community {
		return h, v.guard.refuse, nil
	}
	return v.in(ctx, community), v.guard.refuse, nil
}

// fits refuses a pass for one community where the request names another: there is no guard who could ask for the right one.
func (h *held) fits(r *http.Request) error {
	community, err := Community(r)
	if err == nil && community != 0 && community != h.community {
		err = nowhere(&propusk.Pass{Named: true})
	}
	return err
}

// Do runs fn if the Pass in ctx passes the rule, and otherwise returns the refusal. It is the decorator for functions that are no handlers.
func Do[T any](ctx context.Context, rule Rule, fn func(context.Context) (T, error)) (T, error) {
	if err := rule.Check(ctx); err != nil {
		var none T
		return none, err
	}
	return fn(ctx)
}
