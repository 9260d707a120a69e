package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/propusk/propusk"
)

// What one bulk may be.
const (
	maxRows      = 100_000
	maxBulkBytes = 64 << 20
	// bulkTimeout is as long as the server gives it.
	bulkTimeout = 5 * time.Minute
)

type rowBody struct {
	UserID   string    `json:"user_id,omitempty"`
	AuthorID int64     `json:"author_id,omitempty"`
	Roles    *[]string `json:"roles,omitempty"`
}

type assignedAnswer struct {
	UserID string   `json:"user_id"`
	Status string   `json:"status"`
	Roles  []string `json:"roles"`
}

type bulkAnswer struct {
	Results []assignedAnswer `json:"results"`
}

// BulkAssign implements [propusk.Members]: all rows or none, at most 100,000 of them and 64 MiB. It needs member:assign_role. The rows
// are written while they are sent, so do not change them meanwhile. Unavailable with code busy when the server is busy with other bulks.
func (c *Client) BulkAssign(
	ctx context.Context, communityID int64, mode propusk.Mode, rows []propusk.Assignment,
) ([]propusk.Assigned, error) {
	if len(rows) > maxRows {
		return nil, propusk.InvalidField("members", "must have at most 100000 rows")
	}
	out, err := c.in(communityID, http.MethodPost, "members", "bulk")
	if err != nil {
		return nil, err
	}
	body, written := stream(func(w io.Writer) error { return writeBulk(w, mode, rows) })
	out.body, out.limit, out.timeout, out.patient = body, maxBulkAnswer, max(c.timeout, bulkTimeout), true
	var answer bulkAnswer
	err = c.do(ctx, out, &answer)
	_ = body.Close()
	if errors.Is(<-written, errTooLarge) {
		return nil, propusk.InvalidField("members", "must be at most 64 MiB together: send them in parts")
	}
	if err != nil {
		return nil, err
	}
	return out.assigned(answer, len(rows))
}

func (out call) assigned(answer bulkAnswer, n int) ([]propusk.Assigned, error) {
	if len(answer.Results) != n {
		return nil, out.odd(errors.New("there are not as many results as rows"))
	}
	assigned := make([]propusk.Assigned, n)
	for i, r := range answer.Results {
		assigned[i] = propusk.Assigned{UserID: r.UserID, Status: propusk.AssignedStatus(r.Status), Roles: r.Roles}
	}
	return assigned, nil
}

// stream lets one read what write writes. Closing the reader ends the writing, and written then has its error.
func stream(write func(io.Writer) error) (body *io.PipeReader, written <-chan error) {
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := write(writer)
		_ = writer.CloseWithError(err) // never fails
		done <- err
	}()
	return reader, done
}

var errTooLarge = errors.New("client: the bulk is too large")

// writeBulk writes row by row, so that a bulk needs no memory of its own.
func writeBulk(to io.Writer, mode propusk.Mode, rows []propusk.Assignment) error {
	w := bufio.NewWriterSize(&bounded{to: to, left: maxBulkBytes}, 32<<10)
	start, err := json.Marshal(mode)
	if err != nil {
		return err
	}
	_, _ = w.WriteString(`{"mode":` + string(start) + `,"members":[`) // w keeps its first error for Flush
	for i, row := range rows {
		body := rowBody{UserID: row.UserID, AuthorID: row.AuthorID}
		if row.Roles != nil {
			body.Roles = &row.Roles
		}
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		if i > 0 {
			_ = w.WriteByte(',')
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	_, _ = w.WriteString("]}")
	return w.Flush()
}

// bounded refuses to write more than the server reads.
type bounded struct {
	to   io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errTooLarge
	}
	return b.to.Write(p)
}
