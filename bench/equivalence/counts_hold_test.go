//go:build hold

package equivalence

// requests is how many are asked in all, of so many policies.
const requests, policies = 100_000, 20
