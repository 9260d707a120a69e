//go:build !unix

package pgtest

import "testing"

const superuser = "postgres"

// Server is a server as on Unix. On other systems there is none.
type Server struct {
	place
	port     int
	password string
}

func start(place) (*Server, error) { return nil, errMissing }

func (s *Server) running() bool { return false }

func (s *Server) remove() {}

// Stop does nothing here, and so do the others.
func (s *Server) Stop(testing.TB) {}

// Abort does nothing.
func (s *Server) Abort(testing.TB) {}

// Kill does nothing.
func (s *Server) Kill(testing.TB) {}

// Restart does nothing.
func (s *Server) Restart(testing.TB) {}

// Freeze does nothing.
func (s *Server) Freeze(testing.TB) {}

// Thaw does nothing.
func (s *Server) Thaw(testing.TB) {}

// Standby does nothing.
func (s *Server) Standby(testing.TB, string) *Server { return s }

// Promote does nothing.
func (s *Server) Promote(testing.TB) {}

// Exec does nothing.
func (s *Server) Exec(testing.TB, string) {}

// Synchronous does nothing.
func (s *Server) Synchronous(testing.TB, string) {}

// Follows does nothing.
func (s *Server) Follows(testing.TB) {}

// Either is the URL of this one.
func (s *Server) Either(_ *Server, database string) string { return s.URL(database) }
