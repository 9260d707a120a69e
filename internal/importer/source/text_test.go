package source_test

import (
	"strings"
	"testing"
	"time"

	"github.com/propusk/propusk/internal/importer/source"
)

func TestTimesAreReadOrRefused(t *testing.T) {
	t.Parallel()
	noon := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2024-02-29T12:00:00Z": noon, "2024-02-29T15:00:00+03:00": noon, "1709208000": noon, "1709208000.75": noon,
		"": {}, "yesterday": {}, "1709208000000": {}, "-1": {}, "NaN": {}, "1969-12-31T00:00:00Z": {},
	} {
		at, understood := source.ParseTime(text, time.RFC3339)
		if !at.Equal(want) || understood == want.IsZero() {
			t.Errorf("%q is %v, %v, want %v", text, at, understood, want)
		}
	}
}

func TestAnExcerptIsShort(t *testing.T) {
	t.Parallel()
	if got := source.Excerpt("a \"word\"\n"); got != `"a \"word\"\n"` {
		t.Errorf("got %s", got)
	}
	if got, want := source.Excerpt(strings.Repeat("я", 1000)), `"`+strings.Repeat("я", 60)+`…"`; got != want {
		t.Errorf("got %s", got)
	}
}
