package guard_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/guard"
	"github.com/propusk/propusk/rbac"
)

// visit runs what a handler behind the middleware does in one request of somebody.
func visit(inspector propusk.Inspector, as string, do func(context.Context)) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header.Set("Authorization", "Bearer "+as)
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { do(r.Context()) })
	guard.New(inspector).Middleware(handler).ServeHTTP(httptest.NewRecorder(), r)
}

func TestInAnotherCommunity(t *testing.T) {
	t.Parallel()
	r, create := newRegister(t), guard.Permission("shout:create")
	visit(r, "author", func(ctx context.Context) {
		one, err := guard.In(ctx, 1)
		if err != nil || create.Check(one) != nil {
			t.Errorf("where one may: %v, %v", err, create.Check(one))
		}
		two, err := guard.In(one, 2)
		if err != nil || propusk.KindOf(create.Check(two)) != propusk.Forbidden {
			t.Errorf("where one may not: %v, %v", err, create.Check(two))
		}
		if back, err := guard.In(two, 1); err != nil || create.Check(back) != nil || create.Check(one) != nil || create.Check(two) == nil {
			t.Errorf("back again: %v", err)
		}
		if create.Check(ctx) == nil {
			t.Error("the request itself names no community")
		}
	})
	if r.asked != 3 {
		t.Errorf("asked %d times about two communities and none", r.asked)
	}
}

func TestInDenies(t *testing.T) {
	t.Parallel()
	r := newRegister(t)
	byHand := guard.WithPass(t.Context(), r.pass("admin", 1))
	if ctx, err := guard.In(byHand, 1); err != nil || ctx != byHand {
		t.Errorf("the community of the Pass: %v", err)
	}
	if _, err := guard.In(byHand, 2); propusk.KindOf(err) != propusk.Forbidden {
		t.Errorf("a Pass for another community: %v", err)
	}
	if _, err := guard.In(guard.WithPass(t.Context(), r.pass("root", 0)), 1); propusk.KindOf(err) != propusk.Forbidden {
		t.Errorf("a Pass for no community: %v", err)
	}
	for _, id := range []int64{0, -1} {
		if _, err := guard.In(byHand, id); propusk.KindOf(err) != propusk.Invalid {
			t.Errorf("community %d: %v", id, err)
		}
	}
	if ctx, err := guard.In(t.Context(), 1); err == nil || guard.Authenticated().Check(ctx) == nil {
		t.Error("a bare context is somebody")
	}
	r.fails = errors.New("no answer")
	visit(r, "root", func(ctx context.Context) {
		ctx, err := guard.In(ctx, 1)
		if pass, passErr := guard.PassFrom(ctx); err == nil || passErr == nil || pass.PlatformAdmin {
			t.Errorf("a failed inspection: %+v %v", pass, err)
		}
	})
}

// TestAnInspectorThatPanicsAllowsNothing, also to those who recover and ask again.
func TestAnInspectorThatPanicsAllowsNothing(t *testing.T) {
	t.Parallel()
	visit(panicking{}, "root", func(ctx context.Context) {
		func() {
			defer func() { _ = recover() }()
			_, _ = guard.In(ctx, 1)
			t.Error("no panic")
		}()
		if ctx, err := guard.In(ctx, 1); err == nil || guard.Authenticated().Check(ctx) == nil {
			t.Error("somebody passes")
		}
	})
}

type panicking struct{}

func (panicking) Inspect(context.Context, string, int64) (propusk.Pass, error) { panic("inspector") }

// TestAnewAsksAgain: on a websocket, who has lost a role has lost it for the next message.
func TestAnewAsksAgain(t *testing.T) {
	t.Parallel()
	r, create := newRegister(t), guard.Permission("shout:create")
	visit(r, "author", func(ctx context.Context) {
		before, err := guard.In(ctx, 1)
		if err != nil || create.Check(before) != nil {
			t.Fatal(err)
		}
		r.community = (*rbac.Grants)(nil)
		after, err := guard.In(guard.Anew(before), 1)
		if err != nil || create.Check(after) == nil {
			t.Error("the old answer holds")
		}
	})
	s := newSite(t)
	s.Handle("/c/{community_id}", guard.Authenticated().HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := create.Check(guard.Anew(guard.Anew(r.Context()))); err != nil {
			t.Errorf("the community of the path is forgotten: %v", err)
		}
	}))
	if s.get("/c/1", "author", guard.Header, "2"); s.asked != 2 {
		t.Errorf("asked %d times before and after", s.asked)
	}
	byHand := guard.WithPass(t.Context(), newRegister(t).pass("author", 1))
	if create.Check(guard.Anew(byHand)) != nil || guard.Authenticated().Check(guard.Anew(t.Context())) == nil {
		t.Error("a Pass put in by hand is lost, or a bare context is somebody")
	}
}

