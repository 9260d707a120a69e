package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// What is looked up before the first request, at most.
const (
	pageSize      = 100
	maxPages      = 10
	maxLookedInto = 100
)

// tidyTime is how long removing what was made may take.
const tidyTime = 30 * time.Second

// stage is what requests are about, and what was made for them.
type stage struct {
	token string
	// questions are about people and communities of the installation.
	questions []question
	// people are the accounts of our own, one for each connection.
	people []*person
	// community is that of our own, role one of its roles, and proof a permission that comes and goes with it.
	community   int64
	role, proof string
	verified    atomic.Int64
}

// question is the body of a check.
type question struct {
	Permission  string `json:"permission"`
	CommunityID int64  `json:"community_id,omitempty"`
	UserID      string `json:"user_id,omitempty"`
}

// person is an account of our own. Only one connection uses it.
type person struct {
	userID, email, password, token string
	// known tells that has is so: whether the person has the role.
	known, has bool
}

// caller is who asks, as the server sees it.
type caller struct {
	PlatformAdmin       bool     `json:"platform_admin"`
	PlatformPermissions []string `json:"platform_permissions"`
}

func (c caller) may(permission string) bool {
	return slices.Contains(c.PlatformPermissions, permission) || slices.Contains(c.PlatformPermissions, "*")
}

// prepare signs in, looks up what to ask about, and makes what the mix needs.
func (r *run) prepare(ctx context.Context) error {
	if err := r.signIn(ctx); err != nil {
		return fmt.Errorf("signing in: %w", err)
	}
	var me caller
	if err := r.do(ctx, r.request(http.MethodGet, "/api/pass", nil), &me); err != nil {
		return fmt.Errorf("asking who asks: %w", err)
	}
	if r.Mix[Roles] > 0 && !me.may("community:create") {
		return errors.New("role changes need a community of their own, and this account may not found one: take a moderator or an administrator, " +
			"or leave roles out of --mix")
	}
	if err := r.lookUp(ctx, me); err != nil {
		return fmt.Errorf("looking up communities: %w", err)
	}
	if r.Mix[Login]+r.Mix[Roles] == 0 {
		return nil
	}
	if err := r.hire(ctx); err != nil {
		return fmt.Errorf("making accounts for logins and role changes: %w", err)
	}
	if r.Mix[Roles] == 0 {
		return nil
	}
	if err := r.found(ctx); err != nil {
		return fmt.Errorf("founding a community for role changes: %w", err)
	}
	return nil
}

// request is one as whoever runs the test.
func (r *run) request(method, path string, body any) request {
	return request{method: method, path: path, token: r.stage.token, body: body}
}

type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

type tokens struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
}

func loginOf(email, password string) request {
	return request{method: http.MethodPost, path: "/api/users/login", body: credentials{email, password}}
}

func (r *run) signIn(ctx context.Context) error {
	if r.Token != "" {
		r.stage.token = r.Token
		return nil
	}
	var t tokens
	if err := r.do(ctx, loginOf(r.Email, r.Password), &t); err != nil {
		return err
	}
	r.stage.token = t.AccessToken
	return r.outlasts(t)
}

// outlasts refuses a test at whose end nobody would be signed in any more.
func (r *run) outlasts(t tokens) error {
	if life := time.Duration(t.ExpiresIn) * time.Second; life <= r.Duration {
		return fmt.Errorf("a token of this server is good for %v, and the test takes longer: start the server with a longer --token-lifetime, "+
			"or send nothing but checks, with an API key", life)
	}
	return nil
}

// fallback is asked where no list of permissions can be read.
const fallback = "shout:read"

// lookUp finds what checks are about: members of communities that can be seen into and, where others must not be asked about, oneself.
func (r *run) lookUp(ctx context.Context, me caller) error {
	if r.Mix[Check] == 0 {
		return nil
	}
	ids, err := r.communities(ctx, me)
	if err != nil {
		return err
	}
	permissions := []string{fallback}
	for _, id := range ids {
		if found := r.permissions(ctx, id); len(found) > 0 {
			permissions = found
			break
		}
	}
	people := map[int64][]string{}
	if me.may("access:check") {
		for _, id := range ids {
			if people[id], err = r.members(ctx, id); err != nil {
				return err
			}
		}
	}
	for _, id := range ids {
		for i, who := range append(people[id], "") { // "" is oneself
			r.stage.questions = append(r.stage.questions, question{permissions[(i+int(id))%len(permissions)], id, who})
		}
	}
	if len(ids) == 0 {
		r.stage.questions = []question{{Permission: fallback, CommunityID: 1}} // of a community that need not be there
	}
	return nil
}

// communities are some that one can see into.
func (r *run) communities(ctx context.Context, me caller) (ids []int64, err error) {
	for page := 1; page <= maxPages && len(ids) < maxLookedInto; page++ {
		var found struct {
			Communities []struct {
				ID       int64 `json:"id"`
				IsMember bool  `json:"is_member"`
			}
			HasNext bool `json:"has_next"`
		}
		if err := r.do(ctx, r.request(http.MethodGet, fmt.Sprintf("/api/communities?page=%d&limit=%d", page, pageSize), nil), &found); err != nil {
			return nil, err
		}
		for _, c := range found.Communities {
			if (me.PlatformAdmin || c.IsMember) && len(ids) < maxLookedInto {
				ids = append(ids, c.ID)
			}
		}
		if !found.HasNext {
			break
		}
	}
	return ids, nil
}

