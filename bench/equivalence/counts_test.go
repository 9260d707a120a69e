//go:build !hold

package equivalence

// requests is how many are asked in all, of so many policies.
const requests, policies = 2_000, 4