// TestInIsAskedOncePerCommunity, however many ask at once, and each gets the Pass of its own.
func TestInIsAskedOncePerCommunity(t *testing.T) {
	t.Parallel()
	count := &counter{register: newRegister(t), asked: map[int64]int{}}
	visit(count, "author", func(ctx context.Context) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				id := int64(1 + i%4)
				ctx, err := guard.In(ctx, id)
				if err != nil || (guard.Permission("shout:create").Check(ctx) == nil) != (id == 1) {
					t.Errorf("community %d: %v", id, err)
				}
			})
		}
		all.Wait()
	})
	for id, asked := range count.asked {
		if asked != 1 {
			t.Errorf("asked %d times about community %d", asked, id)
		}
	}
}

// counter is a register that may be asked concurrently.
type counter struct {
	*register
	mu    sync.Mutex
	asked map[int64]int
}

func (c *counter) Inspect(_ context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[communityID]++
	return c.pass(bearer, communityID), nil
}

// patient is an Inspector that answers when it may, or when whoever asks gives up.
type patient struct {
	register *register
	asked    chan struct{}
	answer   chan struct{}
}

func (p patient) Inspect(ctx context.Context, bearer string, communityID int64) (propusk.Pass, error) {
	p.asked <- struct{}{}
	select {
	case <-p.answer:
		return p.register.pass(bearer, communityID), nil
	case <-ctx.Done():
		return propusk.Pass{}, ctx.Err()
	}
}

// TestWhoGivesUpDoesNotAnswerForOthers: a field of a query that was cancelled is denied, and the fields beside it and after it are not.
func TestWhoGivesUpDoesNotAnswerForOthers(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1} {
		t.Run(fmt.Sprintf("%d communities before", before), func(t *testing.T) {
			t.Parallel()
			p := patient{register: newRegister(t), asked: make(chan struct{}, 9), answer: make(chan struct{}, 9)}
			visit(p, "author", func(ctx context.Context) { givesUp(t, p, ctx, before) })
		})
	}
}

func givesUp(t *testing.T, p patient, ctx context.Context, before int) {
	for range before {
		p.answer <- struct{}{}
		if _, err := guard.In(ctx, 2); err != nil {
			t.Error(err)
		}
		<-p.asked
	}
	create := guard.Permission("shout:create")
	in := func(ctx context.Context) <-chan context.Context {
		to := make(chan context.Context, 1)
		go func() {
			there, _ := guard.In(ctx, 1)
			to <- there
		}()
		return to
	}
	brief, giveUp := context.WithCancel(ctx)
	gone := in(brief)
	<-p.asked
	beside := in(ctx) // waits for the answer to the other, or comes when there is none: it gets its own
	giveUp()
	cut := <-gone
	if err := create.Check(cut); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up: %v", err)
	}
	p.answer <- struct{}{}
	if err := create.Check(<-beside); err != nil {
		t.Errorf("who waited beside: %v", err)
	}
	again, err := guard.In(ctx, 1)
	if err != nil || create.Check(again) != nil {
		t.Errorf("who comes after: %v", err)
	}
	if on, err := guard.In(context.WithoutCancel(cut), 1); err != nil || create.Check(on) != nil {
		t.Errorf("what goes on where one gave up: %v", err)
	}
	if err := create.Check(cut); !errors.Is(err, context.Canceled) {
		t.Errorf("who gave up, now that there is an answer: %v", err)
	}
	if asked := len(p.asked); asked != 1 {
		t.Errorf("asked %d times for all that did not give up", asked)
	}
	if err := create.Check(guard.Anew(cut)); !errors.Is(err, context.Canceled) || len(p.asked) != 2 {
		t.Errorf("a new message where one gave up: %v, asked %d times", err, len(p.asked))
	}
}
