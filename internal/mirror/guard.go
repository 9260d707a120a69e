package mirror

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync/atomic"
)

const (
	// maxMessage is how many bytes an answer may have, or the memory that it announces: some ten thousand elements of a list.
	maxMessage = 2 * maxSize
	// elementSize is about what the client reserves for each announced element.
	elementSize = 64
	// maxDepth is how deep lists may be in lists; of a Cluster's nodes they are four deep.
	maxDepth = 8
)

var errNotRedis = errors.New("what answers there does not speak as Redis does")

// guarded is a connection that ends when the other side says what Redis never would: an answer that announces gigabytes, or one to nothing that
// was asked. The client would run out of memory or panic over it, and whoever has taken over Redis, or what took its port, must not end the
// process.
type guarded struct {
	net.Conn
	said, heard scanner
}

// guard lets events through, to which no question belongs, only if pushes says so.
func guard(conn net.Conn, pushes bool) net.Conn {
	g := &guarded{Conn: conn}
	var due atomic.Int64 // answers
	g.said.begun = func(byte) bool {
		due.Add(1)
		return true
	}
	g.heard.begun = func(kind byte) bool {
		if kind == '>' {
			return pushes
		}
		return due.Add(-1) >= 0
	}
	return g
}

func (g *guarded) Write(p []byte) (int, error) {
	if !g.said.scan(p) {
		return 0, errNotRedis
	}
	return g.Conn.Write(p)
}

func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if !g.heard.scan(p[:n]) {
		return 0, errNotRedis
	}
	return n, err
}

// scanner follows messages of Redis' protocol as they pass.
type scanner struct {
	// begun is told of each message, of which kind it is, and says whether that may be.
	begun func(kind byte) bool
	// line is the part of a line that has passed, skip how many bytes of a text are still to pass.
	line []byte
	skip int64
	// open are how many elements are due of each list that has begun, size is what the message takes so far.
	open []int64
	size int64
}

// scan reports whether what passes is what Redis might say.
func (s *scanner) scan(p []byte) bool {
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, int64(len(p)))
			s.skip, p = s.skip-n, p[n:]
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.line = append(s.line, p...)
			return len(s.line) < maxMessage
		}
		s.line = append(s.line, p[:end+1]...)
		p = p[end+1:]
		if len(s.line) < 3 || s.line[len(s.line)-2] != '\r' || !s.take(s.line[0], s.line[1:len(s.line)-2]) {
			return false
		}
		s.line = s.line[:0]
	}
	return true
}

// take takes a line that is a message, begins a list or precedes a text.
func (s *scanner) take(kind byte, rest []byte) bool {
	if len(s.open) == 0 {
		s.size = 0
		if !s.begun(kind) {
			return false
		}
	} else {
		s.open[len(s.open)-1]--
	}
	s.size += int64(len(rest))
	switch kind {
	case '+', '-', ':', '_', ',', '#', '(':
		return s.settle(0)
	case '$', '=', '!', '*', '~', '>', '%':
	default:
		return false // or never sent by Redis unless asked for: texts in parts, attributes
	}
	n, err := strconv.ParseInt(string(rest), 10, 32)
	switch {
	case err != nil || n < -1:
		return false
	case n < 0: // nothing, as older servers say it
		return s.settle(0)
	case kind == '$' || kind == '=' || kind == '!':
		s.skip, s.size = n+2, s.size+n
		return s.settle(0)
	case kind == '%':
		n *= 2
	}
	s.size += n * elementSize
	return s.settle(n)
}

// settle begins a list of n elements and ends those that are complete.
func (s *scanner) settle(n int64) bool {
	if n > 0 {
		s.open = append(s.open, n)
	}
	for len(s.open) > 0 && s.open[len(s.open)-1] == 0 {
		s.open = s.open[:len(s.open)-1]
	}
	return s.size <= maxMessage && len(s.open) <= maxDepth
}
