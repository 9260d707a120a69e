package access

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// permCheck lets services ask about other people.
var permCheck = rbac.MustPermission("access:check")

// MaxChecks is how many questions one call may ask.
const MaxChecks = 1000

// Check answers one question; see CheckAll.
func (s *Service) Check(ctx context.Context, caller propusk.Pass, q propusk.Question) (rbac.Decision, error) {
	f, bad := s.read(q)
	if len(bad) > 0 {
		return rbac.Decision{}, malformed(bad)
	}
	l := looker{s: s, ctx: ctx, caller: &caller}
	if err := l.fill(&f, q); err != nil {
		return rbac.Decision{}, err
	}
	return f.decide(), nil
}

// CheckAll answers each question in turn. What cannot be allowed is a Decision, not an error: to unknown users the reason is inactive, and in
// communities that do not exist, or that the user is not in, not_member. Invalid when a question is malformed, Forbidden when it is about
// somebody else without access:check.
func (s *Service) CheckAll(ctx context.Context, caller propusk.Pass, questions []propusk.Question) ([]rbac.Decision, error) {
	found, err := s.look(ctx, caller, questions, func(i int) string { return fmt.Sprintf("checks[%d].", i) })
	decisions := make([]rbac.Decision, len(found))
	for i := range found {
		decisions[i] = found[i].decide()
	}
	return decisions, err
}

// finding is what a question turned out to be about.
type finding struct {
	permission rbac.Permission
	platform   bool
	owner      rbac.Ownership
	// active tells whether the account is.
	active bool
	// pass is where it is about; in no community when that one does not exist.
	pass propusk.Pass
}

// decide is the one place where a check is decided.
func (f *finding) decide() rbac.Decision {
	if !f.active {
		return rbac.Decision{Reason: rbac.ReasonInactive}
	}
	return f.pass.May(f.permission, f.owner)
}

