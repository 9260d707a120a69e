package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/config"
)

func demoCommand() *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play the life of an account and a community against a server",
		Long: `Play the life of an account: register, log in, be made a moderator, log out, be refused, delete oneself, be refused again, be restored.
In between, the life of a community: found it, have somebody join, make them an editor, check what they may do, take the role back and
see the same check denied with the next request. What was made for that is deleted at the end.

Each step shows what was sent and what came back, with secrets masked. The first step that does not go as told ends the demo with
exit code 1.

Without --url it starts a server of its own on a temporary database. With --url it needs an administrator of that server.`,
		Example: "  propusk demo\n  PROPUSK_ADMIN_EMAIL=anna@example.org PROPUSK_ADMIN_PASSWORD=… propusk demo --url http://127.0.0.1:8000",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&url, "url", "", "base `URL` of a running server")
	return configured(cmd, func(cmd *cobra.Command, c *config.Config, _ []string) error {
		d := &demo{out: cmd.OutOrStdout(), url: strings.TrimRight(url, "/"), values: map[string]string{
			"admin email": c.AdminEmail, "admin password": c.AdminPassword,
		}}
		if url != "" {
			if c.AdminEmail == "" {
				return errors.New("with --url, say who administers that server: --admin-email and --admin-password")
			}
			return d.play(cmd.Context())
		}
		return d.withServer(cmd.Context())
	}, config.Admin)
}

// demo plays steps and remembers what later ones need.
type demo struct {
	out    io.Writer
	url    string
	values map[string]string
}

// withServer plays against a server on a temporary database.
func (d *demo) withServer(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "propusk-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d.values["admin email"], d.values["admin password"] = "admin@propusk.local", rand.Text()
	c := config.Default()
	c.Listen, c.Database = "127.0.0.1:0", "sqlite:"+filepath.Join(dir, "propusk.db")
	c.AdminEmail, c.AdminPassword = d.values["admin email"], d.values["admin password"]

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	listening, stopped := make(chan string, 1), make(chan error, 1)
	go func() {
		stopped <- app.Run(ctx, c, app.Terminal{Out: io.Discard, Log: io.Discard, Listening: func(url string) { listening <- url }})
	}()
	select {
	case d.url = <-listening:
	case err := <-stopped:
		return err
	}
	err = d.play(ctx)
	stop()
	return errors.Join(err, <-stopped)
}

// number is a {name} whose value is sent as a JSON number.
type number string

// step is one request and how it has to go. In path, token and body {name} stands for a remembered value.
type step struct {
	say          string
	method, path string
	// as is who asks: the name of a remembered token, or "" for a stranger.
	as   string
	body map[string]any
	// want is the status, wantBody some fields of the answer, keep answer field → name to remember it by.
	want     int
	wantBody map[string]any
	keep     map[string]string
}

func (d *demo) steps() []step {
	return slices.Concat(d.newcomer(), d.community(), d.farewell())
}

func login(who string) map[string]any {
	return map[string]any{"email": "{" + who + " email}", "password": "{" + who + " password}"}
}

func token(who string) map[string]string { return map[string]string{"access_token": who} }

func (d *demo) newcomer() []step {
	return []step{
		{
			say: "a newcomer registers", method: "POST", path: "/api/users/register", want: 201,
			body:     map[string]any{"name": "Анна", "last_name": "Смирнова", "email": "{user email}", "password": "{user password}"},
			wantBody: map[string]any{"role": "user", "is_active": true}, keep: map[string]string{"user_id": "user id"},
		},
		{say: "she logs in", method: "POST", path: "/api/users/login", body: login("user"), want: 200, keep: token("user")},
		{say: "she reads about herself", method: "GET", path: "/api/users/me", as: "user", want: 200, wantBody: map[string]any{"name": "Анна"}},
		{say: "the administrator logs in", method: "POST", path: "/api/users/login", body: login("admin"), want: 200, keep: token("admin")},
		{
			say: "the administrator makes her a moderator", method: "POST", path: "/api/admin/change-role", as: "admin", want: 200,
			body: map[string]any{"user_id": "{user id}", "role": "moderator"}, wantBody: map[string]any{"role": "moderator"},
		},
		{say: "she logs out", method: "POST", path: "/api/users/logout", as: "user", want: 200},
		{say: "her token opens nothing any more", method: "GET", path: "/api/users/me", as: "user", want: 401},
		{say: "she logs in again", method: "POST", path: "/api/users/login", body: login("user"), want: 200, keep: token("user")},
	}
}

