package client

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/rbac"
)

// maxID bounds the ids of communities and accounts.
const maxID = math.MaxInt32

// Inspect makes the Pass of whoever shows bearer, an access token or an API key, in a community; it implements [propusk.Inspector]. It
// asks the server with that bearer, every time. Errors are Unauthenticated, RateLimited or Unavailable.
//
// May, Decide, Permissions and Missing answer from the Pass as the server answers, from what held at the time. What the server does not
// tell is not in the Pass:
//
//   - Of a community there are id, slug and name. Of roles that the user does not have nothing is known but that admin permits
//     everything, so Covers is false for others unless the user holds everything: ask the server by trying.
//   - Of an API key with a list there is the list, and of its issuer's permissions those that are in it. It allows nothing more than the server
//     does, and may give another reason.
func (c *Client) Inspect(ctx context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	out := call{method: http.MethodGet, path: "/api/pass", bearer: bearer}
	possible := communityID >= 0 && communityID <= maxID
	if possible && communityID != 0 {
		out.query = url.Values{"community_id": {strconv.FormatInt(communityID, 10)}}
	}
	var answer passAnswer
	if err := c.do(ctx, out, &answer); err != nil {
		return propusk.Pass{}, uninspected(err)
	}
	if !possible {
		answer.nowhere()
		communityID = 0
	}
	pass, err := answer.pass(communityID, &c.memo)
	if err != nil {
		return propusk.Pass{}, out.odd(err)
	}
	return pass, nil
}

// uninspected leaves only kinds by which nobody takes the server's trouble for the user's.
func uninspected(err error) error {
	var e *propusk.Error
	known := errors.As(err, &e)
	if known && (e.Kind == propusk.Unauthenticated || e.Kind == propusk.RateLimited || e.Kind == propusk.Unavailable) {
		return err
	}
	return &propusk.Error{
		Kind: propusk.Unavailable, Code: "not_inspected", Cause: err, Message: "the Propusk server could not say who asks: nothing is allowed",
	}
}

type passAnswer struct {
	User                userAnswer       `json:"user"`
	Session             *sessionAnswer   `json:"session"`
	Community           *communityAnswer `json:"community"`
	Roles               []string         `json:"roles"`
	Permissions         []string         `json:"permissions"`
	PlatformPermissions []string         `json:"platform_permissions"`
	PlatformAdmin       bool             `json:"platform_admin"`
	Ranks               []string         `json:"ranks"`
	Named               bool             `json:"named"`
	Member              bool             `json:"member"`
	KeyID               string           `json:"key_id"`
	Limited             bool             `json:"limited"`
	Limit               []string         `json:"limit"`
	PlatformCatalogue   []string         `json:"platform_catalogue"`
}

