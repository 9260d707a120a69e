package rest

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
	"github.com/propusk/propusk/rbac"
)

// Question asks whether somebody may do something.
type Question struct {
	Permission  string `json:"permission" maxLength:"1000" doc:"A concrete permission" example:"shout:update"`
	CommunityID place  `json:"community_id,omitempty" doc:"Where; the server's default community, if it has one, when left out. Not for permissions of the platform"`
	UserID      person `json:"user_id,omitempty" maxLength:"36" doc:"Whom it is about, a user_id; the caller when left out. Others need access:check"`
	OwnerID     person `json:"owner_id,omitempty" maxLength:"36" doc:"Whose object it is, a user_id"`
}

func (q Question) question() propusk.Question {
	return propusk.Question{Permission: q.Permission, CommunityID: int64(q.CommunityID), UserID: string(q.UserID), OwnerID: string(q.OwnerID)}
}

// What a program sends whose variable was not set is null, "" or 0. Taken for left out, it would be answered about another: a service that asks about
// a guest about itself, who may do more.
const (
	noPlace  place  = -1
	nobodyID person = "nobody"
)

// place is the id of a community that was sent, and noPlace when none was written there.
type place int64

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *place) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	err := json.UnmarshalDecode(in, (*int64)(p))
	*p = cmp.Or(*p, noPlace)
	return err
}

// person is a user_id that was sent, and nobodyID, which is refused like every other that is malformed, when none was written there.
type person string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (p *person) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	err := json.UnmarshalDecode(in, (*string)(p))
	*p = cmp.Or(*p, nobodyID)
	return err
}

// Decision answers a question.
type Decision struct {
	Allowed bool   `json:"allowed"`
	Reason  string `json:"reason" enum:"role,own,platform_admin,missing_permission,not_owner,not_member,community_required,inactive"`
}

func toDecision(d rbac.Decision) Decision {
	return Decision{Allowed: d.Allowed, Reason: string(d.Reason)}
}

type question struct{ Body Question }

type questions struct {
	Body struct {
		Checks []Question `json:"checks" minItems:"1" maxItems:"1000"`
	}
}

// Decisions answer questions in their order.
type Decisions struct {
	Results []Decision `json:"results"`
}

// Explanation tells why a check was decided as it was.
type Explanation struct {
	Decision
	Scope   string   `json:"scope" enum:"community,platform"`
	Roles   []string `json:"roles" doc:"What the user holds in that scope"`
	Via     []Via    `json:"via" doc:"Every way in which they give it"`
	Limited bool     `json:"limited" doc:"It is the API key's own list that does not have it"`
	Missing string   `json:"missing,omitempty" doc:"The permission that would have been needed"`
	GivenBy []string `json:"given_by" doc:"Available roles that would give it"`
}

// Via is one way in which a role gives a permission.
type Via struct {
	Role       string   `json:"role" doc:"The user's role"`
	Permission string   `json:"permission" doc:"What it holds that decides"`
	Path       []string `json:"path" doc:"From that role to the one it is inherited from"`
	Line       string   `json:"line" doc:"The line of the policy; empty where the community has a list of its own"`
	Implied    bool     `json:"implied" doc:"The line gives x_any, and x_own follows from it"`
}

func toExplanation(e access.Explanation) Explanation {
	out := Explanation{
		Decision: toDecision(e.Decision), Scope: string(e.Scope), Roles: list(e.Roles), Via: make([]Via, len(e.Via)), Limited: e.Limited, Missing: e.Missing,
		GivenBy: list(e.GivenBy),
	}
	for i, v := range e.Via {
		out.Via[i] = Via(v)
	}
	return out
}

