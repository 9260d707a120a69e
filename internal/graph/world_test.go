package graph_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/config"
)

// person is an account with its author id.
type person struct {
	apptest.Person
	id int64
}

// village is a community and people in and around it. The founder is its admin.
type village struct {
	*apptest.Server
	t                                         *testing.T
	id                                        int64
	founder, editor, reader, stranger, victim person
	root                                      string
}

func settle(t *testing.T, options ...func(*config.Config)) *village {
	t.Helper()
	v := &village{Server: apptest.Start(t, options...), t: t}
	v.root = v.Admin()
	v.founder, v.stranger = v.known(v.WithRole("Anna", "moderator")), v.known(v.Register("Dora"))
	v.editor, v.reader, v.victim = v.known(v.Register("Boris")), v.known(v.Register("Clara")), v.known(v.Register("Egor"))
	made := v.Call("POST", "/api/communities", v.founder.Token, map[string]string{"slug": "owls", "name": "The owls"})
	if made.Status != http.StatusCreated {
		t.Fatalf("founding: %d %s", made.Status, made.Raw)
	}
	v.id = int64(made.Body["id"].(float64))
	v.roles(v.editor, "reader", "editor")
	v.roles(v.reader, "reader")
	v.roles(v.victim, "reader", "author")
	return v
}

func (v *village) known(p apptest.Person) person {
	v.t.Helper()
	return person{p, int64(v.Call("GET", "/api/users/me", p.Token, nil).Body["id"].(float64))}
}

// roles sets somebody's roles by the founder's power.
func (v *village) roles(p person, roles ...string) {
	v.t.Helper()
	path := fmt.Sprintf("/api/communities/%d/members/%s/roles", v.id, p.UserID)
	if got := v.Call("PUT", path, v.founder.Token, map[string]any{"roles": roles}); got.Status != http.StatusOK {
		v.t.Fatalf("%s: %d %s", path, got.Status, got.Raw)
	}
}

// fill puts numbers for {victim} and the like; :{id} is the community.
func (v *village) fill(text string) string {
	n := func(id int64) string { return fmt.Sprint(id) }
	return strings.NewReplacer(":{id}", ":"+n(v.id), "{victim}", n(v.victim.id), "{reader}", n(v.reader.id), "{stranger}", n(v.stranger.id),
		"{founder}", n(v.founder.id)).Replace(text)
}

// reply is an answer of GraphQL.
type reply struct {
	apptest.Answer
}

// ask sends a document with variables.
func (v *village) ask(token, document string, variables map[string]any) reply {
	v.t.Helper()
	return ask(v.Server, token, v.fill(document), variables)
}

func ask(s *apptest.Server, token, document string, variables map[string]any) reply {
	return reply{s.Call("POST", "/graphql", token, map[string]any{"query": document, "variables": variables})}
}

// at finds a value by its path, such as data.me.id or errors.0.extensions.code; nil where there is nothing.
func (r reply) at(path string) any {
	var here any = r.Body
	for step := range strings.SplitSeq(path, ".") {
		switch in := here.(type) {
		case map[string]any:
			here = in[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(in) {
				return nil
			}
			here = in[i]
		default:
			return nil
		}
	}
	return here
}

// code is extensions.code of the first error, or "".
func (r reply) code() string {
	code, _ := r.at("errors.0.extensions.code").(string)
	return code
}

// reason is extensions.reason of the first error, or "".
func (r reply) reason() string {
	reason, _ := r.at("errors.0.extensions.reason").(string)
	return reason
}

// is fails unless the values at the paths are those.
func (r reply) is(t *testing.T, want map[string]any) {
	t.Helper()
	for path, value := range want {
		if got := r.at(path); fmt.Sprint(got) != fmt.Sprint(value) {
			t.Errorf("%s is %v, not %v, in %s", path, got, value, r.Raw)
		}
	}
}

func seed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".graphql")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
