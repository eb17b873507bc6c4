package sim

import (
	"slices"
	"strconv"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

var (
	nodeNames  = [MaxNodes]string{"lb1", "lb2", "lb3", "lb4", "lb5", "lb6", "lb7"}
	instances  = [MaxNodes]string{"i-1", "i-2", "i-3", "i-4", "i-5", "i-6", "i-7"}
	peerIDs    = [MaxNodes]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.7"}
	nodeAddrs  = [MaxNodes]string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "192.0.2.7"}
	sharedAddr = "198.51.100.1"
)

// checkEvery is the time between two rounds of a node's own checks.
const checkEvery = time.Second

// maxSteps is how many steps a node may take in a second before it is said to
// spin.
const maxSteps = 400

// node is a host and the process on it.
type node struct {
	w  *world
	id int

	up       bool          // the process lives
	hostUp   bool          // its host answers
	frozen   int8          // it does not run
	vm       int8          // nor does its clock
	boot     int32         // starts so far
	began    time.Duration // of this start
	zero     time.Duration
	frozenAt time.Duration // since when the clock stands
	stopped  time.Duration // since when the process does not run
	slept    time.Duration // when it last ran again after long, by its own clock
	sleptIn  int32         // in which boot that was

	cfg   engine.Settings
	st    engine.State
	inbox []event
	tick  time.Duration // when the tick is due; 0 if none is

	told     [MaxNodes]told
	series   [MaxNodes]int8 // refusals of a quick series that is under way
	reads    []looks        // by target
	given    []given        // by target
	probes   probes
	members  [MaxNodes]probes // the witness of each node, in mode all
	offer    offered
	order    ordered       // the last takeover
	release  released      // the last release, until a resume or takeover
	judged   judged        // the last write, in mode all
	fromOut  time.Duration // when it last left for its public path alone, in mode all; never if it did not
	deniedAt time.Duration // when a call was last denied; never if it was not, or is allowed by now

	deniedWrite bool // what was denied since is not reading alone

	sick, sickCheck int8
	failing         int           // rounds of the own checks in a row
	passing         int           // rounds that passed
	failedAt        time.Duration // by its own clock
	passedAt        time.Duration
	failedW         time.Duration // the same by the world's clock
	passedW         time.Duration
	passedZero      time.Duration // and zero then: it changes when the machine is stopped
	healthKnown     bool
	healthy         bool // what its engine was last told
	secret          int8 // not zero: another one than the rest has
	clockOff        int8
	hash            int
	ttl             int
	opPaused        bool
	leaving         bool
	freezeNext      time.Duration // freeze for so long before the next write is sent

	lostToken     string        // of a write that landed and whose answer was lost
	voluntaryAt   time.Duration // when it last handed over of its own accord; never if it did not
	voluntaryBoot int32

	busyFrom time.Duration
	busy     int
}

func newNode(w *world, id int) *node {
	return &node{w: w, id: id, hostUp: true, ttl: 60, deniedAt: never, voluntaryAt: never}
}

// clock is the time by the node's own monotonic clock.
func (n *node) clock() time.Duration {
	if n.vm > 0 {
		return n.frozenAt - n.zero
	}
	return n.w.now - n.zero
}

// start begins a new process, which remembers nothing.
func (n *node) start() {
	if n.up || !n.hostUp {
		return
	}
	w := n.w
	n.up, n.leaving, n.opPaused = true, false, false
	n.boot++
	n.began = w.now
	n.zero = w.now - w.between(0, time.Hour)
	n.st, n.tick, n.inbox = engine.State{}, 0, n.inbox[:0]
	n.told, n.series = [MaxNodes]told{}, [MaxNodes]int8{}
	n.given, n.reads = make([]given, len(w.targets)), make([]looks, len(w.targets))
	n.probes, n.offer, n.order, n.deniedAt = probes{}, offered{}, ordered{}, never
	n.members, n.release, n.fromOut = [MaxNodes]probes{}, released{}, never
	n.failing, n.passing, n.healthKnown, n.healthy = 0, 0, false, false
	n.freezeNext, n.busy = 0, 0
	for i := range n.given {
		n.given[i].dropped = never
	}
	n.configure()
	w.change()
	w.tracef(n.id, "starts")
	for p := range w.plan.Nodes {
		if p != n.id {
			w.queue.push(event{at: w.now + w.between(0, w.plan.Interval), kind: evBeat, node: int8(n.id), peer: int8(p), boot: n.boot})
		}
	}
	w.queue.push(event{at: w.now + w.between(0, 300*time.Millisecond), kind: evHealth, node: int8(n.id), boot: n.boot})
	n.inProcess(0, func() { n.deliver(engine.Tick{}) })
}

// configure makes the settings of the node anew.
func (n *node) configure() {
	s := &n.w.plan
	cfg := engine.Settings{
		Node: nodeNames[n.id], Instance: instances[n.id], Boot: nodeNames[n.id] + "." + strconv.Itoa(int(n.boot)),
		Failback: s.Failback, HoldDown: s.HoldDown, Interval: s.Interval, Fall: s.Fall, Rise: s.Rise,
		Hash: "h" + strconv.Itoa(n.hash), Mode: modeOne,
	}
	if s.All {
		cfg.Mode = engine.ModeAll
	}
	for p := range s.Nodes {
		if p != n.id {
			cfg.Peers = append(cfg.Peers, peerIDs[p])
		}
	}
	for _, p := range s.Prefer {
		cfg.Prefer = append(cfg.Prefer, nodeNames[p])
	}
	for _, t := range n.w.targets {
		cfg.Targets = append(cfg.Targets, engine.Target{ID: t.id, Kind: t.kind, Addrs: t.addrsOf(n.id), Shared: t.shared, TTL: n.ttl})
	}
	n.cfg = cfg
}