// Pass is what the caller may do.
type Pass struct {
	User                User           `json:"user"`
	Session             *Session       `json:"session" doc:"null for an API key"`
	Community           *CommunityName `json:"community" doc:"null when none was named, or the caller is not in it"`
	Roles               []string       `json:"roles" doc:"In that community, as stored"`
	Permissions         []string       `json:"permissions" doc:"What those roles permit there: the full list, sorted"`
	PlatformPermissions []string       `json:"platform_permissions" doc:"What the role on the platform permits"`
	PlatformAdmin       bool           `json:"platform_admin" doc:"Passes every check in every community"`
	Ranks               []string       `json:"ranks" doc:"The roles there and all that they inherit by the policy"`
	Named               bool           `json:"named" doc:"A community was named, or there is a default one"`
	Member              bool           `json:"member" doc:"Is a member there, with or without roles"`
	KeyID               string         `json:"key_id" doc:"The API key that asks; empty for a session"`
	Limited             bool           `json:"limited" doc:"An API key with a list of its own"`
	Limit               []string       `json:"limit" doc:"That list, with x_own for every x_any"`
	PlatformCatalogue   []string       `json:"platform_catalogue" doc:"The permissions that are decided on the platform; all others are a community's"`
}

// CommunityName is a community in a Pass.
type CommunityName struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

func toPass(p propusk.Pass) Pass {
	out := Pass{
		User: toUser(p.User), Roles: list(p.Local.Roles), Permissions: list(p.Local.Permissions()),
		PlatformPermissions: list(p.Platform.Permissions()), PlatformAdmin: p.PlatformAdmin,
		Ranks: list(p.Ranks), Named: p.Named, Member: p.Member, KeyID: p.KeyID, Limited: p.Limited(),
		PlatformCatalogue: slices.DeleteFunc(p.Platform.Grants.Permissions(rbac.Admin), func(s string) bool { return s == rbac.Everything }),
	}
	out.Limit = list(p.Platform.Limit.Union(p.Platform.Limit.Roles()))
	if p.KeyID == "" {
		out.Session = new(toSession(p.Session, p))
	}
	if p.Community.ID != 0 {
		out.Community = &CommunityName{ID: p.Community.ID, Slug: p.Community.Slug, Name: p.Community.Name}
	}
	return out
}

type passQuery struct {
	CommunityID int64 `query:"community_id" minimum:"1" maximum:"2147483647" doc:"Where; the server's default community, if it has one, when left out"`
}

const checkPath = "/api/check"

func (d *Door) checks(api huma.API) {
	const about = "; about others it needs access:check"
	op := func(method, path, id, summary string) huma.Operation {
		op := signedInOrKey(operation(method, path, id, summary, "Checks"))
		op.Errors = append(op.Errors, http.StatusForbidden)
		return op
	}
	huma.Register(api, op(http.MethodPost, checkPath, "check", "May somebody do that, here?"+about),
		answer(d, func(ctx context.Context, me propusk.Pass, in *question) (Decision, error) {
			decision, err := d.Access.Check(ctx, me, in.Body.question())
			return toDecision(decision), err
		}))

	huma.Register(api, op(http.MethodPost, "/api/check/batch", "check-batch", "Up to 1,000 checks at once"+about),
		answer(d, func(ctx context.Context, me propusk.Pass, in *questions) (Decisions, error) {
			asked := make([]propusk.Question, len(in.Body.Checks))
			for i, q := range in.Body.Checks {
				asked[i] = q.question()
			}
			found, err := d.Access.CheckAll(ctx, me, asked)
			decisions := Decisions{Results: make([]Decision, len(found))}
			for i, decision := range found {
				decisions.Results[i] = toDecision(decision)
			}
			return decisions, err
		}))

	huma.Register(api, op(http.MethodPost, "/api/check/explain", "explain-check", "A check, and why it is decided as it is"+about),
		answer(d, func(ctx context.Context, me propusk.Pass, in *question) (Explanation, error) {
			explanation, err := d.Access.Explain(ctx, me, in.Body.question())
			return toExplanation(explanation), err
		}))

	huma.Register(api, op(http.MethodGet, "/api/pass", "pass", "Who I am and what I may do, on the platform and in a community"),
		answer(d, func(ctx context.Context, me propusk.Pass, in *passQuery) (Pass, error) {
			pass, err := d.Access.Visit(ctx, me, in.CommunityID)
			return toPass(pass), err
		}))
}
