package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/pgtest"
)

// ruleless makes a build of the program that can be told to leave out a rule of the lease protocol.
var ruleless = sync.OnceValues(func() (string, error) {
	program := filepath.Join(workshop, "ruleless.exe")
	cmd := exec.Command("go", "build", "-tags", "leaserules", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program, "../cmd/propusk")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
})

// needed is a rule of the protocol and a story that goes wrong without it.
//
// These are the rules whose want shows from outside. The others guard moments that no network and no signal brings about to order; that they are
// needed is shown by the tests of internal/lease, where all have a switch, and by TestABuildWithoutARuleFails.
type needed struct {
	rule string
	// wrong tells how many answers were wrong.
	wrong func(t *testing.T, c *cluster) int64
	// network is whether the story needs proxies, and so PostgreSQL.
	network bool
	// always is whether it is told in short runs too.
	always bool
}

var neededRules = []needed{
	{rule: "noWait", always: true, wrong: frozen},
	{rule: "serveBeforeRow", wrong: rounds},
	{rule: "noLeaseCheck", network: true, wrong: func(t *testing.T, c *cluster) (wrong int64) {
		all := func(*proxied) bool { return true }
		for _, s := range c.cast(t, everyRevocation[:2], 1) {
			if err := c.warm(s); err != nil {
				t.Fatal(err)
			}
			c.nodes[2].proxy.freeze(all)
			asking := (&cluster{nodes: c.nodes[2:], began: c.began}).ask([]*subject{s})
			if err := c.insistOn(s, func(int) *node { return c.nodes[0] }); err != nil {
				t.Fatal(err)
			}
			<-time.After(everywhereWithin)
			asking.leave()
			c.well()
			c.await(t, healthyWithin)
			wrong += s.wrong.Load()
		}
		return wrong
	}},
	{rule: "noMarkCheck", wrong: func(t *testing.T, c *cluster) int64 {
		subjects := c.cast(t, everyRevocation[:1], 3)
		dead := c.nodes[2].server()
		c.nodes[2].standStill(t)
		// The first finds the node dead, the second reads the mark, and one that comes after WAIT removes the row.
		for _, s := range subjects {
			if err := c.insistOn(s, func(int) *node { return c.nodes[0] }); err != nil {
				t.Fatal(err)
			}
			<-time.After(waitOfNodes)
		}
		dead.thaw(t)
		c.await(t, healthyWithin)
		return rounds(t, c)
	}},
	{rule: "noopAtOnce", network: true, wrong: func(t *testing.T, c *cluster) int64 {
		for _, s := range c.cast(t, everyRevocation[:2], 5) {
			c.deaf(messenger) // or who died might have told others in time
			c.orphan(t, s)
			c.well()
			if wrong := s.wrong.Load(); wrong > 0 {
				return wrong
			}
		}
		return 0
	}},
	{rule: "leaseFromReceipt", network: true, wrong: func(t *testing.T, c *cluster) (wrong int64) {
		for _, s := range c.cast(t, everyRevocation[:2], 5) {
			wrong += c.late(t, s)
		}
		return wrong
	}},
}

// waitOfNodes is how long a change waits for a node at most.
const waitOfNodes = time.Second

// rounds are a few rounds of what healthy does, on the first two nodes.
func rounds(t *testing.T, c *cluster) (wrong int64) {
	t.Helper()
	for i, s := range c.cast(t, everyRevocation[:4], 10) {
		if err := c.round(s, c.nodes[i%2]); err != nil {
			t.Fatal(err)
		}
		if wrong += s.wrong.Load(); wrong > 0 {
			break
		}
	}
	return wrong
}

// standStill freezes the node at a moment when it does not write: frozen while it does, it would keep all others from a file of SQLite.
func (n *node) standStill(t *testing.T) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(n.database, "sqlite:")+"?_txlock=immediate&_pragma=busy_timeout(1000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for range 20 {
		n.server().freeze(t)
		begun, err := db.Begin()
		if err == nil {
			_ = begun.Rollback()
			return
		}
		t.Logf("frozen while it wrote: %v", err)
		n.server().thaw(t)
	}
	t.Fatal("it writes whenever it is frozen")
}

