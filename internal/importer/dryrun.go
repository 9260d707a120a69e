package importer

import (
	"slices"
	"time"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/store"
	"github.com/propusk/propusk/rbac"
)

// memory is what a dry run would have written, as far as later rows hang on it.
type memory struct {
	// numbers are what rows would have become, and addresses and slugs whose they would be.
	numbers         map[store.ImportKind]map[string]int64
	addresses       map[string]int64
	slugs           map[string]bool
	communities     map[int64]propusk.Community
	communitySlugs  map[string]int64
	members         map[pair]struct{}
	followers       map[pair]struct{}
	inactive, ruled map[int64]bool
	last            int64
}

// firstGhost is above every number that there is.
const firstGhost = 1 << 31

// pair is somebody in a community, both numbers in one: a million of them have to be remembered.
type pair uint64

func pairOf(communityID, accountID int64) pair {
	return pair(communityID)<<32 | pair(uint32(accountID))
}

func newMemory() *memory {
	return &memory{
		numbers:   map[store.ImportKind]map[string]int64{store.ImportedAccount: {}, store.ImportedCommunity: {}},
		addresses: map[string]int64{}, slugs: map[string]bool{}, communities: map[int64]propusk.Community{}, communitySlugs: map[string]int64{},
		members: map[pair]struct{}{}, followers: map[pair]struct{}{}, inactive: map[int64]bool{}, ruled: map[int64]bool{},
		last: firstGhost,
	}
}

// number is the kept one, or one that nobody has.
func (m *memory) number(kept int64) int64 {
	if kept != 0 {
		return kept
	}
	m.last++
	return m.last
}

// ghost is the database as it would be: what is there, and what the dry run would have written. Rows that it would add have numbers that no
// row has.
type ghost struct {
	store.Reader
	*memory
}

// orElse fills in what memory knows where the database knows nothing.
func orElse(ids []int64, err error, asked []string, known map[string]int64) ([]int64, error) {
	for i := range ids {
		if ids[i] == 0 {
			ids[i] = known[asked[i]]
		}
	}
	return ids, err
}

// Imported implements store.ImportReader.
func (g ghost) Imported(source string, kind store.ImportKind, keys []string) ([]int64, error) {
	ids, err := g.Reader.Imported(source, kind, keys)
	return orElse(ids, err, keys, g.numbers[kind])
}

// EmailHolders implements store.ImportReader.
func (g ghost) EmailHolders(keys []string) ([]int64, error) {
	ids, err := g.Reader.EmailHolders(keys)
	return orElse(ids, err, keys, g.addresses)
}

// SlugsTaken implements store.ImportReader.
func (g ghost) SlugsTaken(slugs []string) ([]bool, error) {
	taken, err := g.Reader.SlugsTaken(slugs)
	for i := range taken {
		taken[i] = taken[i] || g.slugs[slugs[i]]
	}
	return taken, err
}

// SlugExists implements store.UserReader.
func (g ghost) SlugExists(slug string) (bool, error) {
	if g.slugs[slug] {
		return true, nil
	}
	return g.Reader.SlugExists(slug)
}

// CommunitiesBySlug implements store.ImportReader.
func (g ghost) CommunitiesBySlug(slugs []string) ([]int64, error) {
	ids, err := g.Reader.CommunitiesBySlug(slugs)
	return orElse(ids, err, slugs, g.communitySlugs)
}

// CommunitySlugExists implements store.CommunityReader.
func (g ghost) CommunitySlugExists(slug string) (bool, error) {
	if g.communitySlugs[slug] != 0 {
		return true, nil
	}
	return g.Reader.CommunitySlugExists(slug)
}

// Community implements store.CommunityReader.
func (g ghost) Community(id int64) (propusk.Community, error) {
	if is, kept := g.communities[id]; kept {
		return is, nil
	}
	return g.Reader.Community(id)
}