// look reads all that the questions are about, each thing once.
func (s *Service) look(ctx context.Context, caller propusk.Pass, questions []propusk.Question, at func(int) string) ([]finding, error) {
	found := make([]finding, len(questions))
	var faults []propusk.FieldError
	for i, q := range questions {
		var bad []propusk.FieldError
		found[i], bad = s.read(q)
		for _, f := range bad {
			f.Field = at(i) + f.Field
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return nil, malformed(faults)
	}
	l := looker{s: s, ctx: ctx, caller: &caller, people: map[string]propusk.Pass{}, places: map[visit]propusk.Pass{}}
	for i, q := range questions {
		if err := l.fill(&found[i], q); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func malformed(faults []propusk.FieldError) error {
	return &propusk.Error{Kind: propusk.Invalid, Code: "invalid_input", Message: "the input was refused", Fields: faults}
}

// read checks the form of a question.
func (s *Service) read(q propusk.Question) (f finding, bad []propusk.FieldError) {
	fault := func(field, message string) { bad = append(bad, propusk.FieldError{Field: field, Message: message}) }
	permission, err := rbac.ParsePermission(q.Permission)
	if err != nil {
		fault("permission", fmt.Sprintf("must be a concrete permission such as shout:create: %v", err))
	}
	f.permission, f.platform = permission, s.PlatformCatalogue.Knows(permission)
	if f.platform && q.CommunityID != 0 {
		fault("community_id", "must be left out: this is a permission of the platform, which holds above all communities")
	}
	if q.UserID != "" && !isUUID(q.UserID) {
		fault("user_id", "must be the user_id of an account, a UUID")
	}
	if q.OwnerID != "" && !isUUID(q.OwnerID) {
		fault("owner_id", "must be the user_id of an account, a UUID")
	}
	return f, bad
}

// isUUID takes the plain form only; the parser knows others.
func isUUID(text string) bool { return len(text) == 36 && uuid.Validate(text) == nil }

// looker answers the questions of one call. With maps it looks each thing up once.
type looker struct {
	s      *Service
	ctx    context.Context
	caller *propusk.Pass
	people map[string]propusk.Pass
	places map[visit]propusk.Pass
}

type visit struct {
	user, community int64
	key             string
}

func (l *looker) fill(f *finding, q propusk.Question) (err error) {
	if err = l.person(&f.pass, q.UserID); err != nil {
		return err
	}
	f.active = f.pass.User.IsActive || f.pass.Operator
	if q.OwnerID != "" {
		f.owner = rbac.OwnerOther
		if strings.EqualFold(q.OwnerID, f.pass.User.UserID) {
			f.owner = rbac.OwnerSelf
		}
	}
	community := cmp.Or(q.CommunityID, l.s.DefaultCommunity)
	if f.platform || !f.active || community == 0 {
		return nil
	}
	return l.place(&f.pass, community)
}

// person makes the pass of whom a question is about. Nobody is a pass without a user.
func (l *looker) person(pass *propusk.Pass, userID string) error {
	// A key that asks about its issuer by name asks about the person, not about itself.
	myself := strings.EqualFold(userID, l.caller.User.UserID) && l.caller.KeyID == ""
	if userID == "" || myself {
		*pass = *l.caller
		nowhere(pass)
		return nil
	}
	if err := Require(*l.caller, permCheck); err != nil {
		return err
	}
	userID = strings.ToLower(userID)
	var known bool
	if *pass, known = l.people[userID]; known {
		return nil
	}
	user, err := l.s.whoIs(l.ctx, userID)
	if err != nil {
		return err
	}
	*pass = l.s.pass(user, propusk.Session{})
	if l.people != nil {
		l.people[userID] = *pass
	}
	return nil
}

// nowhere takes from a pass the community of the request that it was made for: a question says itself where it is about.
func nowhere(me *propusk.Pass) {
	me.Named, me.Community, me.Member, me.Local, me.Ranks = false, propusk.Community{}, false, propusk.Standing{}, nil
}

// place puts the pass in a community; where that does not exist it is in none.
func (l *looker) place(pass *propusk.Pass, community int64) error {
	key := visit{pass.User.ID, community, pass.KeyID}
	if placed, known := l.places[key]; known {
		*pass = placed
		return nil
	}
	pass.Named = true
	found, err := l.s.stand(l.ctx, &pass.User, community)
	switch {
	case err == nil:
		found.put(pass)
	case propusk.KindOf(err) != propusk.NotFound:
		return err
	}
	if l.places != nil {
		l.places[key] = *pass
	}
	return nil
}

func (s *Service) mirrored(ctx context.Context, community int64) func(store.GrantsHash) []byte {
	if s.Mirror == nil {
		return nil
	}
	return func(want store.GrantsHash) []byte { return s.Mirror.Read(ctx, community, want) }
}

// Visit is the pass of the caller in a community, or in the default one where none is named. A community that does not exist, or that the
// caller is not in, is none; only platform admins enter every one.
func (s *Service) Visit(ctx context.Context, caller propusk.Pass, community int64) (propusk.Pass, error) {
	nowhere(&caller)
	if err := s.visit(ctx, &caller, community); err != nil {
		return propusk.Pass{}, err
	}
	return caller, nil
}

// InspectIn is Inspect and Visit in one.
func (s *Service) InspectIn(ctx context.Context, bearer string, community int64) (me propusk.Pass, err error) {
	found, err := s.bearer(ctx, bearer)
	if err != nil {
		return me, err
	}
	found.put(&me)
	if err = s.visit(ctx, &me, community); err != nil {
		return propusk.Pass{}, err
	}
	return me, nil
}

func (s *Service) visit(ctx context.Context, me *propusk.Pass, community int64) error {
	if community = cmp.Or(community, s.DefaultCommunity); community == 0 {
		return nil
	}
	me.Named = true
	found, err := s.stand(ctx, &me.User, community)
	if err != nil {
		if propusk.KindOf(err) == propusk.NotFound {
			return nil
		}
		return err
	}
	if found.member || me.Anywhere() {
		found.put(me)
	}
	return nil
}
