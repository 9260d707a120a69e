package source

import (
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Excerpt quotes text that is no secret, and shortens it.
func Excerpt(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// maxUnix is the last second that is one: beyond are milliseconds.
const maxUnix = 1 << 36

// ParseTime reads a time in one of the layouts of package time, or as seconds since 1970, to the second. A text without a zone is UTC.
func ParseTime(text string, layouts ...string) (at time.Time, understood bool) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil && at.Year() >= 1970 {
			return at.UTC().Truncate(time.Second), true
		}
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 && seconds < maxUnix {
		return time.Unix(int64(seconds), 0).UTC(), true
	}
	return time.Time{}, false
}
