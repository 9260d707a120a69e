// Package e2e holds stories told to the real program: built once per run, started as a process of its own on the loopback
// interface, asked over HTTP, killed with kill -9, stopped with SIGTERM, administered from the command line meanwhile.
//
// "go test ./..." tells each story with small counts. "make hold" tells them at the length at which their claims are made, and the
// measurements that need a machine of their own; its -v shows the figures. "make nodes" does so for several nodes over one database.
package e2e