func (d *demo) community() []step {
	const inside, role = "/api/communities/{community id}", "/api/communities/{community id}/members/{reader id}/roles/editor"
	check := func(say string, want map[string]any) step {
		return step{say: say, method: "POST", path: "/api/check", as: "reader", want: 200, wantBody: want, body: map[string]any{
			"permission": "shout:delete_any", "community_id": number("{community id}"),
		}}
	}
	denied := map[string]any{"allowed": false, "reason": "missing_permission"}
	return []step{
		{
			say: "as a moderator she founds a community, and is its admin", method: "POST", path: "/api/communities", as: "user", want: 201,
			body: map[string]any{"name": "Ночные совы"}, wantBody: map[string]any{"roles": []any{"admin"}},
			keep: map[string]string{"id": "community id"},
		},
		{
			say: "another newcomer registers", method: "POST", path: "/api/users/register", want: 201,
			body: map[string]any{"name": "Борис", "email": "{reader email}", "password": "{reader password}"},
			keep: map[string]string{"user_id": "reader id"},
		},
		{say: "he logs in", method: "POST", path: "/api/users/login", body: login("reader"), want: 200, keep: token("reader")},
		{
			say: "he joins as a reader", method: "POST", path: inside + "/join", as: "reader", want: 200,
			wantBody: map[string]any{"roles": []any{"reader"}},
		},
		check("he may not delete what others wrote", denied),
		{
			say: "she makes him an editor too", method: "POST", path: role, as: "user", want: 200,
			wantBody: map[string]any{"roles": []any{"reader", "editor"}},
		},
		check("now he may", map[string]any{"allowed": true, "reason": "role"}),
		{
			say: "she takes the role back", method: "DELETE", path: role, as: "user", want: 200,
			wantBody: map[string]any{"roles": []any{"reader"}},
		},
		check("and the same question is denied at once", denied),
		{say: "he deletes his account", method: "DELETE", path: "/api/users/", as: "reader", want: 200},
		{
			say: "she may not delete hers: the community would have no admin", method: "DELETE", path: "/api/users/", as: "user", want: 409,
			wantBody: map[string]any{"code": "last_community_admin"},
		},
		{say: "so she deletes the community first", method: "DELETE", path: inside, as: "user", want: 200},
	}
}

func (d *demo) farewell() []step {
	return []step{
		{say: "she deletes her account", method: "DELETE", path: "/api/users/", as: "user", want: 200},
		{say: "she cannot log in any more", method: "POST", path: "/api/users/login", body: login("user"), want: 401},
		{
			say: "the administrator restores the account", method: "PUT", path: "/api/admin/unblock/{user id}", as: "admin", want: 200,
			wantBody: map[string]any{"is_active": true},
		},
		{say: "she logs in once more", method: "POST", path: "/api/users/login", body: login("user"), want: 200, keep: token("user")},
		{
			say: "and takes another name", method: "POST", path: "/api/users/edit", as: "user", want: 200,
			body: map[string]any{"name": "Anna", "last_name": "Ivanova"}, wantBody: map[string]any{"name": "Anna", "last_name": "Ivanova"},
		},
		{say: "the administrator logs out", method: "GET", path: "/api/users/logout", as: "admin", want: 200},
	}
}

func (d *demo) play(ctx context.Context) error {
	unique := strings.ToLower(rand.Text()[:8])
	d.values["user email"], d.values["user password"] = "anna-"+unique+"@example.org", rand.Text()
	d.values["reader email"], d.values["reader password"] = "boris-"+unique+"@example.org", rand.Text()
	steps := d.steps()
	for i, s := range steps {
		fmt.Fprintf(d.out, "%2d/%d  %s\n", i+1, len(steps), s.say)
		if err := d.do(ctx, s); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.say, err)
		}
	}
	fmt.Fprintln(d.out, "all went as told")
	return nil
}

const stepTimeout = 30 * time.Second

func (d *demo) do(ctx context.Context, s step) error {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	sent := make(map[string]any)
	for field, value := range s.body {
		switch v := value.(type) {
		case number:
			sent[field] = json.Number(d.fill(string(v)))
		case string:
			sent[field] = d.fill(v)
		}
	}
	payload, err := json.Marshal(sent)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, s.method, d.url+d.fill(s.path), bytes.NewReader(payload))
	if err != nil {
		return err
	}
	if s.body == nil {
		request.Body, request.ContentLength = http.NoBody, 0
	} else {
		request.Header.Set("Content-Type", "application/json")
	}
	if s.as != "" {
		request.Header.Set("Authorization", "Bearer "+d.values[s.as])
	}
	fmt.Fprintf(d.out, "       → %s %s %s\n", s.method, request.URL.Path, strings.TrimSpace(asWhom(s.as)+" "+masked(sent)))
	return d.send(request, s)
}

func asWhom(token string) string {
	if token == "" {
		return ""
	}
	return "(" + token + "'s token)"
}

func (d *demo) send(request *http.Request, s step) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	got := make(map[string]any)
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&got); err != nil {
		return fmt.Errorf("the answer is not JSON: %w", err)
	}
	fmt.Fprintf(d.out, "       ← %s\n", strings.TrimSpace(response.Status+" "+masked(got)))
	if response.StatusCode != s.want {
		return fmt.Errorf("the answer was to be %d and is %s", s.want, response.Status)
	}
	for field, want := range s.wantBody {
		if !reflect.DeepEqual(got[field], want) {
			return fmt.Errorf("%s was to be %v and is %v", field, want, got[field])
		}
	}
	for field, name := range s.keep {
		switch value := got[field].(type) {
		case string:
			d.values[name] = value
		case float64:
			d.values[name] = strconv.FormatFloat(value, 'f', -1, 64)
		default:
			return fmt.Errorf("the answer has no %s", field)
		}
	}
	return nil
}

// fill puts remembered values in place of {name}.
func (d *demo) fill(text string) string {
	for name, value := range d.values {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	return text
}

// masked is a JSON object for people: keys in order, no secrets.
func masked(object map[string]any) string {
	if len(object) == 0 {
		return ""
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value, _ := json.Marshal(object[key])
		if strings.Contains(key, "password") || strings.HasSuffix(key, "_token") {
			value = []byte(`"•••"`)
		}
		parts = append(parts, fmt.Sprintf("%s=%s", key, value))
	}
	return strings.Join(parts, " ")
}
