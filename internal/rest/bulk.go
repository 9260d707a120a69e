package rest

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/community"
	"github.com/propusk/propusk/rbac"
)

const (
	maxBulkBytes = 64 << 20
	// bulkTime is how long a client may take to send one, and to read the answer.
	bulkTime = 2 * time.Minute
)

// BulkAssignment is one row: an account and its roles.
type BulkAssignment struct {
	UserID   string  `json:"user_id,omitempty" doc:"Names the account; or author_id does"`
	AuthorID int64   `json:"author_id,omitempty" doc:"The account's number (id)"`
	Roles    roleIDs `json:"roles" maxItems:"100"`
}

// roleIDs is a list that does not grow without end while it is read: nobody has judged it yet.
type roleIDs []string

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (r *roleIDs) UnmarshalJSONFrom(in *jsontext.Decoder) error {
	if in.PeekKind() == 'n' {
		return in.SkipValue()
	}
	if token, err := in.ReadToken(); err != nil || token.Kind() != '[' {
		return cmp.Or(err, errNoList)
	}
	*r = roleIDs{}
	for in.PeekKind() != ']' {
		token, err := in.ReadToken()
		switch {
		case err != nil:
			return err
		case token.Kind() != '"':
			return errNoList
		case len(*r) == rbac.MaxRoles:
			return errLongList
		}
		*r = append(*r, token.String())
	}
	_, err := in.ReadToken()
	return err
}

var (
	errNoList   = errors.New("no list of roles")
	errLongList = errors.New("too many roles")
)

// BulkBody is what a bulk is sent as.
type BulkBody struct {
	Mode    string           `json:"mode" enum:"add,replace" doc:"add: beside the roles that a member has; replace: exactly these"`
	Members []BulkAssignment `json:"members" maxItems:"100000"`
}

// BulkResult is what became of one row.
type BulkResult struct {
	UserID string   `json:"user_id"`
	Status string   `json:"status" enum:"added,changed,unchanged"`
	Roles  []string `json:"roles" doc:"The roles that the account has now"`
}

// BulkResults answer a bulk, row by row.
type BulkResults struct {
	Results []BulkResult `json:"results"`
}

// bulk takes up to a hundred thousand rows. huma would hold the whole body in memory before it reads it, so this operation reads and writes
// for itself, and tells huma only what it looks like.
func (d *Door) bulk(api huma.API) {
	op := inCommunity(http.MethodPost, membersPath+"/bulk", "bulk-assign-roles",
		"Give roles to up to 100,000 accounts: all rows or none; needs what set-roles needs for each", http.StatusConflict, http.StatusRequestEntityTooLarge)
	op.Description = "Up to 64 MiB; of more than 1 MiB one at a time. Who is no member is admitted. When rows are wrong, up to a hundred of them are named and nothing is changed."
	schemas := api.OpenAPI().Components.Schemas
	op.Parameters = []*huma.Param{{Name: "id", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int64"}}}
	op.RequestBody = &huma.RequestBody{
		Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: huma.SchemaFromType(schemas, reflect.TypeFor[BulkBody]())}},
	}
	problem := map[string]*huma.MediaType{"application/problem+json": {Schema: huma.SchemaFromType(schemas, reflect.TypeFor[Problem]())}}
	op.Responses = map[string]*huma.Response{
		"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: huma.SchemaFromType(schemas, reflect.TypeFor[BulkResults]())}}},
	}
	for _, status := range op.Errors {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: http.StatusText(status), Content: problem}
	}
	api.OpenAPI().AddOperation(&op)
	api.Adapter().Handle(&op, api.Middlewares().Handler(func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		d.takeBulk(w, r.WithContext(ctx.Context()))
	}))
}

