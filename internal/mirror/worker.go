package mirror

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/rueidis"

	"github.com/propusk/propusk/internal/store"
)

const (
	// page is how many communities are looked at together.
	page = 500
	// batch is how many bytes of lists are read or written together, beside the first: few enough for a slow network, and readers that Redis
	// serves in between hardly notice.
	batch = 512 << 10
	// maxKept is how many bytes of lists are kept while keys are repaired. Most communities have the same lists.
	maxKept = 16 << 20
)

// worker writes the mirror. One goroutine has it.
type worker struct {
	mirror *Mirror
	source Source
	pause  *growing
	// link is what it writes through.
	link *link
	// lists are some that SQL told, by hash, of kept bytes in all.
	lists map[store.GrantsHash]string
	kept  int
	// overflown says that more has changed than was told one by one.
	overflown bool
	// told is the last trouble that was logged, "" after it was over.
	told string
}

// lost marks an error after which the connection is of no use.
type lost struct{ error }

func (l lost) Unwrap() error { return l.error }

// connected connects and works until the connection is lost or ctx ends.
func (w *worker) connected(ctx context.Context) error {
	m := w.mirror
	l, err := connect(ctx, m.endpoint)
	if err != nil {
		return lost{err}
	}
	defer l.close()
	w.link = l
	// What was told until now is part of the first pass.
	m.pending.take()
	m.breaker.reset()
	m.link.Store(l)
	defer m.link.Store(nil)
	return w.work(ctx)
}

// work does what is due. An error means that the connection is lost. After others, of SQL or refusals of Redis, everything is looked at again
// soon, so nothing needs to be remembered.
func (w *worker) work(ctx context.Context) error {
	alive, due := time.NewTicker(pingEvery), time.NewTimer(0)
	defer alive.Stop()
	defer due.Stop()
	for {
		var err error
		var passed bool
		var took time.Duration
		select {
		case <-ctx.Done():
			return nil
		case <-alive.C:
			err = w.ping(ctx)
		case <-w.mirror.pending.signal:
			err = w.changed(ctx)
		case <-due.C:
			begin := time.Now()
			err, passed = w.pass(ctx), true
			took = time.Since(begin)
		}
		w.lists, w.kept = nil, 0
		switch {
		case ctx.Err() != nil:
			return nil
		case isLost(err):
			return err
		case err != nil:
			w.report(err)
			due.Reset(max(w.pause.next(), 9*took))
		case w.overflown:
			due.Reset(0)
		case passed:
			w.wellAgain()
			due.Reset(max(w.mirror.RepairEvery, 9*took))
		}
		w.overflown = false
	}
}

func isLost(err error) bool {
	_, ok := errors.AsType[lost](err)
	return ok
}

// report logs trouble when it begins or becomes another.
func (w *worker) report(err error) {
	w.mirror.failures.Add(1)
	text := w.mirror.endpoint.censor(err)
	if text == w.told {
		return
	}
	w.told = text
	message := "the copy of permissions in Redis is not up to date"
	if isLost(err) {
		message = "Redis is away: permissions are read from the database meanwhile"
	}
	w.mirror.log.Warn(message, "error", text)
}

// wellAgain notes that everything in Redis is as it should be.
func (w *worker) wellAgain() {
	w.pause.reset()
	if w.told != "" {
		w.told = ""
		w.mirror.log.Info("the copy of permissions in Redis is up to date again")
	}
}

// pass looks at all communities.
func (w *worker) pass(ctx context.Context) error {
	for after := int64(0); ; {
		refs, err := w.source.GrantsRefs(ctx, after, page)
		if err != nil {
			return err
		}
		if err := w.repair(ctx, refs); err != nil {
			return err
		}
		// Whoever changes something now shall not wait for the end.
		if err := w.changed(ctx); err != nil {
			return err
		}
		if len(refs) < page {
			return nil
		}
		after = refs[len(refs)-1].CommunityID
	}
}