type userAnswer struct {
	UserID    string     `json:"user_id"`
	ID        int64      `json:"id"`
	Name      string     `json:"name"`
	LastName  string     `json:"last_name"`
	Slug      string     `json:"slug"`
	Email     string     `json:"email"`
	Role      string     `json:"role"`
	IsActive  bool       `json:"is_active"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	LastSeen  *time.Time `json:"last_seen"`
}

func (u userAnswer) user() propusk.User {
	user := propusk.User{
		ID: u.ID, UserID: u.UserID, Name: u.Name, LastName: u.LastName, Slug: u.Slug, Email: u.Email, Role: u.Role, IsActive: u.IsActive,
		CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
	if u.LastSeen != nil {
		user.LastSeen = *u.LastSeen
	}
	return user
}

type sessionAnswer struct {
	ID        string    `json:"id"`
	Device    string    `json:"device"`
	Address   string    `json:"address"`
	CreatedAt time.Time `json:"created_at"`
	LastSeen  time.Time `json:"last_seen"`
	ExpiresAt time.Time `json:"expires_at"`
}

type communityAnswer struct {
	ID   int64  `json:"id"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// nowhere is the answer for a community that cannot be.
func (a *passAnswer) nowhere() {
	a.Named, a.Community, a.Member, a.Roles, a.Permissions, a.Ranks = true, nil, false, nil, nil, nil
}

// pass builds what the server holds. asked is the community that was asked for, 0 for the default one.
func (a *passAnswer) pass(asked int64, m *memo) (propusk.Pass, error) {
	if err := a.check(asked); err != nil {
		return propusk.Pass{}, err
	}
	platform, err := a.platform(m)
	if err != nil {
		return propusk.Pass{}, err
	}
	pass := propusk.Pass{User: a.User.user(), Platform: platform, PlatformAdmin: a.PlatformAdmin, Named: a.Named, KeyID: a.KeyID}
	if pass.Anywhere() != (a.User.Role == rbac.Admin) || platform.Everything() != a.PlatformAdmin {
		return propusk.Pass{}, errors.New("it is not consistent about platform admins")
	}
	if s := a.Session; s != nil {
		pass.Session = propusk.Session(*s)
	}
	if a.Community == nil {
		return pass, nil
	}
	pass.Community = propusk.Community{ID: a.Community.ID, Slug: a.Community.Slug, Name: a.Community.Name}
	pass.Member = a.Member
	pass.Ranks = a.Ranks
	pass.Local, err = a.local(m)
	if err != nil {
		return propusk.Pass{}, err
	}
	return pass, nil
}

// check refuses an answer that contradicts itself or the question.
func (a *passAnswer) check(asked int64) error {
	switch {
	case !isUserID(a.User.UserID) || a.User.ID < 1 || !a.User.IsActive:
		return errors.New("it is about no active account")
	case a.User.Role != "" && !rbac.ValidRole(a.User.Role):
		return errors.New("the role on the platform is none")
	case (a.Session == nil) == (a.KeyID == ""), a.Session != nil && (a.Session.ID == "" || a.Limited), (len(a.Limit) > 0) != a.Limited:
		return errors.New("it is neither of a session nor of an API key")
	case len(a.PlatformCatalogue) == 0:
		return errors.New("it does not tell what is decided on the platform")
	case asked != 0 && !a.Named, !a.Named && a.Community != nil:
		return errors.New("it does not tell whether a community was named")
	case a.Community != nil && (a.Community.ID < 1 || (asked != 0 && a.Community.ID != asked)):
		return errors.New("it is about another community")
	case a.Community == nil && (a.Member || len(a.Roles)+len(a.Permissions)+len(a.Ranks) != 0), !a.Member && len(a.Roles) > 0:
		return errors.New("there are roles without a community")
	}
	return nil
}

// platform is what the user holds above all communities. Role admin, who holds all, tells what is decided there.
func (a *passAnswer) platform(m *memo) (propusk.Standing, error) {
	lists := map[string][]string{rbac.Admin: append([]string{rbac.Everything}, a.PlatformCatalogue...)}
	for _, text := range a.PlatformPermissions {
		if text != rbac.Everything && !slices.Contains(a.PlatformCatalogue, text) {
			return propusk.Standing{}, errors.New("a permission of the platform is not in its catalogue")
		}
	}
	var roles []string
	switch role := a.User.Role; {
	case role != "":
		roles = []string{role}
		if role != rbac.Admin {
			lists[role] = a.PlatformPermissions
		}
	case len(a.PlatformPermissions) > 0:
		return propusk.Standing{}, errors.New("there are permissions without a role")
	}
	held := slices.Contains(a.PlatformPermissions, rbac.Everything)
	if a.User.Role == rbac.Admin && held == a.Limited {
		return propusk.Standing{}, errors.New("it is not consistent about what an admin may")
	}
	return a.standing(roles, lists, m)
}

// local is what the user holds in the community. The first role that there is holds all that the roles permit together: the server does not
// tell which of them permits what, and no decision depends on it.
func (a *passAnswer) local(m *memo) (propusk.Standing, error) {
	lists := map[string][]string{rbac.Admin: {rbac.Everything}}
	var holder string
	for _, role := range a.Roles {
		switch {
		case !rbac.ValidRole(role):
			return propusk.Standing{}, errors.New("a role is none")
		case !slices.Contains(a.Ranks, role): // does not exist there, and permits nothing
			continue
		case role == rbac.Admin:
			holder = role
		default:
			lists[role] = nil
			if holder == "" {
				holder = role
			}
		}
	}
	held := slices.Contains(a.Permissions, rbac.Everything)
	switch {
	case holder == "" && len(a.Permissions) > 0:
		return propusk.Standing{}, errors.New("there are permissions without a role")
	case held != (holder == rbac.Admin && !a.Limited):
		return propusk.Standing{}, errors.New("it is not consistent about what an admin may")
	case holder == rbac.Admin && a.Limited:
		lists[holder] = append([]string{rbac.Everything}, a.Permissions...)
	case holder != "":
		lists[holder] = a.Permissions
	}
	return a.standing(a.Roles, lists, m)
}

// standing is what roles hold by lists, and no more than an API key's own list.
func (a *passAnswer) standing(roles []string, lists map[string][]string, m *memo) (propusk.Standing, error) {
	grants, err := m.compile(lists)
	if err != nil {
		return propusk.Standing{}, err
	}
	standing := propusk.Standing{Roles: roles, Grants: grants}
	if a.Limited {
		standing.Limit, err = m.compile(map[string][]string{limitRole: a.Limit})
	}
	return standing, err
}

// limitRole is the one role of a limit.
const limitRole = "key"

// memo keeps lists that were compiled, by their text: most people hold what others hold too. It keeps no word of who holds them.
type memo struct {
	mu    sync.Mutex
	known map[string]*rbac.Grants
	size  int
}

// maxMemo bounds it, in bytes of text.
const maxMemo = 4 << 20

func (m *memo) compile(lists map[string][]string) (*rbac.Grants, error) {
	for role, list := range lists {
		if list == nil {
			lists[role] = []string{}
		}
	}
	text, err := json.Marshal(lists)
	if err != nil {
		return nil, err
	}
	if known := m.recall(string(text)); known != nil {
		return known, nil
	}
	grants, err := rbac.DecodeGrants(text)
	if err == nil {
		m.remember(string(text), grants)
	}
	return grants, err
}

func (m *memo) recall(text string) *rbac.Grants {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.known[text]
}

func (m *memo) remember(text string, grants *rbac.Grants) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || m.size+len(text) > maxMemo {
		m.known, m.size = make(map[string]*rbac.Grants), 0
	}
	m.known[text], m.size = grants, m.size+len(text)
}
