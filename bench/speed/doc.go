// Command speed times Propusk beside what people would use instead, in one run, and writes what it found as text and as a plot:
//
//   - the check inside one's own process, beside a bare Go map and beside Casbin, in each of its enforcers and layouts;
//   - POST /api/check and GET /api/users/me of the real program, beside a bare net/http handler that sends the same bytes;
//   - logins, beside what hashing passwords alone allows.
//
// Nothing is timed that answers wrongly: first every enforcer of Casbin has to agree with the table in decisions/, and every answer that is
// timed is compared with what the policy says. Rounds of all who are compared alternate, so that a busy machine slows all of them; medians
// are printed. docs/performance.md says what the figures mean.
//
//	go -C bench run ./speed                  about five minutes; writes bench/results/latest.txt and latest.svg
//	go -C bench run ./speed -update-docs     and copies the text into docs/performance.md
//	go -C bench run ./speed -only check -sizes 1000 -rounds 3
package main
