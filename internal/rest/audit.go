package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/audit"
)

// AuditEvent is one thing that somebody did.
type AuditEvent struct {
	ID        int64          `json:"id"`
	At        time.Time      `json:"at"`
	Actor     string         `json:"actor" doc:"The user_id of who did it, or operator for the command line of the machine"`
	Action    string         `json:"action" example:"user.block"`
	Target    string         `json:"target" doc:"The user_id of whom it was done to, or the name of another thing"`
	Address   string         `json:"address" doc:"Where the request came from"`
	RequestID string         `json:"request_id" doc:"Names the request in the server's log"`
	Before    map[string]any `json:"before" doc:"What changed, as it was"`
	After     map[string]any `json:"after" doc:"What changed, as it became"`
	BulkID    *int64         `json:"bulk_id" doc:"Names the rows that this event stands for; null for an event that stands for itself"`
}

// BulkRow is what a bulk did to one account.
type BulkRow struct {
	UserID string   `json:"user_id" format:"uuid"`
	Member bool     `json:"member" doc:"Was a member before"`
	Before []string `json:"before" doc:"The roles before"`
	After  []string `json:"after" doc:"The roles after"`
}

// BulkRowPage is a page of what a bulk did.
type BulkRowPage struct {
	Rows    []BulkRow `json:"rows"`
	Total   int       `json:"total"`
	Page    int       `json:"page"`
	Limit   int       `json:"limit"`
	HasNext bool      `json:"has_next"`
}

type bulkSearch struct {
	BulkID int64 `path:"bulk_id" minimum:"1"`
	Paging
}

// AuditPage is a page of the audit, the latest first.
type AuditPage struct {
	Events  []AuditEvent `json:"events"`
	Total   int          `json:"total"`
	Page    int          `json:"page"`
	Limit   int          `json:"limit"`
	HasNext bool         `json:"has_next"`
}

type auditSearch struct {
	Actor  string `query:"actor" maxLength:"36"`
	Target string `query:"target" maxLength:"64"`
	Action string `query:"action" maxLength:"64"`
	Paging
}

func (d *Door) audit(api huma.API) {
	op := signedInOrKey(operation(http.MethodGet, "/api/admin/audit", "audit", "Who did what to whom; needs audit:read", "Administration"))
	op.Errors = append(op.Errors, http.StatusForbidden)
	huma.Register(api, op, answer(d, func(ctx context.Context, me propusk.Pass, in *auditSearch) (AuditPage, error) {
		events, total, err := d.Audit.List(ctx, me, audit.Filter{
			Actor: in.Actor, Target: in.Target, Action: in.Action, Offset: in.offset(), Limit: in.Limit,
		})
		page := AuditPage{Events: make([]AuditEvent, len(events)), Total: total, Page: in.Page, Limit: in.Limit}
		for i, e := range events {
			page.Events[i] = toAuditEvent(e)
		}
		page.HasNext = in.offset()+len(events) < total
		return page, err
	}))

	rows := signedInOrKey(operation(http.MethodGet, "/api/admin/audit/bulk/{bulk_id}", "audit-bulk", "What a bulk, or taking a role away from all, did to whom; needs audit:read", "Administration"))
	rows.Errors = append(rows.Errors, http.StatusForbidden, http.StatusNotFound)
	huma.Register(api, rows, answer(d, func(ctx context.Context, me propusk.Pass, in *bulkSearch) (BulkRowPage, error) {
		found, total, err := d.Audit.Rows(ctx, me, in.BulkID, in.offset(), in.Limit)
		page := BulkRowPage{Rows: make([]BulkRow, len(found)), Total: total, Page: in.Page, Limit: in.Limit}
		for i, r := range found {
			page.Rows[i] = BulkRow{UserID: r.UserID, Member: r.Member, Before: list(r.Before), After: list(r.After)}
		}
		page.HasNext = in.offset()+len(found) < total
		return page, err
	}))
}

// toAuditEvent shows an event as it is; one of a bulk that was asked for by account, as what it did to that account.
func toAuditEvent(e audit.Event) AuditEvent {
	out := AuditEvent{
		ID: e.ID, At: e.At, Actor: e.Actor, Action: e.Action, Target: e.Target, Address: e.Address, RequestID: e.RequestID,
		Before: object(e.Before), After: object(e.After),
	}
	if e.BulkID != 0 {
		out.BulkID = &e.BulkID
	}
	if e.Row != nil {
		out.Before["roles"], out.After["roles"] = list(e.Row.Before), list(e.Row.After)
	}
	return out
}

// object reads what the audit keeps as text; what is no object there cannot have been written by us and is shown as nothing.
func object(text string) map[string]any {
	out := map[string]any{}
	if json.Unmarshal([]byte(text), &out) != nil {
		return map[string]any{}
	}
	return out
}
