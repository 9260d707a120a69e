//go:build hold

package rbactest_test

const pairs = 10_000_000
