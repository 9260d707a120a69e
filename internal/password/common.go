package password

import (
	_ "embed"
	"strings"
)

// common is one password a line, in lower case, sorted by bytes. It is searched where it lies in the executable, so it
// takes no heap and no time at the start. Origin and licence: common.txt.license.
//
//go:embed common.txt
var common string

// isCommon says whether password, with its letters in lower case, is a line of common.
func isCommon(password string) bool {
	wanted := strings.ToLower(password)
	low, high := 0, len(common) // always at the start of a line, or at the end of the text
	for low < high {
		middle := low + (high-low)/2
		start := low + strings.LastIndexByte(common[low:middle], '\n') + 1
		end := start + strings.IndexByte(common[start:], '\n')
		switch strings.Compare(common[start:end], wanted) {
		case 0:
			return true
		case -1:
			low = end + 1
		default:
			high = start
		}
	}
	return false
}
