package awstest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// DataPlane is what packets to an Elastic IP meet: a TCP forwarder on an address
// of loopback that stands for it, to the instance that holds it.
//
// When the address is taken from its holder, the connections through it hear
// nothing any more. They are reset when another one has held it for the gap,
// since that one does not know them. A new connection waits until then, too, as
// one whose first packets are lost does. One to a holder that does not listen is
// reset at once.
type DataPlane struct {
	cloud  *Cloud
	id     string
	opts   DataPlaneOptions
	ln     net.Listener
	ctx    context.Context // ends with the data plane
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu    sync.Mutex
	route route
	next  chan struct{} // closed when the route changes
	count DataPlaneCount
}

// DataPlaneOptions is how a [DataPlane] behaves. The zero value is good.
type DataPlaneOptions struct {
	// Gap is how long a new holder is not reached yet. Default none.
	Gap time.Duration

	// Port is dialled at the private address of the association. Default that
	// of the listener.
	Port int

	// Dial, if there is one, says what to dial instead.
	Dial func(ElasticIP) string
}

// DataPlaneCount is what became of connections so far.
type DataPlaneCount struct {
	Accepted int // in all
	Waited   int // came in a gap, or while nobody held the address
	Reached  int // were forwarded
	Refused  int // were reset because the holder does not listen
	Moves    int // how often somebody got the address
	Reset    int // were forwarded, and reset by a move
}

// route is where connections go, from some time on.
type route struct {
	to     ElasticIP
	open   bool            // it is in force
	ctx    context.Context // ends when it is not any more
	cancel context.CancelFunc
}

// ServeDataPlane forwards connections to addr, such as 127.0.0.1:0, to whoever
// has an Elastic IP.
func ServeDataPlane(c *Cloud, allocationID, addr string, o DataPlaneOptions) (*DataPlane, error) {
	if _, ok := c.ElasticIP(allocationID); !ok {
		return nil, noAllocation(allocationID)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("serving the data plane of %s: %w", allocationID, err)
	}
	p := &DataPlane{cloud: c, id: allocationID, opts: o, ln: ln, next: make(chan struct{})}
	p.opts.Port = cmp.Or(o.Port, ln.Addr().(*net.TCPAddr).Port)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	to, changed := p.look()
	p.route = route{to: to}
	p.route.ctx, p.route.cancel = context.WithCancel(p.ctx)
	p.route.open = !to.Free()
	p.wg.Go(func() { p.follow(changed) })
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the address that is served.
func (p *DataPlane) Addr() string { return p.ln.Addr().String() }

// Count returns what became of connections so far.
func (p *DataPlane) Count() DataPlaneCount {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// Close ends the data plane and every connection through it. The cloud stays as
// it is.
func (p *DataPlane) Close() error {
	p.cancel()
	err := p.ln.Close()
	p.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// look returns the address as it is, and what is closed when that changes. An
// address that was released is free for ever.
func (p *DataPlane) look() (ElasticIP, <-chan struct{}) {
	p.cloud.mu.Lock()
	defer p.cloud.mu.Unlock()
	p.cloud.settle()
	e := p.cloud.allocation(p.id)
	if e == nil {
		return ElasticIP{}, nil
	}
	return *e.ElasticIP, e.changed
}

// follow moves the route with the address.
func (p *DataPlane) follow(changed <-chan struct{}) {
	for {
		select {
		case <-changed:
		case <-p.ctx.Done():
			return
		}
		var to ElasticIP
		to, changed = p.look()
		if !p.move(to) {
			continue
		}
		if p.opts.Gap > 0 {
			t := time.NewTimer(p.opts.Gap)
			select {
			case <-t.C:
			case <-p.ctx.Done():
			}
			t.Stop()
		}
		p.reopen()
	}
}

// move ends the route. It reports whether there is another holder now, to whom
// the next one will lead.
func (p *DataPlane) move(to ElasticIP) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	moved := to.AssociationID != p.route.to.AssociationID
	p.route.to = to
	if moved {
		p.route.open = false
		p.route.cancel()
	}
	if !moved || to.Free() {
		return false
	}
	p.count.Moves++
	return true
}

// reopen resets what waits for an answer of the holder before, and lets through
// what waits for a holder.
func (p *DataPlane) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.route.ctx, p.route.cancel = context.WithCancel(p.ctx)
	p.route.open = true
	close(p.next)
	p.next = make(chan struct{})
}

func (p *DataPlane) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(conn.(*net.TCPConn)) })
	}
}

// serve forwards one connection.
func (p *DataPlane) serve(client *net.TCPConn) {
	defer client.Close()
	p.mu.Lock()
	p.count.Accepted++
	if !p.route.open {
		p.count.Waited++
	}
	p.mu.Unlock()
	r, conn, err := p.dial()
	p.mu.Lock()
	if err != nil {
		p.count.Refused++
	} else {
		p.count.Reached++
	}
	p.mu.Unlock()
	if err != nil {
		abort(client)
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	if p.join(r.ctx, client, server) {
		return
	}
	if _, ok := p.await(); ok {
		p.mu.Lock()
		p.count.Reset++
		p.mu.Unlock()
	}
	abort(client)
	abort(server)
}

// dial connects to whoever has the address, or has it when that has moved.
func (p *DataPlane) dial() (route, net.Conn, error) {
	for {
		r, ok := p.await()
		if !ok {
			return route{}, nil, net.ErrClosed
		}
		var d net.Dialer
		conn, err := d.DialContext(r.ctx, "tcp", p.target(r.to))
		if r.ctx.Err() == nil {
			return r, conn, err
		}
		if err == nil {
			conn.Close()
		}
	}
}

// await returns the route once there is one. It reports false if the data plane
// ends before.
func (p *DataPlane) await() (route, bool) {
	for {
		p.mu.Lock()
		r, next := p.route, p.next
		p.mu.Unlock()
		if r.open {
			return r, p.ctx.Err() == nil
		}
		select {
		case <-next:
		case <-p.ctx.Done():
			return route{}, false
		}
	}
}

// target is what is dialled for a holder.
func (p *DataPlane) target(a ElasticIP) string {
	if p.opts.Dial != nil {
		return p.opts.Dial(a)
	}
	return net.JoinHostPort(a.PrivateIP, strconv.Itoa(p.opts.Port))
}

// join copies both ways until both have ended. It reports false if the route
// ended before.
func (p *DataPlane) join(ctx context.Context, client, server *net.TCPConn) bool {
	stop := context.AfterFunc(ctx, func() {
		client.SetDeadline(time.Unix(1, 0))
		server.SetDeadline(time.Unix(1, 0))
	})
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{client, server}, {server, client}} {
		both.Go(func() {
			switch _, err := io.Copy(way[0], way[1]); {
			case err == nil:
				way[0].CloseWrite()
			case ctx.Err() == nil:
				abort(way[0])
				abort(way[1])
			}
		})
	}
	both.Wait()
	return stop()
}

// abort resets a connection.
func abort(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}