// changed looks at the communities of which somebody said that they changed.
func (w *worker) changed(ctx context.Context) error {
	ids, all := w.mirror.pending.take()
	w.overflown = w.overflown || all
	for some := range slices.Chunk(ids, page) {
		refs, err := w.current(ctx, some)
		if err != nil {
			return err
		}
		if err := w.repair(ctx, refs); err != nil {
			return err
		}
	}
	return nil
}

// current asks SQL about communities, in the order of ids. One that it does not know is as if deleted.
func (w *worker) current(ctx context.Context, ids []int64) ([]store.GrantsRef, error) {
	refs := make([]store.GrantsRef, 0, len(ids))
	for len(ids) > 0 {
		// Ids that follow one another are asked for together.
		n := 1
		for n < len(ids) && ids[n] == ids[0]+int64(n) {
			n++
		}
		found, err := w.source.GrantsRefs(ctx, ids[0]-1, n)
		if err != nil {
			return nil, err
		}
		for _, id := range ids[:n] {
			i, known := slices.BinarySearchFunc(found, id, func(r store.GrantsRef, id int64) int { return cmp.Compare(r.CommunityID, id) })
			if known {
				refs = append(refs, found[i])
			} else {
				refs = append(refs, store.GrantsRef{CommunityID: id, Deleted: true})
			}
		}
		ids = ids[n:]
	}
	return refs, nil
}

// repair makes the keys of communities what refs say, or something newer.
func (w *worker) repair(ctx context.Context, refs []store.GrantsRef) error {
	wrong, err := w.compare(ctx, refs)
	if err != nil {
		return err
	}
	for len(wrong) > 0 {
		if err := w.write(ctx, wrong); err != nil {
			return err
		}
		if wrong, err = w.outdated(ctx, wrong); err != nil {
			return err
		}
	}
	return nil
}

// outdated returns, of what was just written, what SQL now says otherwise. Another node may have written that already, and we over it: whoever
// writes last also looks last.
func (w *worker) outdated(ctx context.Context, written []store.GrantsRef) ([]store.GrantsRef, error) {
	ids := make([]int64, len(written))
	for i, ref := range written {
		ids[i] = ref.CommunityID
	}
	now, err := w.current(ctx, ids)
	if err != nil {
		return nil, err
	}
	var changed []store.GrantsRef
	for i, ref := range now {
		if ref.Deleted != written[i].Deleted || !ref.Deleted && ref.Hash != written[i].Hash {
			changed = append(changed, ref)
		}
	}
	return changed, nil
}

// compare returns the refs whose keys are not what they say. It first asks for sizes, so that whatever is under the keys, little memory is
// needed to read it.
func (w *worker) compare(ctx context.Context, refs []store.GrantsRef) (wrong []store.GrantsRef, err error) {
	sizes, err := w.sizes(ctx, refs)
	if err != nil {
		return nil, err
	}
	var look []sized
	var total int64
	for i, ref := range refs {
		switch size := sizes[i]; {
		case ref.Deleted && size == 0:
		case ref.Deleted || size <= 0 || size > maxSize:
			wrong = append(wrong, ref)
		default:
			look, total = append(look, sized{ref, size}), total+size
		}
		if total < batch && i < len(refs)-1 {
			continue
		}
		found, err := w.mismatched(ctx, look)
		if err != nil {
			return nil, err
		}
		wrong, look, total = append(wrong, found...), nil, 0
	}
	slices.SortFunc(wrong, func(a, b store.GrantsRef) int { return cmp.Compare(a.CommunityID, b.CommunityID) })
	return wrong, nil
}

// sized is a ref and how many bytes there were under its key.
type sized struct {
	store.GrantsRef
	size int64
}

