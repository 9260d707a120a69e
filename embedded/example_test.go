package embedded_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/embedded"
	"github.com/propusk/propusk/guard"
)

// A forum in one process: its own routes behind a guard, accounts and roles below /auth.
func Example() {
	dir, err := os.MkdirTemp("", "forum")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	p, err := embedded.Open(ctx, embedded.Config{Database: "sqlite:" + filepath.Join(dir, "forum.db")})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = p.Close() }()

	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", p.Handler()))
	mux.Handle("POST /communities/{community_id}/shouts", guard.Permission("shout:create").HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) }))
	forum := guard.New(p).Middleware(mux)

	token, err := seed(ctx, p)
	if err != nil {
		log.Fatal(err)
	}
	for _, credentials := range []string{"", token} {
		request := httptest.NewRequest(http.MethodPost, "/communities/1/shouts", nil)
		request.Header.Set("Authorization", "Bearer "+credentials)
		answer := httptest.NewRecorder()
		forum.ServeHTTP(answer, request)
		fmt.Println(answer.Code)
	}
	// Output:
	// 401
	// 201
}

// seed makes Anna, the community that she founds, and Boris, its first author, whose token it returns.
func seed(ctx context.Context, p *embedded.Propusk) (token string, err error) {
	const password = "a perfectly ordinary sentence"
	anna, err := p.Register(ctx, embedded.Registration{Name: "Anna", Email: "anna@example.org", Password: password})
	if err != nil {
		return "", err
	}
	boris, err := p.Register(ctx, embedded.Registration{Name: "Boris", Email: "boris@example.org", Password: password})
	if err != nil {
		return "", err
	}
	owls, err := p.Found(ctx, anna.UserID, "owls", "Night owls")
	if err != nil {
		return "", err
	}
	if _, err := (propusk.Member{Communities: p, CommunityID: owls.ID, UserID: boris.UserID}).AddRole(ctx, "author"); err != nil {
		return "", err
	}
	return p.Login(ctx, "boris@example.org", password)
}
