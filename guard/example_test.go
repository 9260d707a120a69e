package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/rbac"
)

// visitor is a context in which somebody with that role in a community is known to ask, as behind Guard.Middleware.
func visitor(role string) context.Context {
	platform, _ := rbac.Compile(platform())
	community, _ := rbac.Compile(magazine())
	return guard.WithPass(context.Background(), (&register{platform: platform, community: community}).pass(role, 1))
}

// serve sends one request of a visitor to a handler.
func serve(handler http.Handler, as string) {
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil).WithContext(visitor(as)))
	fmt.Printf("%s: %d\n", as, w.Code)
}

func done(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "done") }

// @require_permission("shout:create") of the seed.
func ExamplePermission() {
	createShout := guard.Permission("shout:create").HandlerFunc(done)
	serve(createShout, "author")
	serve(createShout, "reader")
	// Output:
	// author: 200
	// reader: 403
}

// @require_any_permission(["shout:update_own", "shout:update_any"]) of the seed. It does not ask whose the shout is; see Own.
func ExampleAnyPermission() {
	updateShout := guard.AnyPermission("shout:update_own", "shout:update_any").HandlerFunc(done)
	serve(updateShout, "author")
	serve(updateShout, "reader")
	// Output:
	// author: 200
	// reader: 403
}

// @require_all_permissions of the seed.
func ExampleAllPermissions() {
	mergeAndEdit := guard.AllPermissions("topic:merge", "shout:update_any").HandlerFunc(done)
	serve(mergeAndEdit, "editor")
	serve(mergeAndEdit, "author")
	// Output:
	// editor: 200
	// author: 403
}

// @require_role("expert") of the seed: the role itself.
func ExampleRole() {
	verifyEvidence := guard.Role("expert").HandlerFunc(done)
	serve(verifyEvidence, "expert")
	serve(verifyEvidence, "editor")
	// Output:
	// expert: 200
	// editor: 403
}

// The role or one that inherits it.
func ExampleRoleAtLeast() {
	verifyEvidence := guard.RoleAtLeast("expert").HandlerFunc(done)
	serve(verifyEvidence, "editor")
	serve(verifyEvidence, "author")
	// Output:
	// editor: 200
	// author: 403
}

// @admin_only of the seed.
func ExampleAdminOnly() {
	deleteAnyContent := guard.AdminOnly().HandlerFunc(done)
	serve(deleteAnyContent, "admin")
	serve(deleteAnyContent, "editor")
	// Output:
	// admin: 200
	// editor: 403
}

// @authenticated_only of the seed.
func ExampleAuthenticated() {
	profile := guard.Authenticated().HandlerFunc(done)
	serve(profile, "stranger")
	w := httptest.NewRecorder()
	guard.New(&register{}).Middleware(profile).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Println("nobody:", w.Code)
	// Output:
	// stranger: 200
	// nobody: 401
}

// Whose the shout is, and in which community, says your own database and never the client.
func ExampleOwn() {
	find := func(_ context.Context, r *http.Request) (guard.Object, error) {
		// SELECT community_id, owner FROM shout WHERE id = r.PathValue("id")
		return guard.Object{CommunityID: 1, OwnerID: "id-of-author"}, nil
	}
	updateShout := guard.Own("shout:update", find).HandlerFunc(done)
	serve(updateShout, "author") // the owner, who holds shout:update_own
	serve(updateShout, "expert") // another, who holds shout:update_own too
	serve(updateShout, "editor") // who holds shout:update_any
	// Output:
	// author: 200
	// expert: 403
	// editor: 200
}

// The decorator for functions that are no handlers.
func ExampleDo() {
	merge := func(ctx context.Context) (string, error) { return "merged", nil }
	result, err := guard.Do(visitor("editor"), guard.Permission("topic:merge"), merge)
	fmt.Println(result, err)
	_, err = guard.Do(visitor("author"), guard.Permission("topic:merge"), merge)
	fmt.Println(err)
	// Output:
	// merged <nil>
	// this needs the permission topic:merge, which you do not have here
}

// get_user_roles_from_context of the seed.
func ExampleRolesFrom() {
	fmt.Println(guard.RolesFrom(visitor("reader+expert")))
	fmt.Println(guard.RolesFrom(context.Background()))
	// Output:
	// [reader expert]
	// []
}

// RBACError of the seed: a refusal names what was missing.
func ExampleRule_Check() {
	err := guard.Permission("topic:merge").Check(visitor("author"))
	var refusal *propusk.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code, refusal.Permission)
	}
	// Output:
	// missing_permission topic:merge
}

// A handler answers a refusal as the seed does, in one line.
func ExampleWriteResult() {
	w := httptest.NewRecorder()
	if err := guard.Role("expert").Check(visitor("reader")); err != nil {
		guard.WriteResult(w, nil, err)
	}
	fmt.Print(w.Code, " ", w.Body)
	// Output:
	// 403 {"success":false,"error":"this needs the role expert in this community"}
}

// One request that is about several communities.
func ExampleIn() {
	platform, _ := rbac.Compile(platform())
	community, _ := rbac.Compile(magazine())
	visit(&register{platform: platform, community: community}, "author", func(ctx context.Context) {
		for _, id := range []int64{1, 2} {
			there, err := guard.In(ctx, id)
			if err == nil {
				err = guard.Permission("shout:create").Check(there)
			}
			fmt.Println(id, err)
		}
	})
	// Output:
	// 1 <nil>
	// 2 you are not a member of this community
}
