package rbac

// bitset is a set of numbers below the size it was made for.
type bitset []uint64

func newBitset(size int) bitset { return make(bitset, (size+63)/64) }

func (b bitset) add(i int) { b[i/64] |= 1 << (i % 64) }

func (b bitset) has(i int) bool { return b[i/64]&(1<<(i%64)) != 0 }

// unite adds all of other, which must not be larger than b.
func (b bitset) unite(other bitset) {
	for i, word := range other {
		b[i] |= word
	}
}
