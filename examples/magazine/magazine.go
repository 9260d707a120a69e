package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
)

// object is a shout or a topic. A real magazine keeps these in its own database; this one forgets them when it ends.
type object struct {
	ID        int64  `json:"id"`
	Community int64  `json:"community_id"`
	Owner     string `json:"owner"`
	Title     string `json:"title"`
	Verified  bool   `json:"verified,omitempty"`
	MergedIn  int64  `json:"merged_in,omitempty"`
}

// magazine is what people write, in communities.
type magazine struct {
	mu      sync.Mutex
	last    int64
	objects map[string]map[int64]*object // by kind: shout, topic
}

// routes guards every operation as the seed decorates it.
func (m *magazine) routes(mux *http.ServeMux) {
	const in = "/communities/{community_id}"
	mux.Handle("GET "+in+"/me", guard.Authenticated().HandlerFunc(m.me))

	mux.Handle("POST "+in+"/shouts", guard.Permission("shout:create").Handler(m.create("shout")))
	mux.Handle("GET "+in+"/shouts/{id}", guard.Permission("shout:read").Handler(m.change("shout", nil)))
	mux.Handle("PATCH "+in+"/shouts/{id}", guard.Own("shout:update", m.owner("shout")).Handler(m.change("shout", rename)))
	mux.Handle("POST "+in+"/shouts/{id}/verify", guard.Role("expert").Handler(m.change("shout", verify)))
	mux.Handle("DELETE "+in+"/shouts/{id}", guard.AdminOnly().Handler(m.remove("shout")))

	mux.Handle("POST "+in+"/topics", guard.Permission("topic:create").Handler(m.create("topic")))
	mux.Handle("PATCH "+in+"/topics/{id}", guard.Own("topic:update", m.owner("topic")).Handler(m.change("topic", rename)))
	mux.Handle("POST "+in+"/topics/{id}/merge", guard.Permission("topic:merge").Handler(m.change("topic", merge)))
	mux.Handle("DELETE "+in+"/topics/{id}", guard.Own("topic:delete", m.owner("topic")).Handler(m.remove("topic")))
}

// input is the body of every request that has one.
type input struct {
	Title string `json:"title"`
	Into  int64  `json:"into"`
}

func (m *magazine) me(w http.ResponseWriter, r *http.Request) {
	pass, err := guard.PassFrom(r.Context())
	if err != nil {
		guard.WriteResult(w, r, err)
		return
	}
	answer(w, map[string]any{"user_id": pass.User.UserID, "name": pass.User.Name, "roles": guard.RolesFrom(r.Context())})
}

func (m *magazine) create(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in input
		if err := read(r, &in); err != nil {
			guard.WriteProblem(w, r, err)
			return
		}
		pass, _ := guard.PassFrom(r.Context()) // the rule before this handler has seen it
		m.mu.Lock()
		defer m.mu.Unlock()
		m.last++
		made := &object{ID: m.last, Community: pass.Community.ID, Owner: pass.User.UserID, Title: in.Title}
		m.objects[kind][made.ID] = made
		answer(w, made)
	}
}

// find looks an object up where the request says it is. One of another community is not there.
func (m *magazine) find(kind string, r *http.Request) (*object, error) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	community, _ := guard.Community(r)
	found := m.objects[kind][id]
	if found == nil || found.Community != community {
		return nil, &propusk.Error{Kind: propusk.NotFound, Code: kind + "_not_found", Message: "there is no such " + kind}
	}
	return found, nil
}

// owner tells a rule whose object it is, from what the magazine keeps and never from what the client says.
func (m *magazine) owner(kind string) func(context.Context, *http.Request) (guard.Object, error) {
	return func(_ context.Context, r *http.Request) (guard.Object, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		found, err := m.find(kind, r)
		if err != nil {
			return guard.Object{}, err
		}
		return guard.Object{CommunityID: found.Community, OwnerID: found.Owner}, nil
	}
}

func rename(o *object, in input) { o.Title = in.Title }

func verify(o *object, _ input) { o.Verified = true }

func merge(o *object, in input) { o.MergedIn = in.Into }

// change shows an object after do has changed it; nil changes nothing.
func (m *magazine) change(kind string, do func(*object, input)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in input
		err := read(r, &in)
		m.mu.Lock()
		defer m.mu.Unlock()
		found, missing := m.find(kind, r)
		if missing != nil {
			err = missing
		}
		if err != nil {
			guard.WriteProblem(w, r, err)
			return
		}
		if do != nil {
			do(found, in)
		}
		answer(w, found)
	}
}

func (m *magazine) remove(kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		found, err := m.find(kind, r)
		if err != nil {
			guard.WriteResult(w, r, err)
			return
		}
		delete(m.objects[kind], found.ID)
		guard.WriteResult(w, r, nil)
	}
}

// maxBody is in bytes.
const maxBody = 1 << 16

// read takes the body, if there is one.
func read(r *http.Request, in *input) error {
	if r.ContentLength == 0 {
		return nil
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)).Decode(in); err != nil {
		return propusk.InvalidField("body", "must be a JSON object such as {\"title\":\"Hello\"}")
	}
	return nil
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
