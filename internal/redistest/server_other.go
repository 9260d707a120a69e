//go:build !unix

package redistest

import "testing"

// Server is a server as on Unix. On other systems there is none.
type Server struct {
	port     int
	password string
}

func start(string, ...string) (*Server, error) { return nil, errMissing }

func startSentinel(string) (*Server, error) { return nil, errMissing }

func (s *Server) bus() int { return 0 }

func (s *Server) remove() {}

// Stop does nothing here, and so do the others.
func (s *Server) Stop(testing.TB) {}

// Kill does nothing.
func (s *Server) Kill(testing.TB) {}

// Restart does nothing.
func (s *Server) Restart(testing.TB) {}

// Freeze does nothing.
func (s *Server) Freeze(testing.TB) {}

// Thaw does nothing.
func (s *Server) Thaw(testing.TB) {}
