package e2e

import (
	"bytes"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between one node and its database, and can lose what passes: the network between machines, as far as a node can tell.
type proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	conns   map[*proxied]struct{}
	treat   func(*proxied) treatment
	changed chan struct{} // closed with the next treatment
	// committed, when set, is called when the database has said that something is committed, before the node hears of it.
	committed func()
}

// proxied is one connection through a proxy.
type proxied struct {
	node, database net.Conn
	gone           chan struct{}
	// listens is whether the node waits for messages on it, renews whether it has named the registry of nodes there, as
	// those do by which leases are renewed and changes acknowledged.
	listens, renews atomic.Bool
}

// treatment is what becomes of what passes: toward the database and back it may be kept until another treatment is ordered, or be late.
type treatment struct {
	keepThere, keepBack bool
	lateBack            time.Duration
}

// through starts a proxy for a database and gives the URL of the database behind it.
func through(t *testing.T, database string) (*proxy, string) {
	t.Helper()
	where, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: where.Host, conns: map[*proxied]struct{}{}, changed: make(chan struct{})}
	p.well()
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut(everyConnection)
	})
	where.Host = listener.Addr().String()
	return p, where.String()
}

func (p *proxy) accept() {
	for {
		node, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.connect(node)
	}
}

func (p *proxy) connect(node net.Conn) {
	database, err := net.Dial("tcp", p.target)
	if err != nil {
		reset(node)
		return
	}
	c := &proxied{node: node, database: database, gone: make(chan struct{})}
	p.mu.Lock()
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	end := sync.OnceFunc(func() {
		close(c.gone)
		reset(node)
		_ = database.Close()
		p.mu.Lock()
		delete(p.conns, c)
		p.mu.Unlock()
	})
	go func() {
		defer end()
		p.pass(c, node, database, true)
	}()
	p.pass(c, database, node, false)
	end()
}

// reset closes a connection so that the other side notices at once.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// pass carries one direction.
func (p *proxy) pass(c *proxied, from, to net.Conn, there bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			p.look(c, buffer[:n], there)
			if !p.release(c, there) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// committedAnswer is how PostgreSQL says that a transaction is committed.
var committedAnswer = []byte("C\x00\x00\x00\x0bCOMMIT\x00")

// look learns from what passes what the connection is for.
func (p *proxy) look(c *proxied, passing []byte, there bool) {
	if there {
		if bytes.Contains(bytes.ToUpper(passing), []byte("LISTEN ")) {
			c.listens.Store(true)
		}
		if bytes.Contains(passing, []byte("cache_node")) {
			c.renews.Store(true)
		}
		return
	}
	if bytes.Contains(passing, committedAnswer) {
		p.mu.Lock()
		hook := p.committed
		p.mu.Unlock()
		if hook != nil {
			hook()
		}
	}
}

// release returns when something may go on, and false if it never may.
func (p *proxy) release(c *proxied, there bool) bool {
	came := time.Now()
	for {
		p.mu.Lock()
		how, changed := p.treat(c), p.changed
		p.mu.Unlock()
		kept := there && how.keepThere || !there && how.keepBack
		var late <-chan time.Time
		if !kept {
			if there || how.lateBack <= time.Since(came) {
				return true
			}
			late = time.After(how.lateBack - time.Since(came))
		}
		select {
		case <-late:
		case <-changed:
		case <-c.gone:
			return false
		}
	}
}

// order has connections treated like that from now on, the new ones too.
func (p *proxy) order(which func(*proxied) bool, how treatment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.treat = func(c *proxied) treatment {
		if which(c) {
			return how
		}
		return treatment{}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// well ends whatever was ordered.
func (p *proxy) well() { p.order(everyConnection, treatment{}) }

// freeze keeps what passes, until well is called.
func (p *proxy) freeze(which func(*proxied) bool) {
	p.order(which, treatment{keepThere: true, keepBack: true})
}

// cut breaks connections, and gives how many.
func (p *proxy) cut(which func(*proxied) bool) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if which(c) {
			n++
			reset(c.node)
			_ = c.database.Close()
		}
	}
	return n
}

// onCommit has something done at each commit of the node, before it hears that it was one. nil ends that.
func (p *proxy) onCommit(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = do
}

func everyConnection(*proxied) bool { return true }

// messenger is the connection on which a node is told that there is news.
func messenger(c *proxied) bool { return c.listens.Load() }
