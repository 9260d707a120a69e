package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/propusk/propusk/internal/password"
)

func main() {
	aside()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = run(ctx, o)
	}
	exit(err)
}

// aside is the whole program where it was started by itself, to be a process beside the one that measures.
func aside() {
	if len(os.Args) != 3 {
		return
	}
	switch os.Args[1] {
	case bareFlag:
		exit(serveBare(os.Args[2]))
	case hashFlag:
		exit(hashOnly(os.Args[2]))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "speed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// The parts of a run.
const (
	checkPart = "check"
	restPart  = "rest"
	loginPart = "login"
)

// options are how a run goes.
type options struct {
	parts []string
	sizes []int
	// casbinUpTo is the greatest number of memberships that Casbin is told.
	casbinUpTo int
	pace       pace
	// server is how long a round of requests or logins is.
	server time.Duration
	// cost is that of the passwords of those who log in.
	cost password.Params
	// root is the folder of the product's sources, out where results go, page the one to update or "".
	root, out, page string
	say             func(string)
	// told is where the text is printed.
	told io.Writer
}

// parse reads the flags. Folders are those of a run in bench/.
func parse(args []string) (options, error) {
	fs := flag.NewFlagSet("speed", flag.ContinueOnError)
	o := options{cost: password.DefaultParams(), root: "..", say: progress(time.Now()), told: os.Stdout}
	only := fs.String("only", "check,rest,login", "`parts` to run")
	sizes := fs.String("sizes", "1000,100000,1000000", "`numbers` of memberships at which checks are timed")
	fs.IntVar(&o.casbinUpTo, "casbin-up-to", 100_000, "greatest number of memberships at which Casbin is timed too")
	fs.IntVar(&o.pace.rounds, "rounds", 5, "rounds of everything; the median counts")
	fs.DurationVar(&o.pace.round, "round", 60*time.Millisecond, "length of a round of checks")
	fs.DurationVar(&o.pace.warmUp, "warm-up", time.Second, "how long who keeps answers is warmed up at most")
	fs.DurationVar(&o.server, "server-round", 2*time.Second, "length of a round of requests, or of logins")
	fs.StringVar(&o.out, "out", "results", "`folder` for latest.txt and latest.svg")
	update := fs.Bool("update-docs", false, "copy the text into docs/performance.md")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	o.parts = strings.Split(*only, ",")
	for _, part := range o.parts {
		if !slices.Contains([]string{checkPart, restPart, loginPart}, part) {
			return o, fmt.Errorf("there is no part %q", part)
		}
	}
	for text := range strings.SplitSeq(*sizes, ",") {
		size, err := strconv.Atoi(text)
		if err != nil || size < seats {
			return o, fmt.Errorf("%q is no number of memberships; the least is %d", text, seats)
		}
		o.sizes = append(o.sizes, size)
	}
	if *update {
		o.page = filepath.Join(o.root, "docs", "performance.md")
	}
	return o, nil
}

// progress prints what is being done, and since when.
func progress(begin time.Time) func(string) {
	return func(text string) { fmt.Fprintf(os.Stderr, "%6.1f s  %s\n", time.Since(begin).Seconds(), text) }
}

// run times all parts, prints the results and writes them.
func run(ctx context.Context, o options) error {
	begin := time.Now()
	found, err := o.measure(ctx)
	if err != nil {
		return err
	}
	found.machine, found.took = describe(ctx, o.root, begin), time.Since(begin)
	text := found.text()
	if _, err := io.WriteString(o.told, text); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(o.out, "latest.txt"), []byte(text), 0o644); err != nil {
		return err
	}
	drawn := plot("Propusk beside its peers, "+found.machine.day, found.panels())
	if err := os.WriteFile(filepath.Join(o.out, "latest.svg"), []byte(drawn), 0o644); err != nil {
		return err
	}
	if o.page == "" {
		return nil
	}
	return updatePage(o.page, text)
}

// measure demands agreement and then times the parts one after another. What can fail at once comes first.
func (o options) measure(ctx context.Context) (found results, err error) {
	dir, err := os.MkdirTemp("", "propusk-bench-")
	if err != nil {
		return found, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var program string
	if o.has(restPart) || o.has(loginPart) {
		o.say("building propusk")
		if program, err = build(ctx, o.root, dir); err != nil {
			return found, err
		}
	}
	o.say("asking Casbin the table of decisions")
	if found.agreement, err = agree(layouts()); err != nil {
		return found, err
	}
	if o.has(checkPart) {
		if err := o.measureChecks(ctx, &found); err != nil {
			return found, err
		}
	}
	err = o.measureProgram(ctx, program, dir, &found)
	return found, err
}

func (o options) has(part string) bool { return slices.Contains(o.parts, part) }

func (o options) measureChecks(ctx context.Context, found *results) error {
	for _, size := range o.sizes {
		c, err := timeChecks(ctx, size, o.casbinUpTo, o.pace, o.say)
		if err != nil {
			return err
		}
		found.checks = append(found.checks, c)
	}
	return nil
}

// measureProgram times the parts for which the program has to run.
func (o options) measureProgram(ctx context.Context, program, dir string, found *results) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if o.has(restPart) {
		if found.endpoints, err = timeREST(ctx, program, self, dir, o.pace.rounds, o.server, o.say); err != nil {
			return err
		}
	}
	if o.has(loginPart) {
		l, err := timeLogins(ctx, program, self, dir, o.cost, o.pace.rounds, o.server, o.say)
		if err != nil {
			return err
		}
		found.logins = &l
	}
	return nil
}
