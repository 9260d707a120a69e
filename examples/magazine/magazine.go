package main

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
)

// object is a shout or a topic. A real magazine keeps these in its own database; this one forgets them when it ends.
type object struct {
	ID        int64  `json:"id"`
	Kind      string `json:"-"`
	Community int64  `json:"community_id"`
	Owner     string `json:"owner"`
	Title     string `json:"title"`
	Verified  bool   `json:"verified,omitempty"`
	MergedIn  int64  `json:"merged_in,omitempty"`
}

// magazine is what people write, in communities. It has two faces, rest.go and graphql.go; what they do is done here, once.
type magazine struct {
	mu      sync.Mutex
	last    int64
	objects map[int64]*object
}

func newMagazine() *magazine { return &magazine{objects: map[int64]*object{}} }

// input is what an operation may be told besides the object that it is about.
type input struct {
	Title string `json:"title"`
	Into  int64  `json:"into"`
}

// operation does something to one object, and returns it. It acts in the community that the rule before it has judged, and in no other:
// the Pass in ctx knows which that is, whatever else the client names.
type operation func(ctx context.Context, id int64, in input) (object, error)

// create makes an object of the one who asks.
func (m *magazine) create(kind string) operation {
	return func(ctx context.Context, _ int64, in input) (object, error) {
		pass, err := guard.PassFrom(ctx)
		if err != nil {
			return object{}, err
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.last++
		made := object{ID: m.last, Kind: kind, Community: pass.Community.ID, Owner: pass.User.UserID, Title: in.Title}
		m.objects[made.ID] = &made
		return made, nil
	}
}

// change shows an object after do has changed it; nil changes nothing.
func (m *magazine) change(kind string, do func(*object, input)) operation {
	return func(ctx context.Context, id int64, in input) (object, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		found, err := m.here(ctx, id, kind)
		if err != nil {
			return object{}, err
		}
		if do != nil {
			do(found, in)
		}
		return *found, nil
	}
}

func rename(o *object, in input) { o.Title = in.Title }

func verify(o *object, _ input) { o.Verified = true }

// merge puts one topic into another. Whoever may merge here may neither take a topic from elsewhere nor send one there.
func (m *magazine) merge(ctx context.Context, id int64, in input) (object, error) {
	if in.Into == id {
		return object{}, propusk.InvalidField("into", "must be another topic")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.here(ctx, in.Into, "topic"); err != nil {
		return object{}, err
	}
	found, err := m.here(ctx, id, "topic")
	if err != nil {
		return object{}, err
	}
	found.MergedIn = in.Into
	return *found, nil
}

// remove deletes an object of one of the kinds, and returns what it was.
func (m *magazine) remove(kinds ...string) operation {
	return func(ctx context.Context, id int64, _ input) (object, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		found, err := m.here(ctx, id, kinds...)
		if err != nil {
			return object{}, err
		}
		delete(m.objects, id)
		return *found, nil
	}
}

// here looks an object up in the community that was judged. One of another community is not there. The caller holds the mutex.
func (m *magazine) here(ctx context.Context, id int64, kinds ...string) (*object, error) {
	pass, err := guard.PassFrom(ctx)
	if err != nil {
		return nil, err
	}
	found := m.objects[id]
	if found == nil || found.Community != pass.Community.ID || !slices.Contains(kinds, found.Kind) {
		return nil, missing(kinds...)
	}
	return found, nil
}

// whose tells a rule where an object is and whose, from what the magazine keeps and never from what the client says.
func (m *magazine) whose(id int64, kind string) (guard.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.objects[id]
	if found == nil || found.Kind != kind {
		return guard.Object{}, missing(kind)
	}
	return guard.Object{CommunityID: found.Community, OwnerID: found.Owner}, nil
}

func missing(kinds ...string) error {
	return &propusk.Error{
		Kind: propusk.NotFound, Code: strings.Join(kinds, "_or_") + "_not_found", Message: "there is no such " + strings.Join(kinds, " or "),
	}
}
