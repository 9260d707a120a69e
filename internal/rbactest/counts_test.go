//go:build !hold

package rbactest_test

// pairs is how many pairs of pattern and permission are compared; with -tags hold it is as many as the claim says.
const pairs = 200_000
