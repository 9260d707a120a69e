package load

import (
	"context"
	"net"
)

// Dial has the connections of o made like that.
func (o *Options) Dial(dial func(ctx context.Context, network, address string) (net.Conn, error)) {
	o.dial = dial
}