// Standings implements store.ImportReader.
func (g ghost) Standings(keys []store.StandingKey) ([]store.Standing, error) {
	standings, err := g.Reader.Standings(keys)
	for i := range standings {
		_, member := g.members[pairOf(keys[i].CommunityID, keys[i].AccountID)]
		_, follower := g.followers[pairOf(keys[i].CommunityID, keys[i].AccountID)]
		standings[i].Member = standings[i].Member || member
		standings[i].Follower = standings[i].Follower || follower
	}
	return standings, err
}

// ActiveHolders implements store.MemberReader for admins.
func (g ghost) ActiveHolders(id int64, role string, limit int) (int, error) {
	if g.ruled[id] {
		return 1, nil
	}
	return g.Reader.ActiveHolders(id, role, limit)
}

// ReserveNumbers implements store.ImportWriter. What was given and is gone again nobody can see, so a run may keep fewer numbers than this says.
func (g ghost) ReserveNumbers(kind store.ImportKind, _ int64) (int64, error) {
	if kind == store.ImportedCommunity {
		return g.lastCommunity()
	}
	_, total, err := g.Users(store.UserFilter{Limit: 1})
	if err != nil || total == 0 {
		return 0, err
	}
	last, _, err := g.Users(store.UserFilter{Offset: total - 1, Limit: 1})
	if err != nil || len(last) == 0 {
		return 0, err
	}
	return last[0].ID, nil
}

func (g ghost) lastCommunity() (last int64, err error) {
	for {
		refs, err := g.GrantsRefs(last, chunkRows)
		if err != nil || len(refs) == 0 {
			return last, err
		}
		last = refs[len(refs)-1].CommunityID
	}
}

// InsertUsers implements store.ImportWriter.
func (g ghost) InsertUsers(users []store.UserRow) ([]int64, error) {
	ids := make([]int64, len(users))
	for i, user := range users {
		ids[i] = g.number(user.ID)
		g.addresses[user.EmailKey], g.slugs[user.Slug] = ids[i], true
		if !user.IsActive {
			g.inactive[ids[i]] = true
		}
	}
	return ids, nil
}

// InsertNumberedCommunity implements store.ImportWriter.
func (g ghost) InsertNumberedCommunity(c propusk.Community) error {
	_, err := g.InsertCommunity(c)
	return err
}

// InsertCommunity implements store.CommunityWriter.
func (g ghost) InsertCommunity(c propusk.Community) (propusk.Community, error) {
	c.ID = g.number(c.ID)
	c.Name, c.Description = "", "" // nobody asks for them, and there may be very many
	g.communities[c.ID], g.communitySlugs[c.Slug] = c, c.ID
	return c, nil
}

// DeleteCommunity implements store.CommunityWriter.
func (g ghost) DeleteCommunity(int64, time.Time) error { return nil }

// KeepGrants implements store.CommunityWriter.
func (g ghost) KeepGrants(store.GrantsHash, []byte) error { return nil }

// SetCommunityRole implements store.CommunityWriter.
func (g ghost) SetCommunityRole(int64, store.RoleRow) error { return nil }

// InsertMembers implements store.ImportWriter.
func (g ghost) InsertMembers(rows []store.MemberRow) error {
	for _, row := range rows {
		g.members[pairOf(row.CommunityID, row.AccountID)] = struct{}{}
		if slices.Contains(row.Roles, rbac.Admin) && !g.inactive[row.AccountID] {
			g.ruled[row.CommunityID] = true
		}
	}
	return nil
}

// InsertFollowers implements store.ImportWriter.
func (g ghost) InsertFollowers(rows []store.FollowerRow) error {
	for _, row := range rows {
		g.followers[pairOf(row.CommunityID, row.AccountID)] = struct{}{}
	}
	return nil
}

// SetImported implements store.ImportWriter. Of members and followers the standing is enough.
func (g ghost) SetImported(_ string, kind store.ImportKind, keys []string, numbers []int64) error {
	known, kept := g.memory.numbers[kind]
	if !kept {
		return nil
	}
	for i, key := range keys {
		known[key] = numbers[i]
	}
	return nil
}
