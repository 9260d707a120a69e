//go:build leaserules

package lease

import (
	"fmt"
	"os"
)

// taken are the rules that LEASERULES_WITHOUT names, by the names of their switches: this build is for tests
// that show what happens then. It does not begin with PROPUSK_, where the program knows all names and refuses others.
func taken() (r rules) {
	switches := map[string]*bool{
		"noEpoch": &r.noEpoch, "leaseFromReceipt": &r.leaseFromReceipt, "noMarkCheck": &r.noMarkCheck, "ackFirst": &r.ackFirst,
		"leaveOrder": &r.leaveOrder, "noWait": &r.noWait, "noopAtOnce": &r.noopAtOnce, "deleteAtOnce": &r.deleteAtOnce,
		"noOwnNews": &r.noOwnNews, "noFreshServerRule": &r.noFreshServerRule, "serveBeforeRow": &r.serveBeforeRow, "noJoinCheck": &r.noJoinCheck,
		"registryFirst": &r.registryFirst, "skipSelf": &r.skipSelf, "noPending": &r.noPending, "ownLeaseShortcut": &r.ownLeaseShortcut,
	}
	name := os.Getenv("LEASERULES_WITHOUT")
	switch name {
	case "", "noFillToken", "noLeaseCheck", "checkAtStart": // those are of packages memory and access
		return r
	}
	one, ok := switches[name]
	if !ok {
		panic(fmt.Sprintf("lease: there is no rule %q", name))
	}
	*one = true
	return r
}
