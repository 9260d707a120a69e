package rest

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/access"
)

// APIKey is a key for a service; what opens anything is not in it.
type APIKey struct {
	ID          string     `json:"id" format:"uuid"`
	Name        string     `json:"name"`
	IssuerID    string     `json:"issuer_id" format:"uuid" doc:"The user_id of whose key it is"`
	Permissions []string   `json:"permissions" doc:"What it may at most do; * for all that its issuer may"`
	CreatedAt   time.Time  `json:"created_at"`
	LastUsed    *time.Time `json:"last_used" doc:"A minute late at most; null for never"`
	ExpiresAt   *time.Time `json:"expires_at" doc:"null for never"`
}

// IssuedAPIKey is a new key.
type IssuedAPIKey struct {
	APIKey
	Key string `json:"key" doc:"Send it as Authorization: Bearer …; it is shown only this once"`
}

// APIKeyList is all keys.
type APIKeyList struct {
	Keys []APIKey `json:"keys"`
}

func toAPIKey(k access.Key) APIKey {
	out := APIKey{ID: k.ID, Name: k.Name, IssuerID: k.Issuer.UserID, Permissions: k.Permissions, CreatedAt: k.CreatedAt.UTC()}
	if k.Permissions == nil {
		out.Permissions = []string{"*"}
	}
	if !k.LastUsed.IsZero() {
		out.LastUsed = new(k.LastUsed.UTC())
	}
	if !k.ExpiresAt.IsZero() {
		out.ExpiresAt = new(k.ExpiresAt.UTC())
	}
	return out
}

type newAPIKey struct {
	Body struct {
		Name        string   `json:"name" minLength:"1" maxLength:"400" doc:"What it is for" example:"web site"`
		Permissions []string `json:"permissions" minItems:"1" maxItems:"100" doc:"What it may at most do: permissions of the platform or of communities, or * alone for all that you may" example:"[\"access:check\"]"`
		ExpiresIn   int64    `json:"expires_in,omitempty" minimum:"60" maximum:"315360000" doc:"Seconds it is good for; until it is revoked when left out"`
	}
}

type apiKeyPath struct {
	ID string `path:"id" maxLength:"36" format:"uuid"`
}

func (d *Door) apiKeys(api huma.API) {
	const path = "/api/admin/api-keys"
	op := func(method, path, id, summary string, errors ...int) huma.Operation {
		op := signedIn(operation(method, path, id, summary+"; needs api_key:manage", "Administration"))
		op.Errors = append(append(op.Errors, http.StatusForbidden), errors...)
		return op
	}
	issue := op(http.MethodPost, path, "issue-api-key", "Make a key for a service")
	issue.DefaultStatus = http.StatusCreated
	huma.Register(api, issue, answer(d, func(ctx context.Context, me propusk.Pass, in *newAPIKey) (IssuedAPIKey, error) {
		key, secret, err := d.Access.IssueKey(ctx, me, access.NewKey{
			Name: in.Body.Name, Permissions: in.Body.Permissions, ExpiresIn: time.Duration(in.Body.ExpiresIn) * time.Second,
		})
		return IssuedAPIKey{APIKey: toAPIKey(key), Key: secret}, err
	}))

	huma.Register(api, op(http.MethodGet, path, "list-api-keys", "Keys for services"),
		answer(d, func(ctx context.Context, me propusk.Pass, _ *none) (APIKeyList, error) {
			found, err := d.Access.Keys(ctx, me)
			keys := APIKeyList{Keys: make([]APIKey, len(found))}
			for i, k := range found {
				keys.Keys[i] = toAPIKey(k)
			}
			return keys, err
		}))

	huma.Register(api, op(http.MethodDelete, path+"/{id}", "revoke-api-key", "End a key", http.StatusNotFound),
		answer(d, func(ctx context.Context, me propusk.Pass, in *apiKeyPath) (none, error) {
			return none{}, d.Access.RevokeKey(ctx, me, in.ID)
		}))
}
