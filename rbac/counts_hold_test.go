//go:build hold

package rbac_test

const pairs = 10_000_000
