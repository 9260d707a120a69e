package docs_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/propusk/propusk/internal/browsertest"
)

// The whole way of a newcomer: open the link to one call, fill it in, press Execute and read the answer, all below a proxy's prefix.
func TestABrowserDrawsThePageAndCallsTheAPI(t *testing.T) {
	browser := browsertest.New(t)

	mux := newMux()
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/openapi.json")
	})
	sent := make(chan string, 1)
	mux.HandleFunc("POST /api/users/login", func(w http.ResponseWriter, r *http.Request) {
		content, _ := io.ReadAll(r.Body)
		sent <- string(content)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"the-answer"}`)
	})
	below := http.NewServeMux()
	below.Handle("/auth/", http.StripPrefix("/auth", mux))
	below.Handle("/api/", mux) // the document says where calls go, not the page
	server := httptest.NewServer(below)
	defer server.Close()

	console := chromedp.Console(browser)
	err := chromedp.Do(browser,
		chromedp.Navigate(server.URL+"/auth/docs#/users/login"),
		chromedp.WaitVisible(chromedp.CSS("#operations-users-login textarea")),
	)
	if err != nil {
		t.Fatalf("the page did not open the call that the link names: %v", err)
	}
	if title, err := chromedp.Run(browser, chromedp.Title()); err != nil || title != "Propusk API" {
		t.Errorf("title %q, %v", title, err)
	}

	// By script: the page scrolls to the call meanwhile, and a press at a place of the screen may miss what has moved on.
	const press = `document.querySelector("#operations-users-login button.execute").click()`
	if _, err := chromedp.Run(browser, chromedp.Evaluate[any](press)); err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(browser, chromedp.WaitVisible(chromedp.CSS("#operations-users-login .live-responses-table .response-col_status")))
	if err != nil {
		t.Fatalf("pressing Execute showed no answer: %v", err)
	}
	answer, err := chromedp.Run(browser, chromedp.Text(chromedp.CSS("#operations-users-login .live-responses-table")))
	if err != nil || !strings.Contains(answer, "200") || !strings.Contains(answer, "the-answer") {
		t.Errorf("the page shows the answer as %q, %v", answer, err)
	}
	if got := <-sent; !strings.Contains(got, `"email": "anna@example.org"`) {
		t.Errorf("the page sent %q, without the document's example", got)
	}

	if _, err := chromedp.Run(browser, chromedp.Evaluate[any](`console.log("the end")`)); err != nil {
		t.Fatal(err)
	}
	for message, err := range console {
		if err != nil {
			t.Fatal(err)
		}
		if message.Text == "the end" {
			break
		}
		if message.Type == chromedp.ConsoleError || message.IsException() {
			t.Errorf("the browser complains: %s (%s)", message.Text, message.URL)
		}
	}
}
