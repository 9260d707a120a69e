package graph_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/config"
	"github.com/propusk/propusk/internal/pgtest"
)

// wire stands between a server and its PostgreSQL, and counts what is executed.
type wire struct{ statements atomic.Int64 }

// through is the database's URL by way of the wire.
func (w *wire) through(t *testing.T, database string) string {
	t.Helper()
	at, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	behind := at.Host
	at.Host = listener.Addr().String()
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", behind)
			if err != nil {
				_ = in.Close()
				return
			}
			go w.forward(in, out)
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	return at.String()
}

// forward passes the messages of a client on: the first has a length alone, all others a letter and a length. E executes what was
// prepared, Q is a text without arguments, such as BEGIN.
func (w *wire) forward(in, out net.Conn) {
	defer out.Close()
	for head := make([]byte, 4); ; head = make([]byte, 5) {
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		if head[0] == 'E' && len(head) == 5 {
			w.statements.Add(1)
		}
		if _, err := out.Write(head); err != nil {
			return
		}
		if _, err := io.CopyN(out, in, int64(binary.BigEndian.Uint32(head[len(head)-4:]))-4); err != nil {
			return
		}
	}
}

// A page of members, their accounts and their roles are so many statements, however many members there are.
func TestAPageOfMembersIsAFixedNumberOfStatements(t *testing.T) {
	var w wire
	v := settle(t, func(c *config.Config) { c.Database = w.through(t, pgtest.Patient(t)) })
	// The owls are 50, the crows 5.
	owls, crows := v.id, int64(v.Call("POST", "/api/communities", v.founder.Token, map[string]string{"slug": "crows", "name": "The crows"}).Body["id"].(float64))
	for community, more := range map[int64]int{owls: 46, crows: 4} {
		v.id = community
		for range more {
			v.roles(v.known(v.Register("Member")), "reader")
		}
	}
	count := func(community int64, members int) int64 {
		t.Helper()
		before := w.statements.Load()
		got := v.ask(v.founder.Token, seed(t, "AdminGetCommunityMembers"), map[string]any{"community_id": community, "limit": members})
		got.is(t, map[string]any{"errors": nil, "data.adminGetCommunityMembers.total": members})
		if got.at(fmt.Sprintf("data.adminGetCommunityMembers.members.%d.roles.0", members-1)) == nil {
			t.Fatalf("there are no %d members: %s", members, got.Raw)
		}
		return w.statements.Load() - before
	}
	// The server has statements of its own, such as renewals, and reads more while nothing is remembered. All that only adds, so a page
	// costs the least that was counted, and a busy machine has to count for longer until it has seen both pages undisturbed.
	few, many := count(crows, 5), count(owls, 50)
	for start, counts := time.Now(), 1; counts < 5 || (few != many && time.Since(start) < patience); counts++ {
		few, many = min(few, count(crows, 5)), min(many, count(owls, 50))
	}
	if few == 0 || few != many {
		t.Errorf("a page of 5 takes %d statements, one of 50 %d", few, many)
	}
	t.Logf("%d statements", few)
}

// patience is for what has to come about in the end, on however busy a machine.
const patience = 30 * time.Second
