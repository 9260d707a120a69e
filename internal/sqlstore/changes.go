package sqlstore

import "github.com/propusk/propusk/internal/store"

const (
	// maxSingly is how many memberships one call may change and have each of them logged. Of more it is logged that all of their communities
	// have changed: a log of a million rows would take longer than the change.
	maxSingly = 500
	// maxNews is how many changes are told one by one: they take less time than forgetting everything costs.
	maxNews = 10_000
)

// Changes implements store.ChangeReader.
func (t tx) Changes() ([]store.Change, store.Position, error) { return t.changes(t) }

// Server implements store.ChangeReader.
func (t tx) Server() string { return t.server(t) }

// changingMembers runs a change of at most so many memberships, all of them of these communities.
func (t tx) changingMembers(members int, change func() error, communities ...int64) error {
	if members <= maxSingly {
		return change()
	}
	logged := make([]store.Change, len(communities))
	for i, id := range communities {
		logged[i] = store.Change{Kind: store.ChangedMembers, A: id}
	}
	return t.quietly(t, logged, change)
}
