// Package access answers the one question: may this session do that, here? The answer is a Pass.
package access

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Service makes Passes and answers checks.
type Service struct {
	Store    store.Store
	Sessions *session.Service
	// Platform is the compiled platform policy, PlatformCatalogue what it is about: a permission in it is decided above all communities,
	// every other one in a community.
	Platform          *rbac.Grants
	PlatformCatalogue *rbac.Catalogue
	// PlatformPolicy and Policy, of communities, are what decisions are explained with.
	PlatformPolicy, Policy rbac.Policy
	// Ancestors are what Policy says that a role inherits, the role itself included.
	Ancestors map[string][]string
	// DefaultCommunity is where checks are about that name no community; 0 for nowhere.
	DefaultCommunity int64
	// Lease, when set, is the right to answer from Memory that the node holds now, or nil.
	Lease  func() Lease
	Memory Memory
	// Mirror, when set, is asked for compiled lists before the database is.
	Mirror Mirror
	Log    *slog.Logger
	// Now is time.Now, but for tests; Random is where secrets of API keys come from.
	Now    func() time.Time
	Random io.Reader

	lists    listsMemory
	used     session.Uses
	reported reported
}

// Inspect tells what the bearer of an access token, or of an API key, may do now. Unauthenticated: invalid_token, token_expired,
// session_ended.
func (s *Service) Inspect(ctx context.Context, bearer string) (me propusk.Pass, err error) {
	found, err := s.bearer(ctx, bearer)
	if err == nil {
		found.put(&me)
	}
	return me, err
}

// Operator is the Pass of whoever runs commands on the machine itself.
func (s *Service) Operator() propusk.Pass {
	return propusk.Pass{Operator: true, PlatformAdmin: true, Platform: s.platform(rbac.Admin)}
}

// Authorize re-reads the caller inside the transaction that is about to act, and requires platform permission p of what the caller holds by
// now: between the first look and the change somebody may have ended the session or taken the role. Unauthenticated (session_ended),
// Forbidden.
func (s *Service) Authorize(r store.Reader, caller propusk.Pass, p rbac.Permission) (propusk.Pass, error) {
	now, err := s.Again(r, caller)
	if err != nil {
		return propusk.Pass{}, err
	}
	return now, Require(now, p)
}

// Again re-reads the caller inside the transaction that is about to act. Unauthenticated (session_ended, invalid_token).
func (s *Service) Again(r store.Reader, caller propusk.Pass) (propusk.Pass, error) {
	switch {
	case caller.Operator:
		return caller, nil
	case caller.KeyID != "":
		return s.keyAgain(r, caller)
	}
	user, live, err := s.Sessions.Again(r, caller.Session.ID)
	if err != nil {
		return propusk.Pass{}, err
	}
	now := s.pass(user, live)
	now.Origin = caller.Origin
	return now, nil
}

// SignedIn is Again for what people do with their own account, which no API key may. Unauthenticated, Forbidden (session_required).
func (s *Service) SignedIn(r store.Reader, caller propusk.Pass) (propusk.Pass, error) {
	if caller.KeyID != "" {
		return propusk.Pass{}, SessionRequired()
	}
	return s.Again(r, caller)
}

// InPerson refuses API keys with a limit where no permission is asked for, which the limit could be held against: coming, going and following.
func InPerson(me propusk.Pass) error {
	if me.Operator || me.Platform.Limit != nil {
		return SessionRequired()
	}
	return nil
}

// SessionRequired refuses an API key where only somebody who logged in may act.
func SessionRequired() error {
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "session_required",
		Message: "this cannot be done with an API key: log in and send the access_token",
	}
}

// Require is nil if the caller holds platform permission p, and otherwise Forbidden with p named.
func Require(caller propusk.Pass, p rbac.Permission) error {
	if caller.Platform.Decide(p, rbac.OwnerUnknown).Allowed {
		return nil
	}
	return missing(p, "on the platform")
}

// RequireHere is nil if the caller holds community permission p where the pass acts, and otherwise Forbidden with p named.
func RequireHere(caller propusk.Pass, p rbac.Permission) error {
	if caller.Decide(p, rbac.OwnerUnknown).Allowed {
		return nil
	}
	return missing(p, "in this community")
}

func missing(p rbac.Permission, where string) error {
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "missing_permission", Permission: p.String(),
		Message: fmt.Sprintf("this needs the permission %s, which you do not have %s", p, where),
	}
}

func (s *Service) pass(user propusk.User, live propusk.Session) propusk.Pass {
	above := s.platform(user.Role)
	return propusk.Pass{User: user, Session: live, Platform: above, PlatformAdmin: above.Everything()}
}

// platform is what a platform role permits. Nobody has none.
func (s *Service) platform(role string) propusk.Standing {
	if role == "" {
		return propusk.Standing{Grants: s.Platform}
	}
	return propusk.Standing{Roles: []string{role}, Grants: s.Platform}
}
