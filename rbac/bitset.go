package rbac

// bitset is a set of small numbers. The zero value is empty.
type bitset []uint64

func newBitset(size int) bitset { return make(bitset, (size+63)/64) }

func (b bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

// has reports whether i is in the set; a number beyond its size is not.
func (b bitset) has(i int) bool {
	return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0
}

// unite adds all of other, which must not be larger than b.
func (b bitset) unite(other bitset) {
	for i, word := range other {
		b[i] |= word
	}
}
