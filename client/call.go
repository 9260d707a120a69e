package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/propusk/propusk"
)

// What is read of an answer, in bytes; a longer one is refused. The answer to a bulk is as long as the bulk.
const (
	maxAnswer     = 4 << 20
	maxBulkAnswer = 64 << 20
)

// call is one request.
type call struct {
	method, path string
	query        url.Values
	// bearer is who asks.
	bearer string
	// body is sent as JSON, unless it is nil.
	body io.Reader
	// limit is how much of the answer is read, timeout how long it all may take; 0 stands for what is usual.
	limit   int64
	timeout time.Duration
	// changes tells that something is not as it was before, once the server has done it.
	changes bool
	// repeatable tells that the call may be sent twice, though it is a POST.
	repeatable bool
	// patient waits for the server's word before it sends the body.
	patient bool
}

// do makes a call and reads the answer into the struct that into points to.
func (c *Client) do(ctx context.Context, out call, into any) error {
	raw, err := c.fetch(ctx, out)
	if err != nil {
		return err
	}
	if err := decode(raw, into); err != nil {
		return out.odd(err)
	}
	return nil
}

// fetch makes a call and returns the answer.
func (c *Client) fetch(ctx context.Context, out call) ([]byte, error) {
	switch {
	case c.life.Err() != nil:
		return nil, errClosed()
	case out.bearer == "":
		return nil, &propusk.Error{Kind: propusk.Unauthenticated, Code: "not_signed_in", Message: "this needs an API key or an access token"}
	case !isBearer(out.bearer):
		return nil, &propusk.Error{Kind: propusk.Unauthenticated, Code: "invalid_token", Message: "the token is not valid"}
	}
	timeout := out.timeout
	if timeout == 0 {
		timeout = c.timeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	if err := ctx.Err(); err != nil {
		return nil, unsent(err)
	}
	request, err := c.request(ctx, out)
	if err != nil {
		return nil, unsent(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, out.lost(err)
	}
	defer func() { _ = response.Body.Close() }()
	return out.read(response)
}

func (c *Client) request(ctx context.Context, out call) (*http.Request, error) {
	target := c.base + out.path
	if len(out.query) > 0 {
		target += "?" + out.query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, out.method, target, out.body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+out.bearer)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "propusk-client")
	if out.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if out.repeatable {
		// Not sent: it lets net/http repeat the call when a kept connection turns out to be closed.
		request.Header["Idempotency-Key"] = []string{}
	}
	if out.patient {
		request.Header.Set("Expect", "100-continue")
	}
	return request, nil
}

// read takes an answer for what the call asked only when it is whole, of status 200 and of JSON.
func (out call) read(response *http.Response) ([]byte, error) {
	limit := out.limit
	if limit == 0 || response.StatusCode != http.StatusOK {
		limit = maxAnswer
	}
	if response.ContentLength > limit {
		return nil, out.odd(errTooLong)
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return nil, out.lost(err)
	case int64(len(raw)) > limit:
		return nil, out.odd(errTooLong)
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode == http.StatusOK && kind == "application/json":
		return raw, nil
	case response.StatusCode >= http.StatusBadRequest && kind == "application/problem+json":
		return nil, out.refusal(response, raw)
	}
	return nil, out.odd(fmt.Errorf("status %d with content of type %.40q", response.StatusCode, kind))
}

var errTooLong = errors.New("the answer is too long")

// encode is body as JSON. Only types of this package are encoded, which cannot fail.
func encode(body any) *bytes.Reader {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return bytes.NewReader(raw)
}
