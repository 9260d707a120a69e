package mirror

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// readPatience is how long a reader waits for Redis at most. SQL answers in less, so longer would be no help.
	readPatience = 15 * time.Millisecond
	// callPatience is how long anything else may take that is asked of Redis, or a connection to it.
	callPatience = time.Second
	// connections is how many are held to one server at most.
	connections = 8
	// bufferSize is that of one connection, each way. Lists have some ten thousand bytes.
	bufferSize = 32 << 10
	// topologyEvery is how often a Cluster or Sentinels are asked who is who now, beside the answers that tell.
	topologyEvery = 5 * time.Second
)

var (
	errSlow   = errors.New("no answer in time")
	errClosed = errors.New("the connection is closed")
)

// refusal is an answer of Redis that says no. The connection is fine.
type refusal string

func (r refusal) Error() string { return "Redis refuses: " + string(r) }

// link is a set of connections to Redis that begins and ends as one. When it ends, all that uses it ends at once, whatever the other side
// does.
type link struct {
	client rueidis.Client
	life   context.Context
	end    context.CancelFunc

	mu    sync.Mutex
	over  bool
	calls sync.WaitGroup
}

// connect opens a link, or fails within a few times callPatience, or when ctx ends.
func connect(ctx context.Context, e endpoint) (*link, error) {
	life, end := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, end)
	client, err := rueidis.NewClient(options(life, e))
	if !stop() && err == nil {
		client.Close()
		err = ctx.Err()
	}
	if err != nil {
		end()
		return nil, err
	}
	l := &link{client: client, life: life, end: end}
	l.warm(ctx)
	return l, nil
}

func options(life context.Context, e endpoint) rueidis.ClientOption {
	dialer := net.Dialer{Timeout: callPatience, KeepAlive: time.Second}
	return rueidis.ClientOption{
		InitAddress: e.addresses, Username: e.user, Password: e.password, SelectDB: e.database, ClientName: "propusk",
		TLSConfig: e.tls, Dialer: dialer,
		Sentinel: rueidis.SentinelOption{
			MasterSet: e.masterSet, Username: e.sentinelUser, Password: e.sentinelPassword, ClientName: "propusk",
			TLSConfig: e.tls, Dialer: dialer, TopologyRefreshInterval: topologyEvery,
		},
		ClusterOption:    rueidis.ClusterOption{ShardsRefreshInterval: topologyEvery, MaxMovedRedirections: 3},
		ConnWriteTimeout: callPatience,
		DialCtxFn: func(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
			conn, err := dial(ctx, life, address, dialer, config)
			if err != nil {
				return nil, err
			}
			return guard(conn, e.masterSet != ""), nil // of Sentinels we want to hear when the master changes
		},
		// What we read is checked against SQL, so there is nothing to remember; and a call must end when its time is over.
		DisableCache: true, DisableRetry: true,
		// One call has a connection to itself: nobody waits behind another's large list, an answer that was given up ends no other call,
		// and no answer that nobody asked for is read.
		DisableAutoPipelining: true, BlockingPoolSize: connections,
		ReadBufferEachConn: bufferSize, WriteBufferEachConn: bufferSize,
	}
}

// dial makes a connection that is closed when life ends. Closing the client alone would wait, politely, for answers of a server that gives
// none.
func dial(ctx, life context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := mortal{raw, context.AfterFunc(life, func() { _ = raw.Close() })}
	if config == nil {
		return conn, nil
	}
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	ctx, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// mortal is a connection with somebody who will close it.
type mortal struct {
	net.Conn
	spare func() bool
}

func (c mortal) Close() error {
	c.spare()
	return c.Conn.Close()
}

// warm connects to each node of a Cluster, so that no reader has to. One that cannot be reached may be a replica, or not needed any more.
func (l *link) warm(ctx context.Context) {
	for _, node := range l.client.Nodes() {
		_, _ = l.call(ctx, callPatience, func(ctx context.Context) []rueidis.RedisResult {
			return []rueidis.RedisResult{node.Do(ctx, node.B().Ping().Build())}
		})
	}
}

// close ends the link and waits until nothing of it is left.
func (l *link) close() {
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	l.end()
	l.client.Close()
	l.calls.Wait()
}

func (l *link) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.over {
		l.calls.Add(1)
	}
	return !l.over
}

// call runs do beside the caller, who waits no longer than patience: whatever keeps the client from ending a call at its deadline, a dial that
// another call began or a lock, keeps nobody waiting then. A call that was given up goes on for callPatience, so that a connection that
// takes longer to make than a reader waits is there for the next.
func (l *link) call(ctx context.Context, patience time.Duration, do func(context.Context) []rueidis.RedisResult) ([]rueidis.RedisResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !l.enter() {
		return nil, errClosed
	}
	done := make(chan []rueidis.RedisResult, 1)
	go func() {
		defer l.calls.Done()
		ctx, cancel := context.WithTimeout(l.life, callPatience)
		defer cancel()
		done <- do(ctx)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case results := <-done:
		return results, nil
	case <-timer.C:
		return nil, errSlow
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// get reads the first maxSize+1 bytes under a key, nothing if there are none. An error that is a refusal means that Redis answered.
func (l *link) get(ctx context.Context, key string) ([]byte, error) {
	results, err := l.call(ctx, readPatience, func(ctx context.Context) []rueidis.RedisResult {
		return []rueidis.RedisResult{l.client.Do(ctx, l.client.B().Getrange().Key(key).Start(0).End(maxSize).Build())}
	})
	if err != nil {
		return nil, err
	}
	if err := check(results[0]); err != nil {
		return nil, err
	}
	return results[0].AsBytes()
}

// multi sends commands together. The error, of a call or of the first command that failed for another reason than the type of a value, is a
// refusal if Redis answered all of them.
func (l *link) multi(ctx context.Context, commands []rueidis.Completed) ([]rueidis.RedisResult, error) {
	if len(commands) == 0 {
		return nil, nil
	}
	results, err := l.call(ctx, callPatience+readPatience, func(ctx context.Context) []rueidis.RedisResult {
		return l.client.DoMulti(ctx, commands...)
	})
	if err != nil {
		return nil, err
	}
	var no error
	for _, r := range results {
		switch err := check(r); {
		case err == nil || isWrongType(err):
		case !isRefusal(err):
			return nil, err
		case no == nil:
			no = err
		}
	}
	return results, no
}

// check is the error of one command.
func check(r rueidis.RedisResult) error {
	err := r.Error()
	if err == nil || rueidis.IsRedisNil(err) {
		return nil
	}
	if redis, ok := rueidis.IsRedisErr(err); ok {
		return refusal(redis.Error())
	}
	return err
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
}

// isWrongType reports whether what is under the key is no string.
func isWrongType(err error) bool {
	said, ok := errors.AsType[refusal](err)
	return ok && strings.HasPrefix(string(said), "WRONGTYPE")
}
