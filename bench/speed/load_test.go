package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// answering is a server that sends the sample's answer.
func answering(t *testing.T, s sample) string {
	t.Helper()
	server := httptest.NewServer(bare([]sample{s}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestLoadCountsRightAnswersOnly(t *testing.T) {
	t.Parallel()
	right := sample{Method: http.MethodPost, Path: "/check", Body: `{"a":1}`, Status: http.StatusOK, Answer: `{"allowed":true}`}
	longer, refused := right, right
	longer.Answer += " "
	refused.Status = http.StatusTooManyRequests
	for name, tc := range map[string]struct {
		server sample
		fault  string
	}{
		"right": {server: right}, "longer": {longer, "bytes and not"}, "refused": {refused, "the answer begins with"},
	} {
		c, err := dial(answering(t, tc.server), "token", right)
		if err != nil {
			t.Fatal(err)
		}
		l := load{c}
		defer l.close()
		rate, err := l.perSecond(t.Context(), 10*time.Millisecond)
		if tc.fault == "" && (err != nil || rate == 0) || tc.fault != "" && (err == nil || !strings.Contains(err.Error(), tc.fault)) {
			t.Errorf("%s: %v a second, %v", name, rate, err)
		}
	}
}

func TestTheBareServerMustAnswerTheSameBytes(t *testing.T) {
	t.Parallel()
	s := sample{Method: http.MethodGet, Path: "/me", Status: http.StatusOK, Answer: "{}", Header: http.Header{"Content-Type": {"application/json"}}}
	url := answering(t, s)
	taken, err := s.take(url, "token")
	if err != nil {
		t.Fatal(err)
	}
	if err := compareBare(url, taken); err != nil {
		t.Error(err)
	}
	for name, spoil := range map[string]func(*sample){
		"body":   func(s *sample) { s.Answer = "[]" },
		"header": func(s *sample) { s.Header = s.Header.Clone(); s.Header.Set("X-More", "1") },
	} {
		other := taken
		spoil(&other)
		if err := compareBare(url, other); err == nil || !strings.Contains(err.Error(), "the bare server answers") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
