// Package audit tells who did what to whom. What it tells is written in the transaction of the deed, so there is neither a deed without
// an entry nor an entry without a deed.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// Operator is the actor of what was done at the command line of the machine.
const Operator = "operator"

// Entry is one deed.
type Entry struct {
	// Action is what was done: user.block and the like.
	Action string
	// Target is the user_id of whom it was done to, or the name of another thing.
	Target string
	// Before and After are the fields that changed. No secret and no hash of one belongs there.
	Before, After Fields
	// BulkID is the bulk whose rows this deed is, if it is one.
	BulkID int64
}

// Fields are names and values as they are in the API.
type Fields map[string]any

// Record writes an entry of what the caller does in tx. If it cannot be written, neither can the deed.
func Record(tx store.Tx, at time.Time, by propusk.Pass, e Entry) error {
	before, err := encode(e.Before)
	if err != nil {
		return err
	}
	after, err := encode(withKey(e.After, by.KeyID))
	if err != nil {
		return err
	}
	return tx.InsertAuditEvent(store.AuditEvent{
		At: at, Actor: actor(by), Action: e.Action, Target: e.Target,
		Address: by.Origin.Address, RequestID: by.Origin.RequestID, Before: before, After: after, BulkID: e.BulkID,
	})
}

func actor(by propusk.Pass) string {
	if by.Operator {
		return Operator
	}
	return by.User.UserID
}

// withKey tells a deed done with an API key from one that its issuer did in person.
func withKey(f Fields, keyID string) Fields {
	if keyID == "" {
		return f
	}
	told := Fields{"api_key": keyID}
	maps.Copy(told, f)
	return told
}

func encode(f Fields) (string, error) {
	if f == nil {
		return "{}", nil
	}
	raw, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("audit: %w", err)
	}
	return string(raw), nil
}

// Trail reads the audit.
type Trail struct {
	Store store.Store
	// Authorize requires a permission of the caller.
	Authorize func(store.Reader, propusk.Pass, rbac.Permission) (propusk.Pass, error)
}

// Filter selects events; zero fields select everything.
type Filter = store.AuditFilter

// Event is one of them.
type Event = store.AuditEvent

// List is a page of events, the latest first, and how many match in all. It needs audit:read.
func (t *Trail) List(ctx context.Context, caller propusk.Pass, filter Filter) (events []store.AuditEvent, total int, err error) {
	err = t.Store.View(ctx, func(r store.Reader) error {
		if _, err := t.Authorize(r, caller, rbac.MustPermission("audit:read")); err != nil {
			return err
		}
		events, total, err = r.AuditEvents(filter)
		return err
	})
	return events, total, err
}

// Rows is a page of what a bulk did to whom, by account, and how many rows it has. It needs audit:read. A bulk that was never applied is not
// found.
func (t *Trail) Rows(ctx context.Context, caller propusk.Pass, bulkID int64, offset, limit int) (rows []store.BulkRow, total int, err error) {
	err = t.Store.View(ctx, func(r store.Reader) error {
		if _, err := t.Authorize(r, caller, rbac.MustPermission("audit:read")); err != nil {
			return err
		}
		rows, total, err = r.BulkRows(bulkID, offset, limit)
		return err
	})
	if err == nil && total == 0 {
		err = &propusk.Error{Kind: propusk.NotFound, Code: "bulk_not_found", Message: "the audit has no such bulk"}
	}
	return rows, total, err
}
