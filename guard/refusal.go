package guard

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/propusk/propusk"
)

// refusal is what may be told of an error. What is not meant for clients is told as an internal error, and denies all the same.
func refusal(err error) *propusk.Error {
	var e *propusk.Error
	if errors.As(err, &e) && e.Kind != propusk.Internal {
		return e
	}
	return &propusk.Error{Kind: propusk.Internal, Code: "internal", Message: "something went wrong on our side"}
}

// Status is the HTTP status of a refusal.
func Status(err error) int {
	switch refusal(err).Kind {
	case propusk.Invalid:
		return http.StatusUnprocessableEntity
	case propusk.Unauthenticated:
		return http.StatusUnauthorized
	case propusk.Forbidden:
		return http.StatusForbidden
	case propusk.NotFound:
		return http.StatusNotFound
	case propusk.Conflict:
		return http.StatusConflict
	case propusk.RateLimited:
		return http.StatusTooManyRequests
	case propusk.Unavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// problem is the body of RFC 9457.
type problem struct {
	Title      string `json:"title"`
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	Permission string `json:"permission,omitempty"`
}

// WriteProblem answers a request with a refusal as application/problem+json (RFC 9457).
func WriteProblem(w http.ResponseWriter, _ *http.Request, err error) {
	e, status := refusal(err), Status(err)
	if e.Kind == propusk.Unauthenticated {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	}
	write(w, "application/problem+json", status, problem{
		Title: http.StatusText(status), Status: status, Code: e.Code, Detail: e.Error(), Permission: e.Permission,
	})
}

// result is the seed's way to say it.
type result struct {
	Success bool   `json:"success"`
	Error   string `json:"error,omitempty"`
}

// WriteResult answers a request with {"success":false,"error":"…"} of the seed, and with {"success":true} when err is nil.
func WriteResult(w http.ResponseWriter, _ *http.Request, err error) {
	if err == nil {
		write(w, "application/json", http.StatusOK, result{Success: true})
		return
	}
	write(w, "application/json", Status(err), result{Error: refusal(err).Error()})
}

func write(w http.ResponseWriter, contentType string, status int, body any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
