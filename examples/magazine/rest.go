package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
)

// routes guards every operation as the seed decorates it.
func (m *magazine) routes(mux *http.ServeMux) {
	const in = "/communities/{community_id}"
	mux.Handle("GET "+in+"/me", guard.Authenticated().HandlerFunc(me))

	mux.Handle("POST "+in+"/shouts", guard.Permission("shout:create").Handler(show(m.create("shout"))))
	mux.Handle("GET "+in+"/shouts/{id}", guard.Permission("shout:read").Handler(show(m.change("shout", nil))))
	mux.Handle("PATCH "+in+"/shouts/{id}", guard.Own("shout:update", m.owner("shout")).Handler(show(m.change("shout", rename))))
	mux.Handle("POST "+in+"/shouts/{id}/verify", guard.Role("expert").Handler(show(m.change("shout", verify))))
	mux.Handle("DELETE "+in+"/shouts/{id}", guard.AdminOnly().Handler(done(m.remove("shout"))))

	mux.Handle("POST "+in+"/topics", guard.Permission("topic:create").Handler(show(m.create("topic"))))
	mux.Handle("PATCH "+in+"/topics/{id}", guard.Own("topic:update", m.owner("topic")).Handler(show(m.change("topic", rename))))
	mux.Handle("POST "+in+"/topics/{id}/merge", guard.Permission("topic:merge").Handler(show(m.merge)))
	mux.Handle("DELETE "+in+"/topics/{id}", guard.Own("topic:delete", m.owner("topic")).Handler(done(m.remove("topic"))))
}

func me(w http.ResponseWriter, r *http.Request) {
	pass, err := guard.PassFrom(r.Context())
	if err != nil {
		guard.WriteResult(w, r, err)
		return
	}
	answer(w, map[string]any{"user_id": pass.User.UserID, "name": pass.User.Name, "roles": guard.RolesFrom(r.Context())})
}

// owner looks the object of a request up where the path says that it is.
func (m *magazine) owner(kind string) func(context.Context, *http.Request) (guard.Object, error) {
	return func(_ context.Context, r *http.Request) (guard.Object, error) {
		found, err := m.whose(number(r), kind)
		if community, _ := guard.Community(r); err == nil && found.CommunityID != community {
			err = missing(kind)
		}
		return found, err
	}
}

// number is 0, which is no object's, where the path has none.
func number(r *http.Request) int64 {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	return id
}

// show answers with the object.
func show(do operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in input
		if err := read(r, &in); err != nil {
			guard.WriteProblem(w, r, err)
			return
		}
		found, err := do(r.Context(), number(r), in)
		if err != nil {
			guard.WriteProblem(w, r, err)
			return
		}
		answer(w, found)
	}
}

// done answers that it is done.
func done(do operation) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := do(r.Context(), number(r), input{})
		guard.WriteResult(w, r, err)
	}
}

// maxBody is in bytes.
const maxBody = 1 << 16

// read takes the body, if there is one.
func read(r *http.Request, in any) error {
	if r.ContentLength == 0 {
		return nil
	}
	body := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	body.UseNumber() // gqlgen takes no float64 for an Int
	if err := body.Decode(in); err != nil {
		return propusk.InvalidField("body", "must be a JSON object such as {\"title\":\"Hello\"}")
	}
	return nil
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
