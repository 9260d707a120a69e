// Package equivalence proves "propusk import casbin": random policies of Casbin, RBAC with domains, are imported by the code that the command
// runs, and then Casbin's own enforcer and Propusk answer the same random requests.
//
// "go test" asks 2,000 requests, "go test -tags hold" 100,000.
package equivalence
