package password

import "fmt"

// Limits of [Params]. They bound what one hash may cost, whether the parameters were configured or read from a stored
// hash that somebody else wrote.
const (
	maxMemoryKiB   = 128 * 1024
	maxIterations  = 16
	maxParallelism = 16
)

// Params is the cost of one Argon2id hash (RFC 9106).
type Params struct {
	MemoryKiB   uint32 // 8 for each lane up to 131,072 (128 MiB), in KiB
	Iterations  uint32 // passes over that memory, 1 to 16
	Parallelism uint8  // lanes, each on a core of its own, 1 to 16
}

// DefaultParams is what the OWASP Password Storage Cheat Sheet (2025) asks for at least: 19 MiB, two passes, one lane.
func DefaultParams() Params {
	return Params{MemoryKiB: 19 * 1024, Iterations: 2, Parallelism: 1}
}

// Check reports the first field outside its allowed range, with the field's name and that range. The range is what
// Argon2id can compute and a server can afford, so that tests may be fast. It is no advice: of the choices OWASP lists
// as equally strong, the one with the least memory is 7,168 KiB with five passes.
func (p Params) Check() error {
	minMemoryKiB := 8 * uint32(p.Parallelism) // RFC 9106, section 3.1
	switch {
	case p.Parallelism < 1 || p.Parallelism > maxParallelism:
		return fmt.Errorf("password: Parallelism is %d, allowed are 1 to %d", p.Parallelism, maxParallelism)
	case p.Iterations < 1 || p.Iterations > maxIterations:
		return fmt.Errorf("password: Iterations is %d, allowed are 1 to %d", p.Iterations, maxIterations)
	case p.MemoryKiB < minMemoryKiB || p.MemoryKiB > maxMemoryKiB:
		return fmt.Errorf("password: MemoryKiB is %d, allowed are %d to %d", p.MemoryKiB, minMemoryKiB, maxMemoryKiB)
	}
	return nil
}

// phc is the parameters as a PHC string spells them.
func (p Params) phc() string {
	return fmt.Sprintf("m=%d,t=%d,p=%d", p.MemoryKiB, p.Iterations, p.Parallelism)
}

// parsePHC reads exactly what [Params.phc] writes.
func parsePHC(text string) (Params, error) {
	var p Params
	if _, err := fmt.Sscanf(text, "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Iterations, &p.Parallelism); err != nil {
		return Params{}, unreadable("parameters are not m=…,t=…,p=…")
	}
	if p.phc() != text { // leading zeros, signs, spaces, something behind
		return Params{}, unreadable("parameters are not written in their one canonical form")
	}
	if err := p.Check(); err != nil {
		return Params{}, unreadable(err.Error())
	}
	return p, nil
}
