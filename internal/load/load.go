// Package load asks a server of one's own many questions at once, and tells how fast the answers came and whether they were right.
package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Options are whom to ask, and how.
type Options struct {
	// URL is where the server is; see CheckURL.
	URL string
	// Token, an access token or an API key, or Email and Password are who asks.
	Token, Email, Password string
	// Duration is how long to ask, Connections how many requests are under way at once.
	Duration    time.Duration
	Connections int
	// Rate is how many requests a second are begun, whether earlier ones were answered or not. With 0 each connection begins the next
	// when the last one was answered.
	Rate float64
	Mix  Mix
	// Progress, when set, is told once a second how it goes.
	Progress func(Snapshot)

	// dial makes connections; nil stands for those of the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// MaxConnections is how many connections there can be. Each has an account of its own.
const MaxConnections = 256

// Check says what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Duration <= 0:
		return errors.New("--duration must be longer than 0")
	case o.Connections < 1 || o.Connections > MaxConnections:
		return fmt.Errorf("--connections must be 1 to %d", MaxConnections)
	case o.Rate < 0 || o.Rate > 1_000_000:
		return errors.New("--rate must be 0 to 1000000 requests a second")
	case o.Token == "" && (o.Email == "" || o.Password == ""):
		return errors.New("say who asks: --email with a password, or --token")
	}
	return nil
}

// Plan is what Run will do, in sentences for whoever has to agree to it.
func (o Options) Plan() string {
	pace := "each connection asks again when it was answered"
	if o.Rate > 0 {
		pace = fmt.Sprintf("%g requests a second are begun", o.Rate)
	}
	text := fmt.Sprintf("asking %s for %v over %d connections: %v; %s\n", o.URL, o.Duration, o.Connections, o.Mix, pace)
	switch {
	case o.Mix[Roles] > 0:
		text += fmt.Sprintf("for this it makes %d accounts and a community of its own, changes roles there only, and deletes both at the end\n",
			o.Connections)
	case o.Mix[Login] > 0:
		text += fmt.Sprintf("for this it makes %d accounts of its own, and deletes them at the end\n", o.Connections)
	default:
		text += "it changes nothing\n"
	}
	return text
}

// run is one load test under way.
type run struct {
	Options
	*server
	stage  stage
	meters [kinds]meter
	wrong  faults

	// began is when the first request was due, asked how long requests were begun, and took how long until the last was answered.
	began       time.Time
	asked, took time.Duration
	// begun is how many requests of an open loop were begun.
	begun atomic.Int64
}

// Run asks until the duration is over or ctx ends, removes what it made for that, and tells how it was. An error means that there was nothing
// to ask; what could not be removed is told in the Result.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.Check(); err != nil {
		return Result{}, err
	}
	r := &run{Options: o, server: newServer(o.URL, o.Connections+1, o.dial)}
	defer r.http.CloseIdleConnections()
	err := r.prepare(ctx)
	if err == nil {
		r.ask(ctx)
	}
	left := r.tidy(context.WithoutCancel(ctx))
	if err != nil {
		return Result{}, errors.Join(err, left)
	}
	return r.result(left), nil
}

// ask sends requests over all connections until it is time.
func (r *run) ask(ctx context.Context) {
	r.began = time.Now()
	ctx, stop := context.WithDeadline(ctx, r.began.Add(r.Duration))
	defer stop()
	var all sync.WaitGroup
	all.Go(func() { r.watch(ctx) })
	for i := range r.Connections {
		all.Go(func() { r.connection(ctx, i) })
	}
	<-ctx.Done()
	r.asked = time.Since(r.began)
	all.Wait()
	r.took = time.Since(r.began)
}

// connection sends one request after the other. One that is under way when it is time is answered still: to cut it off would leave out the
// slowest ones.
func (r *run) connection(ctx context.Context, i int) {
	w := worker{run: r, dice: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), ctx: context.WithoutCancel(ctx)}
	if i < len(r.stage.people) {
		w.own = r.stage.people[i]
	}
	for {
		intended, on := r.next(ctx)
		if !on {
			return
		}
		w.send(r.Mix.pick(w.dice.IntN(r.Mix.sum())), intended)
	}
}

// next waits until the next request is due, and says since when its time counts. In an open loop that is when it should have begun: a
// server that keeps all connections waiting does not thereby make fewer people wait.
func (r *run) next(ctx context.Context) (intended time.Time, on bool) {
	if r.Rate == 0 {
		return time.Now(), ctx.Err() == nil
	}
	intended = r.due(r.begun.Add(1) - 1)
	if intended.Sub(r.began) < r.Duration && sleep(ctx, time.Until(intended)) {
		return intended, true
	}
	r.begun.Add(-1)
	return intended, false
}

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err() == nil
}

// due is when the n-th request of an open loop should begin.
func (r *run) due(n int64) time.Time {
	return r.began.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
}

// watch tells how it goes.
func (r *run) watch(ctx context.Context) {
	if r.Progress == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s := r.snapshot()
			s.LastSecond, last = s.Requests-last, s.Requests
			r.Progress(s)
		}
	}
}
