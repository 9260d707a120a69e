package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// connection is a client that keeps its connection and sends one request over and over. It does next to nothing with the answers, because it
// shares the processor with the server.
type connection struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	// status begins every right answer; length is that of its body, or -1 if that may differ.
	status []byte
	length int
}

// dial opens a connection for a request like the sample, by whoever has the token ("" for nobody).
func dial(url, token string, s sample) (*connection, error) {
	address := strings.TrimPrefix(url, "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	var request bytes.Buffer
	fmt.Fprintf(&request, "%s %s HTTP/1.1\r\nHost: %s\r\n", s.Method, s.Path, address)
	if token != "" {
		fmt.Fprintf(&request, "Authorization: Bearer %s\r\n", token)
	}
	if s.Body != "" {
		fmt.Fprintf(&request, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(s.Body))
	}
	request.WriteString("\r\n" + s.Body)
	length := -1
	if s.Answer != "" {
		length = len(s.Answer)
	}
	return &connection{conn, bufio.NewReader(conn), request.Bytes(), fmt.Appendf(nil, "HTTP/1.1 %d ", s.Status), length}, nil
}

// connect is dial, and asks once: a server closes a connection on which nobody has asked anything for some seconds, and turns may be longer.
func connect(url, token string, s sample) (*connection, error) {
	c, err := dial(url, token, s)
	if err != nil {
		return nil, err
	}
	return c, c.once()
}

// once sends the request and reads the answer, which must be as expected.
func (c *connection) once() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, c.status) {
			return fmt.Errorf("the answer begins with %q and not %q", line, c.status)
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		if name, value, _ := bytes.Cut(line, []byte(": ")); bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 || c.length >= 0 && length != c.length {
		return fmt.Errorf("the answer has %d bytes and not %d", length, c.length)
	}
	_, err := io.CopyN(io.Discard, c.in, int64(length))
	return err
}

// load is so many connections to one server.
type load []*connection

func (l load) close() {
	for _, c := range l {
		_ = c.conn.Close()
	}
}

// perSecond sends on all connections for a while, on each at least once, and returns how many answers came back in a second.
func (l load) perSecond(ctx context.Context, during time.Duration) (float64, error) {
	counts, errs := make([]int, len(l)), make([]error, len(l))
	var all sync.WaitGroup
	begin := time.Now()
	end := begin.Add(during)
	for i, c := range l {
		all.Go(func() {
			for again := true; again; again = time.Now().Before(end) && errs[i] == nil && ctx.Err() == nil {
				if errs[i] = c.once(); errs[i] == nil {
					counts[i]++
				}
			}
		})
	}
	all.Wait()
	took, sum := time.Since(begin), 0
	for _, n := range counts {
		sum += n
	}
	return float64(sum) / took.Seconds(), errors.Join(append(errs, ctx.Err())...)
}