// sizes are those of the values under the keys, 0 for none and -1 for something that has none. For deleted communities it is the number of
// keys.
func (w *worker) sizes(ctx context.Context, refs []store.GrantsRef) ([]int64, error) {
	b := w.link.client.B()
	results, err := w.send(ctx, len(refs), func(i int) rueidis.Completed {
		if refs[i].Deleted {
			return b.Exists().Key(key(refs[i].CommunityID)).Build()
		}
		return b.Strlen().Key(key(refs[i].CommunityID)).Build()
	})
	if err != nil {
		return nil, err
	}
	sizes := make([]int64, len(results))
	for i, r := range results {
		if sizes[i], err = r.AsInt64(); err != nil {
			sizes[i] = -1 // a list, a set or the like
		}
	}
	return sizes, nil
}

// mismatched returns those whose values have another hash. All of them together are small.
func (w *worker) mismatched(ctx context.Context, look []sized) (wrong []store.GrantsRef, err error) {
	b := w.link.client.B()
	results, err := w.send(ctx, len(look), func(i int) rueidis.Completed {
		// A byte more than there was: somebody may have put something larger there meanwhile.
		return b.Getrange().Key(key(look[i].CommunityID)).Start(0).End(look[i].size).Build()
	})
	if err != nil {
		return nil, err
	}
	for i, r := range results {
		if value, err := r.AsBytes(); err != nil || sha256.Sum256(value) != look[i].Hash {
			wrong = append(wrong, look[i].GrantsRef)
		}
	}
	return wrong, nil
}

// write makes the keys what refs say.
func (w *worker) write(ctx context.Context, refs []store.GrantsRef) error {
	b := w.link.client.B()
	for len(refs) > 0 {
		var values []string
		for total := 0; len(values) < len(refs) && total < batch; {
			value, err := w.value(ctx, refs[len(values)])
			if err != nil {
				return err
			}
			values = append(values, value)
			total += len(value)
		}
		_, err := w.send(ctx, len(values), func(i int) rueidis.Completed {
			if values[i] != "" {
				return b.Set().Key(key(refs[i].CommunityID)).Value(values[i]).Build()
			}
			return b.Del().Key(key(refs[i].CommunityID)).Build()
		})
		if err != nil {
			return err
		}
		w.mirror.writes.Add(uint64(len(values)))
		refs = refs[len(values):]
	}
	return nil
}

// value is what belongs under the key of a community, "" if there must be none.
func (w *worker) value(ctx context.Context, r store.GrantsRef) (string, error) {
	if r.Deleted {
		return "", nil
	}
	if list, ok := w.lists[r.Hash]; ok {
		return list, nil
	}
	list, err := w.source.Grants(ctx, r.Hash)
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && sha256.Sum256(list) != r.Hash:
		// Damage that no repair of ours can mend must not keep the others from theirs.
		w.mirror.log.Error("compiled permissions are missing or damaged in the database", "community", r.CommunityID, "sha256", fmt.Sprintf("%x", r.Hash))
		list = nil
	case err != nil:
		return "", err
	case len(list) > maxSize:
		list = nil
	}
	if w.kept += len(list); w.lists == nil || w.kept > maxKept {
		w.lists, w.kept = make(map[store.GrantsHash]string), len(list)
	}
	w.lists[r.Hash] = string(list)
	return w.lists[r.Hash], nil
}

// ping asks for a key rather than PING: of a Cluster it asks a node that is needed, and a user who may do nothing else may do it.
func (w *worker) ping(ctx context.Context) error {
	_, err := w.send(ctx, 1, func(int) rueidis.Completed { return w.link.client.B().Exists().Key(key(0)).Build() })
	return err
}

// send sends n commands together and returns the answers. Any error but a refusal is lost.
func (w *worker) send(ctx context.Context, n int, command func(i int) rueidis.Completed) ([]rueidis.RedisResult, error) {
	commands := make([]rueidis.Completed, n)
	for i := range commands {
		commands[i] = command(i)
	}
	results, err := w.link.multi(ctx, commands)
	if err != nil && !isRefusal(err) {
		err = lost{err}
	}
	return results, err
}
