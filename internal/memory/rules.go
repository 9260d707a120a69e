//go:build !leaserules

package memory

// noFillToken remembers what was read before a change: no build that people get does.
const noFillToken = false
