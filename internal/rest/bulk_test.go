package rest

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/propusk/propusk"
)

// TestASlowBulkLeavesRoomForOthers: an admin of one community who sends byte by byte does not keep all others from bulks.
func TestASlowBulkLeavesRoomForOthers(t *testing.T) {
	t.Parallel()
	const small, large = 1000, largeBulk + 1000
	var all bulks
	begin := func(caller int64, size int) (*bulkBody, error) {
		text := `{"mode":"add",` + strings.Repeat(" ", size) + `"members":[]}`
		b := &bulkBody{Reader: strings.NewReader(text), bulks: &all, caller: caller}
		_, _, err := readBulk(b)
		return b, err
	}
	refused := func(what string, caller int64) {
		t.Helper()
		b, err := begin(caller, large)
		if !errors.Is(err, &propusk.Error{Code: "busy"}) || propusk.KindOf(err) != propusk.Unavailable {
			t.Errorf("%s: %v", what, err)
		}
		b.leave() // which takes nobody's place away
	}
	taken := func(what string, caller int64, size int) *bulkBody {
		t.Helper()
		b, err := begin(caller, size)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return b
	}
	slow := &bulkBody{Reader: strings.NewReader(strings.Repeat(" ", large)), bulks: &all, caller: 1}
	if _, err := io.ReadFull(slow, make([]byte, large)); err != nil {
		t.Fatal(err)
	}
	refused("a second large one of the same caller", 1)
	for caller := range int64(4) {
		taken("a small one", caller, small).leave()
	}
	other := taken("a large one of another caller", 2, large)
	refused("a third large one", 3)
	refused("a second one of the other caller", 2)
	other.leave()
	taken("a large one when there is room again", 3, large).leave()
	slow.leave()
	taken("the next large one of the same caller", 1, large).leave()
}
