package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// besideOthers lets a short story be told beside others: it waits more than it works. A long one measures, and wants the machine for itself.
func besideOthers(t *testing.T) {
	t.Helper()
	if !hold {
		t.Parallel()
	}
}

// cluster is several nodes over one database.
type cluster struct {
	nodes []*node
	root  string // a token of the administrator
	// began is the zero of the one clock by which is judged what was sent after what was answered.
	began time.Time
	// remembers is whether its nodes answer from memory while all is well.
	remembers bool
	casts     int
}

// node is one of them. It may be killed and started again while others ask it.
type node struct {
	name     string
	t        *testing.T // whose end is the end of the node, whoever started it again
	setup    setup
	database string
	proxy    *proxy // between it and the database, if there is one
	current  atomic.Pointer[server]
}

func (n *node) server() *server { return n.current.Load() }

// start starts the node, or starts it again.
func (n *node) start() {
	n.t.Helper()
	n.current.Store(serve(n.t, n.setup))
}

// clock is the time since the cluster began.
func (c *cluster) clock() time.Duration { return time.Since(c.began) }

// nodeEnv is how each of them is started.
var nodeEnv = slices.Concat(cheap, withAdmin, []string{unlimited})

// newCluster starts that many nodes, each with the URL that where gives.
func newCluster(t *testing.T, nodes int, where func() (database string, by *proxy), args ...string) *cluster {
	t.Helper()
	return newClusterOf(t, nodes, where, setup{env: nodeEnv, args: args})
}

// newClusterOf is newCluster for nodes that are started in another way.
func newClusterOf(t *testing.T, nodes int, where func() (database string, by *proxy), s setup) *cluster {
	t.Helper()
	c := &cluster{began: time.Now()}
	for i := range nodes {
		database, by := where()
		n := &node{name: fmt.Sprintf("node %d", i+1), t: t, database: database, proxy: by, setup: s}
		n.setup.args = slices.Concat([]string{"--database", database}, quiet, s.args)
		n.start()
		c.nodes = append(c.nodes, n)
	}
	c.root = c.nodes[0].server().root(t)
	c.remembers = c.await(t, healthyWithin)
	return c
}

// oneFile is one file that several processes have open.
func oneFile(t *testing.T) func() (string, *proxy) {
	file := filepath.Join(t.TempDir(), "propusk.db")
	return func() (string, *proxy) { return "sqlite:" + file, nil }
}

// throughProxies is a database that each node reaches by a way of its own.
func throughProxies(t *testing.T, url string) func() (string, *proxy) {
	return func() (string, *proxy) {
		by, url := through(t, url)
		return url, by
	}
}

// directly is a database without anything in between.
func directly(url string) func() (string, *proxy) {
	return func() (string, *proxy) { return url, nil }
}

// await waits until every node is ready, and says whether they remember. Once they did, it waits for that too.
func (c *cluster) await(t *testing.T, patience time.Duration) bool {
	t.Helper()
	all, began := true, time.Now()
	for _, n := range c.nodes {
		n.server().awaitStatus(t, http.StatusOK, patience)
		for c.remembers && !n.remembers(t) {
			if time.Since(began) > patience {
				t.Fatalf("%s is ready and does not remember after %v", n.name, patience)
			}
			<-time.After(5 * time.Millisecond)
		}
		all = all && n.remembers(t)
	}
	return all
}

func (n *node) remembers(t *testing.T) bool {
	t.Helper()
	got, err := n.server().try("GET", "/readyz", "", nil)
	return err == nil && strings.Contains(got.raw, `"remembers":true`)
}

// others are the nodes but one.
func (c *cluster) others(than *node) []*node {
	return slices.DeleteFunc(slices.Clone(c.nodes), func(n *node) bool { return n == than })
}
