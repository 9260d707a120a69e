package store

import (
	"context"
	"time"
)

// ChangeKind is what a Change was about.
type ChangeKind int

// The kinds of changes. Whoever remembers what they read forgets, on a change of that kind,
const (
	// ChangedUser: the account A, its sessions and its API keys;
	ChangedUser ChangeKind = iota + 1
	// ChangedMember: whether and as what the account B is a member of community A;
	ChangedMember
	// ChangedMembers: the same of every account in community A;
	ChangedMembers
	// ChangedCommunity: the community A itself, its settings and which compiled lists hold in it, but not how many members it has;
	ChangedCommunity
	// ChangedAll: everything;
	ChangedAll
	// ChangedNothing: nothing. It only makes others say how far they have come.
	ChangedNothing
)

// Change is one row of the log of changes. It is written in the transaction of the change itself, by the database, so that no way to change
// something can forget it.
type Change struct {
	Kind ChangeKind
	A, B int64
}

// Position is a point in the order of changes. The database made it, and nobody else can tell what it means; nil is none.
type Position any

// ChangeReader tells what the transaction that it belongs to changed.
type ChangeReader interface {
	// Changes are what the transaction has written to the log until now, and possibly some of others that are committed together with it, in
	// the order of the log. at is the position of the last of them, or nil where there are none.
	Changes() (made []Change, at Position, err error)
	// Server tells the server that the transaction runs on from one that takes over from it, and may not have all that is there. "" where none can.
	Server() string
}

// ChangeLog is the log of changes and the registry of those who remember what they read. None of its methods may be called inside an Update.
type ChangeLog interface {
	// Timing is how long a lease holds and how long a change waits, so that all nodes agree, and how often this database bears to be asked.
	Timing(ctx context.Context) (Timing, error)
	// Messenger is nil where looking is so cheap that nobody has to be asked to.
	Messenger() Messenger
	Registrant
	Registry
}

// Timing is what the nodes of one database have agreed on, and how they may go about it.
type Timing struct {
	// Hold is how long a node may answer from memory after it began to renew its lease. Wait is how long a change waits for nodes that do not say
	// that they have seen it.
	Hold, Wait time.Duration
	// Renew is the time from one renewal to the next, Reread that from one look at the registry to the next.
	Renew, Reread time.Duration
}

// News is what a renewal learns, all of it from one snapshot that is younger than the call.
type News struct {
	// Live is false when the row of the node is gone or somebody has marked it.
	Live bool
	// Gap is true when the log no longer has all that happened, and possibly when it only may not.
	Gap bool
	// Server tells one life of a database server from another; "" where there is no server.
	Server string
	// Changes are what was committed since, and possibly some from before, in the order of the log. Of very many it is a single ChangedAll.
	Changes []Change
	// At is where the snapshot stands.
	At Position
}

// Registrant is what a node does about its own row in the registry.
type Registrant interface {
	// Join adds a row under an id that nobody else ever has. name is for people.
	Join(ctx context.Context, id, name string) error
	// News tells what was committed since that position, the position of an earlier News; nil stands for the beginning of the row's life,
	// of which no Changes are told. Own changes may be left out: who made them knows them.
	News(ctx context.Context, id string, since Position) (News, error)
	// Seen writes down that the node has applied everything up to the position of a News. A row that is gone is passed over.
	Seen(ctx context.Context, id string, at Position) error
	// Leave removes the row. One that is gone is passed over.
	Leave(ctx context.Context, id string) error
}

// Poke is what somebody is asked to look at now, instead of a little later.
type Poke int

const (
	// PokeNews asks for a look at the log: somebody has made a change.
	PokeNews Poke = iota
	// PokeSeen asks for a look at the registry: somebody has applied one.
	PokeSeen
)

// Messenger asks others to look. It says nothing about what there is to see, and nothing may depend on it: pokes may be lost, come twice, late,
// or without anybody having sent them.
type Messenger interface {
	// Poke asks everybody who listens. It does not wait; what is asked for several times at once is asked for once.
	Poke(what Poke)
	// Listen calls poked for what is asked for, by this process too, until ctx ends.
	Listen(ctx context.Context, poked func(Poke))
}

// Registered is a row of the registry.
type Registered struct {
	ID, Name string
	// Marked is true when somebody has taken the node for dead.
	Marked bool
	// Seen tells whether the node has applied what was asked about.
	Seen bool
}

// Census is what the registry tells.
type Census struct {
	// Nodes are all rows, marked ones too.
	Nodes []Registered
	// Server is as in News.
	Server string
	// Settled is true when somebody has said of that server that it has been the one for so long that no lease is left which another one gave.
	Settled bool
}

// Registry is what others do about the rows of nodes, and about the log.
type Registry interface {
	// Nodes reads the registry, in one snapshot that is younger than the call. at is a position that Changes or Probe gave; nil stands for the
	// end of the log in that snapshot.
	Nodes(ctx context.Context, at Position) (Census, error)
	// Settle says that about a server. It holds no longer than that life of it, and is passed over where another one answers.
	Settle(ctx context.Context, server string) error
	// Mark says of nodes that they are dead. One that is alive after all forgets what it remembers and joins anew.
	Mark(ctx context.Context, ids []string) error
	// Delete removes those of the rows that are marked.
	Delete(ctx context.Context, ids []string) error
	// Confirm returns when what was found on that server, before the call, is as durable as what an Update of this Store is when it is answered. What
	// is visible need not be: whoever committed it may have been told to wait for a standby no longer. Where another server answers by now it
	// fails: that may have lost it. It may rely on what the last Nodes found.
	Confirm(ctx context.Context, server string) error
	// Probe writes a change of nothing.
	Probe(ctx context.Context) (Position, error)
	// Prune removes what was written to the log until then, and remembers that there is a gap. Something may be left for another time.
	Prune(ctx context.Context, until time.Time) error
}
