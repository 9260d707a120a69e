// Package access answers the one question: may this session do that, here? The answer is a Pass.
package access

import (
	"context"
	"fmt"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/session"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Service makes Passes.
type Service struct {
	Sessions *session.Service
	// Platform is the compiled platform policy.
	Platform *rbac.Grants
}

// Inspect tells what the bearer of an access token may do now. Unauthenticated: invalid_token, token_expired, session_ended.
func (s *Service) Inspect(ctx context.Context, token string) (propusk.Pass, error) {
	user, live, err := s.Sessions.Resolve(ctx, token)
	if err != nil {
		return propusk.Pass{}, err
	}
	return s.pass(user, live), nil
}

// Operator is the Pass of whoever runs commands on the machine itself.
func (s *Service) Operator() propusk.Pass {
	return propusk.Pass{Operator: true, Platform: s.standing(rbac.Admin)}
}

// Authorize re-reads the caller inside the transaction that is about to act, and requires permission p of what the caller holds by
// now: between the first look and the change somebody may have ended the session or taken the role. Unauthenticated (session_ended),
// Forbidden.
func (s *Service) Authorize(r store.Reader, caller propusk.Pass, p rbac.Permission) (propusk.Pass, error) {
	now, err := s.Again(r, caller)
	if err != nil {
		return propusk.Pass{}, err
	}
	return now, Require(now, p)
}

// Again re-reads the caller inside the transaction that is about to act. Unauthenticated (session_ended).
func (s *Service) Again(r store.Reader, caller propusk.Pass) (propusk.Pass, error) {
	if caller.Operator {
		return caller, nil
	}
	user, live, err := s.Sessions.Again(r, caller.Session.ID)
	if err != nil {
		return propusk.Pass{}, err
	}
	now := s.pass(user, live)
	now.Origin = caller.Origin
	return now, nil
}

// Require is nil if the caller holds platform permission p, and otherwise Forbidden with p named.
func Require(caller propusk.Pass, p rbac.Permission) error {
	if caller.Platform.Decide(p, rbac.OwnerUnknown).Allowed {
		return nil
	}
	return &propusk.Error{
		Kind: propusk.Forbidden, Code: "missing_permission", Permission: p.String(),
		Message: fmt.Sprintf("this needs the permission %s, which your role does not have", p),
	}
}

func (s *Service) pass(user propusk.User, live propusk.Session) propusk.Pass {
	return propusk.Pass{User: user, Session: live, Platform: s.standing(user.Role)}
}

func (s *Service) standing(role string) propusk.Standing {
	return propusk.Standing{Roles: []string{role}, Grants: s.Platform}
}
