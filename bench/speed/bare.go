package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// sample is a request, and what Propusk answered it.
type sample struct {
	Method, Path string
	Body         string
	Status       int
	Header       http.Header
	Answer       string
	// token is whose request it was; the bare server does not look at it.
	token string
}

// bareFlag makes this program the bare server.
const bareFlag = "-serve-bare"

// startBare runs this program once more as the bare server over the samples.
func startBare(ctx context.Context, self, dir string, samples []sample) (*process, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	text, err := json.Marshal(samples)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "samples.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, err
	}
	return start(ctx, exec.CommandContext(ctx, self, bareFlag, file), anyAddress, filepath.Join(dir, "log"))
}

// serveBare is the least that a server in Go does: it reads the whole request and sends the bytes of an answer that Propusk gave to one like it.
// It serves until the process is ended.
func serveBare(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var samples []sample
	if err := json.Unmarshal(text, &samples); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return http.Serve(listener, bare(samples))
}

func bare(samples []sample) http.Handler {
	mux := http.NewServeMux()
	for _, s := range samples {
		answer := []byte(s.Answer)
		mux.HandleFunc(s.Method+" "+s.Path, func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			header := w.Header()
			for name, values := range s.Header {
				header[name] = values
			}
			w.WriteHeader(s.Status)
			_, _ = w.Write(answer) // a client that has gone hears nothing
		})
	}
	return mux
}

// take sends the request to Propusk and keeps what comes back. The date and the length are written by net/http itself.
func (s sample) take(url, token string) (sample, error) {
	request, err := http.NewRequest(s.Method, url+s.Path, strings.NewReader(s.Body))
	if err != nil {
		return s, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if s.Body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return s, err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return s, err
	}
	if response.StatusCode != http.StatusOK {
		return s, fmt.Errorf("%s %s: %s: %s", s.Method, s.Path, response.Status, answer)
	}
	s.Status, s.Header, s.Answer, s.token = response.StatusCode, response.Header, string(answer), token
	s.Header.Del("Date")
	return s, nil
}

// compareBare asks the bare server what Propusk was asked, and demands the same answer, but for the date.
func compareBare(url string, s sample) error {
	got, err := s.take(url, s.token)
	if err != nil {
		return err
	}
	if got.Answer != s.Answer || !maps.EqualFunc(got.Header, s.Header, slices.Equal) {
		return fmt.Errorf("%s %s: the bare server answers %v %q, and Propusk %v %q", s.Method, s.Path, got.Header, got.Answer, s.Header, s.Answer)
	}
	return nil
}
