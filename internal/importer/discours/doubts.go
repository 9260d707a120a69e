package discours

import (
	"fmt"

	"github.com/propusk/propusk/internal/importer/source"
)

// maxOdd bounds what is told of one row: who wrote a million wrong lines wants to know of a few, and how many more there are.
const maxOdd = 100

// doubts are the parts of a row that were not understood.
type doubts struct {
	list []source.Odd
	more int
}

// count counts one more where there are too many to be told, and reports whether there are.
func (d *doubts) count() bool {
	if len(d.list) < maxOdd {
		return false
	}
	d.more++
	return true
}

func (d *doubts) doubt(part, why string) {
	if d.count() {
		return
	}
	d.list = append(d.list, source.Odd{Part: part, Why: why})
}

// addAll adds what another one has, each part with before in front of it.
func (d *doubts) addAll(before string, other *doubts) {
	if other == nil {
		return
	}
	for _, odd := range other.list {
		d.doubt(before+odd.Part, odd.Why)
	}
	d.more += other.more
}

// odd is what is told.
func (d *doubts) odd() []source.Odd {
	if d.more == 0 {
		return d.list
	}
	return append(d.list[:len(d.list):len(d.list)], source.Odd{
		Part: fmt.Sprintf("and %d more", d.more), Why: fmt.Sprintf("only the first %d are told one by one", maxOdd),
	})
}