// reload gives the node its configuration again, changed or not.
func (n *node) reload() {
	if n.up {
		n.inProcess(0, func() {
			n.configure()
			n.deniedAt = never // the new configuration may have other credentials
			n.deliver(engine.Reloaded{})
		})
	}
}

// die ends the process. The kernel of a host that is up tells every peer that
// is connected.
func (n *node) die(why string) {
	if !n.up {
		return
	}
	w := n.w
	n.up, n.leaving = false, false
	n.inbox = n.inbox[:0]
	w.change()
	w.tracef(n.id, "%s", why)
	for p, peer := range w.nodes {
		if p == n.id || !n.hostUp || !peer.up || w.cut[p][n.id] > 0 || w.cut[n.id][p] > 0 || peer.told[n.id].last != engine.Answered || !peer.told[n.id].any {
			continue
		}
		peer.inProcess(w.between(200*time.Microsecond, 3*time.Millisecond), func() { peer.ask(n.id) })
	}
}

// freeze stops the process, or with vm the machine.
func (n *node) freeze(vm bool) {
	n.w.change()
	if vm {
		if n.vm == 0 {
			n.frozenAt = n.w.now
		}
		n.vm++
	}
	if n.frozen == 0 {
		n.stopped = n.clock()
	}
	n.frozen++
}

// thaw ends a freeze. What has come in meanwhile is handled now.
func (n *node) thaw(vm bool) {
	n.w.change()
	if vm {
		n.vm--
		if n.vm == 0 {
			n.zero += n.w.now - n.frozenAt
			n.tick = 0
		}
	}
	n.frozen--
	if n.frozen > 0 || !n.up {
		return
	}
	if n.clock()-n.stopped > 5*n.cfg.Interval {
		n.slept, n.sleptIn = n.clock(), n.boot
	}
	waiting := slices.Clone(n.inbox)
	n.inbox = n.inbox[:0]
	n.arm()
	for i := range waiting {
		waiting[i].at = n.w.now
		n.w.queue.push(waiting[i])
	}
}

// inProcess runs fn in this process in a while. It does not if the process has
// ended by then, and waits while it is frozen.
func (n *node) inProcess(d time.Duration, fn func()) {
	n.w.queue.push(event{at: n.w.now + d, kind: evNode, node: int8(n.id), boot: n.boot, fn: fn})
}

// handle does what happens in the process.
func (n *node) handle(e *event) {
	if !n.up || e.boot != n.boot {
		if e.kind == evReply {
			n.w.drop(e.ref)
		}
		return
	}
	if n.frozen > 0 {
		n.inbox = append(n.inbox, *e)
		return
	}
	switch e.kind {
	case evNode:
		e.fn()
	case evTick:
		if e.at != n.tick {
			return
		}
		n.tick = 0
		if n.clock() >= n.st.Wake {
			n.deliver(engine.Tick{})
		} else {
			n.arm()
		}
	case evBeat:
		n.ask(int(e.peer))
		again := n.w.plan.Interval
		again += n.w.between(-again/20, again/20)
		n.w.queue.push(event{at: n.w.now + again, kind: evBeat, node: e.node, peer: e.peer, boot: e.boot})
	case evReply:
		n.replied(e.ref)
	case evHealth:
		n.w.queue.push(event{at: n.w.now + checkEvery, kind: evHealth, node: e.node, boot: e.boot})
		n.checkRound()
	}
}

// checkRound is one round of the node's own checks, after their rise and fall.
func (n *node) checkRound() {
	now := n.clock()
	if n.sick > 0 || n.sickCheck > 0 {
		if n.failing == 0 {
			n.failedAt, n.failedW = now, n.w.now
		}
		n.failing++
		n.passing = 0
	} else {
		n.passing++
		n.passedAt, n.passedW, n.passedZero = now, n.w.now, n.zero
		if n.healthy || !n.healthKnown || n.passing >= n.cfg.Rise {
			n.failing = 0
		}
	}
	was, known := n.healthy, n.healthKnown
	switch {
	case n.failing == 0:
		n.healthy = true
	case n.failing >= n.cfg.Fall || !known:
		n.healthy = false
	}
	n.healthKnown = true
	if was != n.healthy || !known {
		n.w.tracef(n.id, "its own checks: healthy %t", n.healthy)
	}
	ev := engine.Health{OK: n.healthy, Started: n.passedAt}
	if !n.healthy {
		ev.Started = n.failedAt
	}
	n.deliver(ev)
}

// deliver lets the engine take a step.
func (n *node) deliver(ev engine.Event) {
	w := n.w
	if w.now-n.busyFrom >= time.Second {
		n.busyFrom, n.busy = w.now, 0
	}
	if n.busy++; n.busy > maxSteps {
		w.fail("spin", "%s took %d steps within a second; wake %s, now %s", nodeNames[n.id], n.busy, stamp(n.st.Wake), stamp(n.clock()))
		return
	}
	w.steps++
	st, actions := w.opts.Step(n.clock(), &n.cfg, n.st, ev)
	w.noteStep(n, &st)
	n.st = st
	w.mix(uint64(n.id)<<56 ^ uint64(w.now)<<8 ^ uint64(len(actions)))
	for _, a := range actions {
		n.do(a)
	}
	n.arm()
}

// arm asks for the tick that the engine wants.
func (n *node) arm() {
	if n.st.Wake <= 0 || n.st.Wake == engine.Never || !n.up {
		return
	}
	at := max(n.st.Wake+n.zero, n.w.now+time.Millisecond)
	if n.tick > 0 && n.tick <= at && n.tick > n.w.now {
		return
	}
	n.tick = at
	n.w.queue.push(event{at: at, kind: evTick, node: int8(n.id), boot: n.boot})
}
