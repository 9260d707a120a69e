package graphiql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/propusk/propusk/internal/apptest"
	"github.com/propusk/propusk/internal/browsertest"
)

// proxy puts a server below the prefix /auth, and writes down what it is asked.
type proxy struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := http.StripPrefix("/auth", httputil.NewSingleHostReverseProxy(to))
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.URL.String())
		p.mu.Unlock()
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

// tab is the page in a browser, where every step must succeed.
type tab struct {
	*testing.T
	browser context.Context
}

func (p tab) do(step string, actions ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := chromedp.Do(p.browser, actions...); err != nil {
		p.Fatalf("%s: %v", step, err)
	}
}

func (p tab) evaluate(script string) string {
	p.Helper()
	value, err := chromedp.Run(p.browser, chromedp.Evaluate[string](script))
	if err != nil {
		p.Fatalf("%s: %v", script, err)
	}
	return value
}

// The editors, as CodeMirror keeps them.
const (
	variables = `document.querySelectorAll(".graphiql-editor-tool .CodeMirror")[0].CodeMirror`
	headers   = `document.querySelectorAll(".graphiql-editor-tool .CodeMirror")[1].CodeMirror`
	result    = `document.querySelector(".result-window .CodeMirror").CodeMirror`
)

func (p tab) write(editor string, fields map[string]string) {
	p.Helper()
	text, _ := json.Marshal(fields)
	p.evaluate(fmt.Sprintf("%s.setValue(%q), ''", editor, text))
}

// run chooses an operation from the menu of the play button, and gives the answer when it holds the word. Keys and scripts, because a press
// at a place of the screen may miss a menu that is still on its way.
func (p tab) run(operation, word string) string {
	p.Helper()
	item := fmt.Sprintf(`[...document.querySelectorAll(".graphiql-dropdown-item")].find(item => item.textContent === %q)`, operation)
	p.do("opening the menu",
		chromedp.Focus(chromedp.CSS(".graphiql-execute-button")),
		chromedp.KeyEvent("\r"),
		chromedp.WaitVisible(chromedp.CSS(".graphiql-dropdown-content")),
	)
	p.evaluate(item + ".click(), ''")
	p.do("closing the menu", chromedp.WaitNotPresent(chromedp.CSS(".graphiql-dropdown-content")))
	there := chromedp.Poll[bool](fmt.Sprintf("%s.getValue().includes(%q)", result, word), chromedp.WithPollingTimeout(0)) // the browser's own is the limit
	if _, err := chromedp.Run(p.browser, there); err != nil {
		p.Fatalf("%s: no %q in the answer: %v", operation, word, err)
	}
	return p.evaluate(result + ".getValue()")
}

// complaints are the errors on the browser's console since it was listened to.
func (p tab) complaints(console func(func(chromedp.ConsoleMessage, error) bool)) (found []string) {
	p.Helper()
	p.evaluate(`console.log("the end"), ''`)
	for message, err := range console {
		if err != nil {
			p.Fatal(err)
		}
		if message.Text == "the end" {
			break
		}
		if message.Type == chromedp.ConsoleError || message.IsException() {
			found = append(found, fmt.Sprintf("%s (%s)", message.Text, message.URL))
		}
	}
	return found
}

// The whole way of a newcomer, as the page tells it: read the schema, log in, write the token into the headers, ask who one is. Below a
// proxy's prefix, and nothing of it is left in an address or on the disk.
func TestABrowserReadsTheSchemaLogsInAndAsks(t *testing.T) {
	browser := browsertest.New(t)
	front := newProxy(t, apptest.Start(t, introspection).URL)
	address := front.URL + "/auth/graphql"
	p := tab{t, browser}
	console := chromedp.Console(browser)

	p.do("opening the page", chromedp.Navigate(address), chromedp.WaitVisible(chromedp.CSS(".graphiql-execute-button")))
	p.do("reading the schema",
		chromedp.Click(chromedp.CSS(`.graphiql-sidebar button[aria-label="Show Documentation Explorer"]`)),
		chromedp.WaitVisible(chromedp.CSS(".graphiql-doc-explorer-root-type")),
	)
	if got := p.evaluate(`document.querySelector(".graphiql-doc-explorer-content").innerText`); !strings.Contains(got, "CommunityMembersPayload") {
		t.Errorf("the schema is shown as %q", got)
	}
	if got := p.evaluate(headers + ".getValue()"); !strings.Contains(got, `"Authorization": "Bearer "`) {
		t.Errorf("the headers are %q, which does not show where the token goes", got)
	}
	if got := p.evaluate(variables + ".getValue()"); !strings.Contains(got, `"password": ""`) {
		t.Errorf("the variables are %q, which does not show where the password goes", got)
	}

	p.write(variables, map[string]string{"email": apptest.AdminEmail, "password": apptest.AdminPassword})
	var in struct {
		Data struct {
			Login struct {
				Token string `json:"access_token"`
			}
		}
	}
	if answer := p.run("LogIn", "access_token"); json.Unmarshal([]byte(answer), &in) != nil || in.Data.Login.Token == "" {
		t.Fatalf("no token in %s", answer)
	}
	if answer := p.run("Me", `"me"`); !strings.Contains(answer, "UNAUTHENTICATED") {
		t.Errorf("without the token: %s", answer)
	}
	p.write(headers, map[string]string{"Authorization": "Bearer " + in.Data.Login.Token})
	// The word is in no answer before this one.
	if answer := strings.Join(strings.Fields(p.run("Me", `"name"`)), ""); answer != `{"data":{"me":{"name":"Admin"}}}` {
		t.Errorf("with the token: %s", answer)
	}
	p.do("opening what else there is",
		chromedp.Click(chromedp.CSS(`.graphiql-sidebar button[aria-label="Show History"]`)),
		chromedp.WaitVisible(chromedp.CSS(".graphiql-history")),
		chromedp.Click(chromedp.CSS(`.graphiql-sidebar button[aria-label="Open settings dialog"]`)),
		chromedp.WaitVisible(chromedp.CSS(".graphiql-dialog")),
	)

	if got := p.evaluate(`location.href`); got != address {
		t.Errorf("the address became %q", got)
	}
	for _, asked := range front.requests() {
		if strings.ContainsAny(asked, "?#") || !strings.Contains(asked, " /auth/graphql") {
			t.Errorf("the page asked %q", asked)
		}
	}
	if got := p.evaluate(`JSON.stringify([localStorage, sessionStorage, document.cookie])`); got != `[{},{},""]` {
		t.Errorf("the browser keeps %s", got)
	}
	const elsewhere = `performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith(location.origin)).join()`
	if got := p.evaluate(elsewhere); got != "" {
		t.Errorf("the page asked others: %s", got)
	}
	for _, complaint := range p.complaints(console) {
		t.Errorf("the browser complains: %s", complaint)
	}
}