// members are the first ones of a community; nobody where they must not be read.
func (r *run) members(ctx context.Context, id int64) (userIDs []string, err error) {
	var found struct {
		Members []struct {
			UserID string `json:"user_id"`
		}
	}
	err = r.do(ctx, r.request(http.MethodGet, fmt.Sprintf("/api/communities/%d/members?limit=%d", id, pageSize), nil), &found)
	if answer := (*refused)(nil); errors.As(err, &answer) {
		return nil, nil
	}
	for _, m := range found.Members {
		userIDs = append(userIDs, m.UserID)
	}
	return userIDs, err
}

// role is a role of a community with its full list.
type role struct {
	ID          string   `json:"id"`
	Permissions []string `json:"permissions"`
}

func (r *run) rolesOf(ctx context.Context, id int64) ([]role, error) {
	var found struct{ Roles []role }
	err := r.do(ctx, r.request(http.MethodGet, fmt.Sprintf("/api/communities/%d/roles", id), nil), &found)
	return found.Roles, err
}

// permissions are those that anybody has in a community, as far as they can be read.
func (r *run) permissions(ctx context.Context, id int64) (all []string) {
	found, err := r.rolesOf(ctx, id)
	if err != nil {
		return nil
	}
	for _, one := range found {
		all = append(all, one.Permissions...)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(p string) bool { return p == "*" })
}

// hire makes the accounts, and logs them in.
func (r *run) hire(ctx context.Context) error {
	run := strings.ToLower(rand.Text()[:10])
	for i := range r.Connections {
		p := &person{email: fmt.Sprintf("bench-%s-%d@example.org", run, i), password: rand.Text()}
		var made struct {
			UserID string `json:"user_id"`
		}
		r.stage.people = append(r.stage.people, p) // before it is sent: an answer that is lost must not leave an account behind
		err := r.do(ctx, request{method: http.MethodPost, path: "/api/users/register", body: map[string]string{
			"name": "Bench", "email": p.email, "password": p.password,
		}}, &made)
		if err != nil {
			return err
		}
		p.userID = made.UserID
		var t tokens
		if err := r.do(ctx, loginOf(p.email, p.password), &t); err != nil {
			return err
		}
		p.token = t.AccessToken
		if err := r.outlasts(t); err != nil {
			return err
		}
	}
	return nil
}

// found founds the community, finds a role there to give and take, and admits the accounts without any.
func (r *run) found(ctx context.Context) error {
	var founded struct {
		ID int64 `json:"id"`
	}
	err := r.do(ctx, r.request(http.MethodPost, "/api/communities", map[string]string{
		"name": "Load test", "slug": "bench-" + strings.ToLower(rand.Text()[:10]),
		"description": "Made by propusk bench, which deletes it at the end",
	}), &founded)
	if err != nil {
		return err
	}
	r.stage.community = founded.ID
	path := fmt.Sprintf("/api/communities/%d", founded.ID)
	if err := r.do(ctx, r.request(http.MethodPatch, path, map[string]string{"joining": "closed"}), nil); err != nil {
		return err
	}
	all, err := r.rolesOf(ctx, founded.ID)
	if err != nil {
		return err
	}
	if err := r.chooseRole(all); err != nil {
		return err
	}
	for _, p := range r.stage.people {
		err := r.do(ctx, r.request(http.MethodPost, path+"/members", map[string]any{"user_id": p.userID, "roles": []string{}}), nil)
		if err != nil {
			return err
		}
		p.known = true
	}
	return nil
}

// chooseRole takes the last role that permits something, but not everything.
func (r *run) chooseRole(all []role) error {
	for _, one := range slices.Backward(all) {
		if n := len(one.Permissions); n > 0 && !slices.Contains(one.Permissions, "*") {
			r.stage.role, r.stage.proof = one.ID, one.Permissions[n-1]
			return nil
		}
	}
	return errors.New("the policy has no role that permits something, but not everything")
}

// tidy removes what was made. The error says what could not be.
func (r *run) tidy(ctx context.Context) (left error) {
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	if id := r.stage.community; id != 0 {
		if err := r.do(ctx, r.request(http.MethodDelete, fmt.Sprintf("/api/communities/%d", id), nil), nil); err != nil {
			left = errors.Join(left, fmt.Errorf("community %d: %w", id, plain(err)))
		}
	}
	for _, p := range r.stage.people {
		if err := r.dismiss(ctx, p); err != nil {
			left = errors.Join(left, fmt.Errorf("account %s: %w", p.email, plain(err)))
		}
	}
	if r.Token == "" && r.stage.token != "" {
		if err := r.do(ctx, r.request(http.MethodPost, "/api/users/logout", nil), nil); err != nil {
			left = errors.Join(left, fmt.Errorf("the session of %s: %w", r.Email, plain(err)))
		}
	}
	return left
}

// dismiss has an account delete itself. One that was perhaps not made, or whose token was lost, logs in first.
func (r *run) dismiss(ctx context.Context, p *person) error {
	if p.token == "" {
		var t tokens
		err := r.do(ctx, loginOf(p.email, p.password), &t)
		if answer := (*refused)(nil); errors.As(err, &answer) && answer.status == http.StatusUnauthorized {
			return nil // it was never made
		}
		if err != nil {
			return err
		}
		p.token = t.AccessToken
	}
	return r.do(ctx, request{method: http.MethodDelete, path: "/api/users/me", token: p.token}, nil)
}

// plain is an error of the network without the address, which is told once already.
func plain(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