// frozen takes something away while a node stands still, and asks that one as soon as it goes on: it remembers, unless somebody has waited for its lease
// to end.
func frozen(t *testing.T, c *cluster) (wrong int64) {
	t.Helper()
	last := c.nodes[2].server()
	for _, s := range c.cast(t, everyRevocation[:1], 5) {
		if err := c.warm(s); err != nil {
			t.Fatal(err)
		}
		c.nodes[2].standStill(t)
		err := c.insistOn(s, func(int) *node { return c.nodes[0] })
		last.thaw(t)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range s.kind.questions() {
			sent := c.clock()
			s.see(c, q, c.nodes[2], sent, q.put(last.client, s))
		}
		if wrong += s.wrong.Load(); wrong > 0 {
			break
		}
		c.await(t, healthyWithin)
	}
	return wrong
}

// deaf keeps messages from all nodes.
func (c *cluster) deaf(which func(*proxied) bool) {
	for _, n := range c.nodes {
		n.proxy.freeze(which)
	}
}

// well ends all that was done to the ways to the database.
func (c *cluster) well() {
	for _, n := range c.nodes {
		n.proxy.well()
	}
}

// late has a node's renewals answered late, and one of them as the last: its lease counts from before that was sent.
func (c *cluster) late(t *testing.T, s *subject) int64 {
	t.Helper()
	const delay = 430 * time.Millisecond
	if err := c.warm(s); err != nil {
		t.Fatal(err)
	}
	one := c.nodes[2]
	renewing := func(p *proxied) bool { return p.renews.Load() || p.listens.Load() }
	one.proxy.order(renewing, treatment{lateBack: delay})
	<-time.After(delay + 220*time.Millisecond) // a renewal is under way
	asking := (&cluster{nodes: []*node{one}, began: c.began}).ask([]*subject{s})
	// What is on its way back arrives late, and nothing follows it.
	one.proxy.order(renewing, treatment{keepThere: true, lateBack: delay})
	if err := c.insistOn(s, func(int) *node { return c.nodes[0] }); err != nil {
		t.Fatal(err)
	}
	<-time.After(everywhereWithin)
	asking.leave()
	one.proxy.well()
	c.await(t, healthyWithin)
	return s.wrong.Load()
}

// Each rule whose want can be seen from outside is needed: a build without it allows what had been taken away, and one with it does not in the same
// story.
func TestNodesNeedEachRule(t *testing.T) {
	besideOthers(t)
	program, err := ruleless()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range neededRules {
		if !one.always && !hold {
			continue
		}
		t.Run(one.rule, func(t *testing.T) {
			for _, without := range []string{"", one.rule} {
				c := one.cluster(t, program, without)
				if !c.remembers {
					t.Skip("these nodes remember nothing, and so need no rule")
				}
				switch wrong := one.wrong(t, c); {
				case without == "" && wrong > 0:
					t.Errorf("the rule is in force, and %d answers were wrong", wrong)
				case without != "" && wrong == 0:
					t.Error("the rule is not in force, and nobody notices")
				default:
					t.Logf("without %q: %d answers were wrong", without, wrong)
				}
			}
		})
	}
}

func (n needed) cluster(t *testing.T, program, without string) *cluster {
	t.Helper()
	where := oneFile(t)
	if n.network {
		where = throughProxies(t, pgtest.Database(t))
	}
	return newClusterOf(t, 3, where, setup{program: program, env: slices.Concat(nodeEnv, []string{"LEASERULES_WITHOUT=" + without})})
}

// What stands in other packages than the protocol itself is left out by a build of their tests, and these notice.
func TestABuildWithoutARuleFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	making := exec.Command("go", "test", "-c", "-tags", "leaserules", "-ldflags", "-s -w", "-o", dir, "./internal/memory", "./internal/access")
	making.Dir, making.Env = "..", append(os.Environ(), "GOFLAGS=")
	if out, err := making.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for rule, by := range map[string]struct{ test, in string }{
		"noFillToken":  {"TestAReadThatBeganBeforeAChangeIsNotKept", "memory"},
		"noLeaseCheck": {"TestOnlyALeaseLetsMemoryAnswer", "access"},
		"checkAtStart": {"TestTheLeaseIsAskedLast", "access"},
	} {
		for _, without := range []string{"", rule} {
			cmd := exec.Command(filepath.Join(dir, by.in+".test"), "-test.v", "-test.run", "^"+by.test+"$")
			cmd.Dir, cmd.Env = filepath.Join("..", "internal", by.in), append(os.Environ(), "LEASERULES_WITHOUT="+without)
			verdict := "--- PASS: "
			if without != "" {
				verdict = "--- FAIL: "
			}
			if out, err := cmd.CombinedOutput(); !bytes.Contains(out, []byte(verdict+by.test)) {
				t.Errorf("without %q: %v\n%s", without, err, out)
			}
		}
	}
}
