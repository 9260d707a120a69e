package rest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/propusk/propusk/internal/rest"
)

var update = flag.Bool("update", false, "write api/openapi.json anew")

// api/openapi.json is what programs are generated from; it changes only on purpose.
func TestOpenAPIIsAsPublished(t *testing.T) {
	t.Parallel()
	raw, err := new(rest.Door).OpenAPI().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	const path = "../../api/openapi.json"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the API has changed; if on purpose, run go test ./internal/rest -run OpenAPI -update\n(-want +got)\n%s", diff)
	}
}