func (d *Door) takeBulk(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bulkTime))
	_ = control.SetWriteDeadline(time.Now().Add(2 * bulkTime))
	results, err := d.doBulk(w, r)
	if unread, ok := errors.AsType[*Problem](err); ok {
		writeProblem(w, r, unread)
		return
	}
	if err != nil {
		writeProblem(w, r, d.problem(r.Context(), err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := writeResults(w, results); err != nil {
		d.Log.Debug("answer not written", "error", err)
	}
}

func (d *Door) doBulk(w http.ResponseWriter, r *http.Request) ([]propusk.Assigned, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || strconv.FormatInt(id, 10) != r.PathValue("id") {
		id = 0 // there is none, which the service says in its own words
	}
	me := passOf(r.Context())
	if err := d.Communities.MayBulk(r.Context(), me, id); err != nil {
		return nil, err
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, notJSON()
	}
	body := &bulkBody{Reader: http.MaxBytesReader(w, r.Body, maxBulkBytes), bulks: &d.bulks, caller: me.User.ID}
	defer body.leave()
	mode, rows, err := readBulk(body)
	if err != nil {
		return nil, err
	}
	return d.Communities.Bulk(r.Context(), me, id, mode, rows)
}

// isJSON reports whether a body is called JSON, or nothing at all, as huma takes others.
func isJSON(contentType string) bool {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	return contentType == "" || mediaType == "application/json"
}

func notJSON() error {
	const status = http.StatusUnsupportedMediaType
	return &Problem{Status: status, Code: codeOf(status), Detail: detailOf(status, ""), Errors: []ProblemField{fieldOf(status, nil)}}
}

// readBulk reads the rows one by one, as strictly as every other body is read.
func readBulk(body io.Reader) (mode propusk.Mode, rows []propusk.Assignment, err error) {
	in := jsontext.NewDecoder(body)
	if err := begins(in, '{'); err != nil {
		return "", nil, err
	}
	seen := map[string]bool{}
	for in.PeekKind() == '"' {
		var key string
		if err := json.UnmarshalDecode(in, &key); err != nil {
			return "", nil, malformed(err, "")
		}
		seen[key] = true
		switch key {
		case "mode":
			err = json.UnmarshalDecode(in, &mode)
		case "members":
			rows, err = readRows(in)
		default:
			err = propusk.InvalidField(strconv.Quote(key[:min(len(key), 40)]), "is not a key of this body: it has mode and members")
		}
		if err != nil {
			return "", nil, malformed(err, key)
		}
	}
	if _, err := in.ReadToken(); err != nil {
		return "", nil, malformed(err, "")
	}
	if _, err := in.ReadToken(); !errors.Is(err, io.EOF) {
		return "", nil, malformed(errTrailing, "")
	}
	for _, key := range []string{"mode", "members"} {
		if !seen[key] {
			return "", nil, propusk.InvalidField(key, "is required")
		}
	}
	return mode, rows, nil
}

var errTrailing = errors.New("there is more after the body")

func begins(in *jsontext.Decoder, with jsontext.Kind) error {
	token, err := in.ReadToken()
	if err == nil && token.Kind() != with {
		err = errors.New("another JSON value")
	}
	if err != nil {
		return malformed(err, "")
	}
	return nil
}

func readRows(in *jsontext.Decoder) (rows []propusk.Assignment, err error) {
	if err := begins(in, '['); err != nil {
		return nil, err
	}
	for in.PeekKind() != ']' {
		at := "members[" + strconv.Itoa(len(rows)) + "]"
		if len(rows) == community.MaxBulk {
			return nil, propusk.InvalidField("members", "must have at most "+strconv.Itoa(community.MaxBulk)+" rows")
		}
		var row BulkAssignment
		if err := json.UnmarshalDecode(in, &row, json.RejectUnknownMembers(true)); err != nil {
			return nil, malformed(err, at)
		}
		rows = append(rows, propusk.Assignment{UserID: row.UserID, AuthorID: row.AuthorID, Roles: row.Roles})
	}
	_, err = in.ReadToken()
	return rows, err
}

// malformed says where the body cannot be read, and never what is written there.
func malformed(err error, where string) error {
	var known *propusk.Error
	var unread *Problem
	var tooLarge *http.MaxBytesError
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &unread):
		return err
	case errors.As(err, &tooLarge):
		return &Problem{
			Status: http.StatusRequestEntityTooLarge, Code: codeOf(http.StatusRequestEntityTooLarge), Detail: "the body is larger than 64 MiB: send it in parts",
		}
	case errors.Is(err, jsontext.ErrDuplicateName) && errors.As(err, &syntactic):
		return propusk.InvalidField(under(where, syntactic.JSONPointer), "is given twice")
	case errors.Is(err, json.ErrUnknownName) && errors.As(err, &semantic):
		return propusk.InvalidField(under(where, semantic.JSONPointer), "is not a key of a row: it has user_id or author_id, and roles")
	case errors.Is(err, errLongList):
		return propusk.InvalidField(where+".roles", "must be at most "+strconv.Itoa(rbac.MaxRoles)+" roles")
	case errors.As(err, &syntactic), where == "":
		return &Problem{
			Status: http.StatusBadRequest, Code: codeOf(http.StatusBadRequest), Detail: "the body must be one JSON object with mode and members, and nothing more",
		}
	}
	return propusk.InvalidField(where, "is not of the type that is described in /docs")
}

