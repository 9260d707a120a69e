package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/load"
)

const benchHelp = `Ask a server of your own many questions at once, and see how fast it answers and whether it answers right.

It sends three kinds of requests, in the proportions of --mix. Checks (POST /api/check) are about communities that the account can see into
and, if the account may ask about others, about their members; both are looked up at the start. Logins and role changes are those of
accounts that it registers for the purpose, one for each connection, in a community that it founds for the purpose: it never changes
anything of others. Both are deleted at the end, also after Ctrl-C; only kill -9 leaves them. Deleted accounts stay as inactive rows, as all
do. Founding takes a moderator or an administrator, and registration must be open.

After each role change it asks at once whether the change holds. An answer that contradicts what the server had acknowledged is counted as
WRONG, and the exit code is then 1.

Without --rate each connection asks again as soon as it was answered, which tells how much the server can take. With --rate so many requests
are begun each second, as people would who do not wait for one another, and a time counts from when the request should have begun: a server
that stands still for a second gets the times of all who would have waited in it. Requests that never began, because all connections were
waiting, are told apart.

Percentiles are at most 1/128 too long and never too short. Requests that the server refused are not among them, but those that got no answer
are. The times are those of this machine: run it elsewhere than on the server if the server is to have its processors for itself.

The password of --email is taken from --password-file, from the environment, or from standard input. URLs that are not of this machine are
refused unless you say --yes-this-is-mine.`

// benchFlags are the flags as they were typed.
type benchFlags struct {
	load.Options
	mix                               string
	password, passwordFile, tokenFile string
	mine, json                        bool
}

func benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use: "bench", Short: "Put a server of one's own under load", Long: benchHelp, Args: cobra.NoArgs,
		Example: `  propusk bench --url http://127.0.0.1:8000 --email admin@propusk.local < password.txt
  propusk bench --url http://127.0.0.1:8000 --email anna@example.org --password-file password.txt --duration 5m --rate 500
  propusk bench --url http://127.0.0.1:8000 --token-file key.txt --mix check=100 --connections 64 --json > result.json`,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.URL, "url", "http://127.0.0.1:8000", "base `URL` of the server")
	flags.BoolVar(&f.mine, "yes-this-is-mine", false, "the server is not on this machine, and is yours to put under load")
	flags.DurationVar(&f.Duration, "duration", 30*time.Second, "how long")
	flags.IntVar(&f.Connections, "connections", 16, fmt.Sprintf("how many requests are under way at once, at most %d", load.MaxConnections))
	flags.Float64Var(&f.Rate, "rate", 0, "how many `REQUESTS` to begin each second; 0 for as many as are answered")
	flags.StringVar(&f.mix, "mix", "check=90,login=5,roles=5", "`KINDS` of requests and how often each is sent")
	flags.StringVar(&f.Email, "email", "", "`ADDRESS` of the account that asks")
	flags.StringVar(&f.password, "password", "", "its `WORD`; others can see flags, so prefer the environment or --password-file")
	flags.StringVar(&f.passwordFile, "password-file", "", "`FILE` that holds the password")
	flags.StringVar(&f.Token, "token", "", "access token or API `KEY` that asks, instead of --email; prefer the environment or --token-file")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` that holds the token")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON, with times in milliseconds")
	return configured(cmd, func(cmd *cobra.Command, _ *config.Config, _ []string) error { return f.run(cmd) })
}

func (f *benchFlags) run(cmd *cobra.Command) (err error) {
	f.URL = strings.TrimRight(f.URL, "/")
	if err := load.CheckURL(f.URL, f.mine); err != nil {
		return err
	}
	if f.Mix, err = load.ParseMix(f.mix); err != nil {
		return fmt.Errorf("--mix: %w", err)
	}
	if err := f.secrets(cmd); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	fmt.Fprint(cmd.ErrOrStderr(), f.Plan())
	live := newLive(cmd.ErrOrStderr())
	f.Progress = live.show
	result, err := load.Run(cmd.Context(), f.Options)
	live.clear()
	if err != nil {
		return err
	}
	return errors.Join(f.print(cmd.OutOrStdout(), result), result.Err())
}

func (f *benchFlags) print(w io.Writer, result load.Result) error {
	if !f.json {
		return result.Print(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(result)
}

// secrets finds the token or the password, wherever it was said to be.
func (f *benchFlags) secrets(cmd *cobra.Command) (err error) {
	if f.Token, err = secretOf("token", f.Token, f.tokenFile); err != nil {
		return err
	}
	if f.Token != "" && f.Email != "" {
		return errors.New("--email and --token are both set: keep one")
	}
	if f.Token != "" || f.Email == "" {
		return nil
	}
	if f.Password, err = secretOf("password", f.password, f.passwordFile); err != nil || f.Password != "" {
		return err
	}
	if stdin := int(os.Stdin.Fd()); term.IsTerminal(stdin) {
		f.Password, err = prompt(cmd, stdin, "password of "+f.Email+": ")
		return err
	}
	f.Password, err = readPassword(cmd)
	return err
}

// secretOf is a secret that was said, or that is in a file.
func secretOf(name, said, path string) (string, error) {
	if path == "" {
		return said, nil
	}
	if said != "" {
		return "", fmt.Errorf("--%s and --%s-file are both set: keep one", name, name)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--%s-file: %w", name, err)
	}
	if said = strings.TrimRight(string(content), "\r\n"); said == "" {
		return "", fmt.Errorf("--%s-file: the file is empty", name)
	}
	return said, nil
}

// Where nothing can be redrawn lines are written every plainEvery, the first one soon, so that people see that it runs.
const (
	plainFirst = time.Second
	plainEvery = 10 * time.Second
)

// live shows how a load test goes: on a terminal in one line that is redrawn, elsewhere in a line now and then.
type live struct {
	w        io.Writer
	terminal bool
	next     time.Duration
}

func newLive(w io.Writer) *live {
	file, is := w.(*os.File)
	return &live{w: w, terminal: is && term.IsTerminal(int(file.Fd())), next: plainFirst}
}

func (l *live) show(s load.Snapshot) {
	switch {
	case l.terminal:
		l.clear()
		fmt.Fprint(l.w, s)
	case s.Elapsed >= l.next:
		l.next = (s.Elapsed/plainEvery + 1) * plainEvery
		fmt.Fprintln(l.w, s)
	}
}

// clear makes room for other output.
func (l *live) clear() {
	if l.terminal {
		fmt.Fprint(l.w, "\r\033[K")
	}
}
