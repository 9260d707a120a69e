package propusktest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/propusktest"
)

// publish is a function of your program, behind a rule.
func publish(ctx context.Context, title string) (string, error) {
	return guard.Do(ctx, guard.Permission("shout:create"), func(context.Context) (string, error) { return "published " + title, nil })
}

// A function behind a rule needs nothing but a pass.
func ExamplePass() {
	for _, role := range []string{"author", "reader"} {
		ctx := guard.WithPass(context.Background(), propusktest.Pass(role))
		said, err := publish(ctx, "Owls")
		fmt.Println(role, said, err)
	}
	// Output:
	// author published Owls <nil>
	// reader  this needs the permission shout:create, which you do not have here
}

// People who are not quite ordinary.
func ExampleCaller() {
	for _, who := range []propusktest.Caller{
		{PlatformRole: "admin", Stranger: true},
		{Stranger: true},
		{Nowhere: true},
	} {
		_, err := publish(guard.WithPass(context.Background(), who.Pass()), "Owls")
		var refusal *propusk.Error
		fmt.Println(errors.As(err, &refusal), err)
	}
	// Output:
	// false <nil>
	// true you are not a member of this community
	// true this is decided in a community: name one in the path, in the argument community_id or in the header X-Community-ID
}

// An Inspector of one's own stands in for the server, and any token will do.
func ExamplePass_handler() {
	who := guard.New(inspector(propusktest.Pass("author")))
	mux := http.NewServeMux()
	mux.Handle("POST /communities/{community_id}/shouts", guard.Permission("shout:create").HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))

	request := httptest.NewRequest(http.MethodPost, "/communities/1/shouts", nil)
	request.Header.Set("Authorization", "Bearer any")
	answer := httptest.NewRecorder()
	who.Middleware(mux).ServeHTTP(answer, request)
	fmt.Println(answer.Code)
	// Output: 201
}

type inspector propusk.Pass

func (i inspector) Inspect(context.Context, string, int64) (propusk.Pass, error) {
	return propusk.Pass(i), nil
}