// under names the key at the end of a pointer, below where; a key may be as long as the body.
func under(where string, pointer jsontext.Pointer) string {
	key := strings.ToValidUTF8(pointer.LastToken()[:min(len(pointer.LastToken()), 40)], "")
	if where == "" || where == key {
		return key
	}
	return where + "." + key
}

const (
	// largeBulk is from how many bytes on a bulk needs one of the few places.
	largeBulk = 1 << 20
	// maxBulks is how many large bulks are read or carried out at once: each may hold a body of 64 MiB in memory.
	maxBulks = 2
)

// bulkBody is the body of a bulk, which takes a place among the large ones when it turns out to be one.
type bulkBody struct {
	io.Reader
	bulks  *bulks
	caller int64
	read   int
	placed bool
}

// Read implements io.Reader. Unavailable when there is no place.
func (b *bulkBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.read += n; b.read > largeBulk && !b.placed {
		if err := b.bulks.enter(b.caller); err != nil {
			return 0, err
		}
		b.placed = true
	}
	return n, err
}

// leave gives the place back.
func (b *bulkBody) leave() {
	if b.placed {
		b.bulks.leave(b.caller)
	}
}

// bulks are the large ones under way, by the account of their caller. Nobody has two of them: whoever sends slowly takes at most one place.
type bulks struct {
	mu    sync.Mutex
	under map[int64]bool
}

// enter refuses one too many.
func (b *bulks) enter(caller int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.under) == maxBulks || b.under[caller] {
		return &propusk.Error{
			Kind: propusk.Unavailable, Code: "busy", Message: "another large bulk is under way: try again in a moment", RetryAfter: time.Second,
		}
	}
	if b.under == nil {
		b.under = map[int64]bool{}
	}
	b.under[caller] = true
	return nil
}

func (b *bulks) leave(caller int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.under, caller)
}

func writeResults(w io.Writer, results []propusk.Assigned) error {
	out := jsontext.NewEncoder(w)
	for _, token := range []jsontext.Token{jsontext.BeginObject, jsontext.String("results"), jsontext.BeginArray} {
		if err := out.WriteToken(token); err != nil {
			return err
		}
	}
	for _, r := range results {
		if err := json.MarshalEncode(out, BulkResult{UserID: r.UserID, Status: string(r.Status), Roles: list(r.Roles)}); err != nil {
			return err
		}
	}
	for _, token := range []jsontext.Token{jsontext.EndArray, jsontext.EndObject} {
		if err := out.WriteToken(token); err != nil {
			return err
		}
	}
	return nil
}
