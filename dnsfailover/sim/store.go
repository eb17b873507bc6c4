package sim

import (
	"strconv"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Who holds a target, besides the index of a node.
const (
	nobody   = -1
	stranger = -2 // something that is none of ours
)

// foreignAddrs and foreignInstance are what people edit in.
const (
	foreignAddrs    = "203.0.113.99"
	foreignInstance = "i-99"
	freeToken       = "free"
	absentToken     = "absent"
)

// version is what a target held from one write to the next.
type version struct {
	reading engine.Reading
	at      time.Duration // when it was written
	holder  int
	claim   int           // counts the changes of the holder
	claimAt time.Duration // when that holder got it
	before  int           // the holder before that
	boot    int32         // the start of the holder that got it; 0 if it was none
	claimer bool          // the holder got it by a write of its own
	by      int           // who wrote it; nobody if it was no node
	roll    *roll         // who is in it, in mode all
}

// Backend is a record that is kept elsewhere than in the simulator, such as in a
// fake of a provider.
type Backend interface {
	// Read is what the provider tells a node.
	Read() (engine.Reading, engine.Outcome)

	// Swap is what it does with a conditional write of a node.
	Swap(from engine.Reading, to engine.Value) (engine.Reading, engine.Outcome)

	// Now is what it holds, and Edit what people do to it by hand.
	Now() engine.Reading
	Edit(r engine.Reading)
}

// target is a record or an address, with all that it ever held.
type target struct {
	w        *world
	index    int
	id       string
	kind     engine.Kind
	shared   bool
	versions []version
	claims   int
	backend  Backend // nil if it is abstract

	silentAt time.Duration           // when silence last moved it; never if it did not
	silent   [MaxNodes]time.Duration // when silence last took a node out of it, in mode all
	joins    int                     // in mode all
	nonces   nonces
}

// makeTargets makes what the schedule asks for.
func (w *world) makeTargets() {
	shape := w.plan.Shape
	add := func(id string, kind engine.Kind, shared bool) {
		t := &target{w: w, index: len(w.targets), id: id, kind: kind, shared: shared, silentAt: never}
		for i := range t.silent {
			t.silent[i] = never
		}
		w.targets = append(w.targets, t)
	}
	switch shape {
	case OneRecord, CoreRecord:
		add("lb.example.com", engine.Record, false)
	case OneAddress:
		add("eipalloc-1", engine.Address, false)
	case SharedAddress:
		add("lb.example.com", engine.Record, true)
		add("eipalloc-1", engine.Address, false)
	case TwoRecords:
		add("lb.example.com", engine.Record, false)
		add("lb.example.net", engine.Record, false)
	case RecordAddress:
		add("lb.example.com", engine.Record, false)
		add("eipalloc-1", engine.Address, false)
	}
	w.denied = make([][MaxNodes]denial, len(w.targets))
	for _, t := range w.targets {
		if shape == CoreRecord && w.opts.Backend != nil {
			t.backend = w.opts.Backend(t.id, func() time.Duration { return w.now })
		}
		t.put(t.first(), nobody)
	}
}

// first is what the target holds at the start.
func (t *target) first() engine.Reading {
	if t.w.plan.Start == Fresh {
		return t.empty()
	}
	if t.kind == engine.Address {
		return engine.Reading{Token: "eipassoc-0", Exists: true, Instance: instances[0]}
	}
	r := engine.Reading{Token: "v0", Exists: true, Addrs: t.addrsOf(0), TTL: 60}
	switch t.w.plan.Start {
	case Joined:
		r.Addrs, r.Lease = t.joined()
	case Held:
		r.Lease = engine.Lease{Epoch: 7, Holder: nodeNames[0], Nonce: "lb1.0-1", Addrs: r.Addrs, Hash: "h0", Mode: modeOne}
	}
	return r
}

// empty is the target without anything in it.
func (t *target) empty() engine.Reading {
	if t.kind == engine.Address {
		return engine.Reading{Token: freeToken}
	}
	return engine.Reading{Token: absentToken}
}

// addrsOf is what a node was told to write.
func (t *target) addrsOf(node int) string {
	switch {
	case t.kind == engine.Address:
		return ""
	case t.shared:
		return sharedAddr
	}
	return nodeAddrs[node]
}

func (t *target) token() string {
	if t.kind == engine.Address {
		return "eipassoc-" + strconv.Itoa(len(t.versions))
	}
	return "v" + strconv.Itoa(len(t.versions))
}

// put makes r what the target holds.
func (t *target) put(r engine.Reading, by int) {
	if t.backend != nil {
		t.backend.Edit(r)
		r = t.backend.Now()
	}
	t.note(r, by)
}

// note enters what the target holds now in the books, and which node wrote it.
func (t *target) note(r engine.Reading, by int) {
	now := t.w.now
	v := version{reading: r, at: now, holder: t.holder(r), claimAt: now, before: nobody, claimer: by >= 0, by: by}
	if last := len(t.versions) - 1; last >= 0 {
		old := &t.versions[last]
		t.claims++
		v.claim, v.before = t.claims, old.holder
		if v.holder == old.holder && v.holder != nobody {
			v.claim, v.claimAt, v.before, v.boot = old.claim, old.claimAt, old.before, old.boot
		}
		if old.holder == nobody {
			v.before = old.before // a freed address has been somebody's
		}
		if again := t.sameClaim(r, v.holder); again != nil {
			v.claim, v.claimAt, v.before, v.boot = again.claim, again.claimAt, again.before, again.boot
		}
	} else {
		v.claimAt = never
	}
	if v.claimAt == now && by >= 0 && v.holder >= 0 {
		v.boot = t.w.nodes[v.holder].boot
	}
	if t.w.plan.All {
		v.roll = t.enroll(&r, by)
	}
	t.versions = append(t.versions, v)
}

func (t *target) last() *version { return &t.versions[len(t.versions)-1] }

// now is what the target holds.
func (t *target) now() engine.Reading { return t.last().reading }

// version is the latest one with a token, or nil.
func (t *target) version(token string) *version {
	if i := t.find(token); i >= 0 {
		return &t.versions[i]
	}
	return nil
}

// find is the index of the latest version with a token, or -1.
func (t *target) find(token string) int {
	for i := len(t.versions) - 1; i >= 0; i-- {
		if t.versions[i].reading.Token == token {
			return i
		}
	}
	return -1
}

// sameClaim is the latest version that is of the same claim as a reading, or
// nil: an edit that was taken back does not make a new one.
func (t *target) sameClaim(r engine.Reading, holder int) *version {
	for i := len(t.versions) - 1; i >= 0; i-- {
		v := &t.versions[i]
		if l := v.reading.Lease; l.Holder != "" && l.Holder == r.Lease.Holder && l.Epoch == r.Lease.Epoch && v.holder == holder {
			return v
		}
	}
	return nil
}

// holder is the node that a reading gives the target to, by what clients would
// see: the addresses, or the lease where they are the same on every node.
func (t *target) holder(r engine.Reading) int {
	switch {
	case !r.Exists:
		return nobody
	case r.Refuse != "":
		return stranger
	case t.kind == engine.Address:
		return t.known(indexOf(instances[:], r.Instance))
	case t.w.plan.All:
		v := t.view(r.Addrs, &r.Lease)
		return v.first()
	case !t.shared:
		return t.known(indexOf(nodeAddrs[:], r.Addrs))
	case r.Addrs != sharedAddr:
		return stranger
	case r.Lease.Holder == "":
		return nobody
	}
	return t.known(indexOf(nodeNames[:], r.Lease.Holder))
}

func (t *target) known(id int) int {
	if id < 0 || id >= t.w.plan.Nodes {
		return stranger
	}
	return id
}

// plain reports whether a record is as a node wrote it: with a lease that says
// what it holds. An address always is.
func (t *target) plain(r engine.Reading) bool {
	return t.kind == engine.Address || !r.Exists || r.Refuse == "" && r.Lease.Holder != "" && r.Lease.Addrs == r.Addrs
}

// swap is what a provider does with a conditional write.
func (t *target) swap(from engine.Reading, to engine.Value, by int) (engine.Outcome, engine.Reading) {
	if t.backend != nil {
		r, outcome := t.backend.Swap(from, to)
		if outcome == engine.Done {
			if t.w.plan.All && same(t.backend.Now(), t.now()) {
				return outcome, r // it was there already: by the same write, sent again, of a node that leaves
			}
			t.note(t.backend.Now(), by)
			if now := t.now(); !same(now, r) {
				t.w.fail("I1", "%s holds %q after a swap, and %q was told", t.id, now.Token, r.Token)
			}
		}
		switch now := t.backend.Now(); {
		case outcome == engine.Done || same(now, t.now()):
		case !now.Exists:
			t.w.fail("I3", "%s is absent after a swap that ended %s", t.id, outcome)
		default:
			t.w.fail("I1", "%s holds %q after a swap that ended %s", t.id, now.Token, outcome)
		}
		return outcome, r
	}
	cur := t.now()
	if t.kind == engine.Address {
		if cur.Exists {
			return engine.Conflict, engine.Reading{}
		}
		t.put(engine.Reading{Token: t.token(), Exists: true, Instance: instances[by]}, by)
		return engine.Done, t.now()
	}
	if cur.Token != from.Token || cur.Refuse != "" {
		return engine.Conflict, engine.Reading{}
	}
	t.put(engine.Reading{Token: t.token(), Exists: true, Addrs: to.Addrs, TTL: to.TTL, Lease: to.Lease}, by)
	return engine.Done, t.now()
}

// release is what a provider does when an association is ended.
func (t *target) release(from engine.Reading, by int) (engine.Outcome, engine.Reading) {
	cur := t.now()
	if !cur.Exists || cur.Token != from.Token {
		return engine.Conflict, engine.Reading{}
	}
	t.put(t.empty(), by)
	return engine.Done, t.now()
}

// read is what a provider tells; stale is how long a change may go unseen.
func (t *target) read(stale time.Duration) engine.Reading {
	i := len(t.versions) - 1
	for i > 0 && t.w.now-t.versions[i].at < stale {
		i--
	}
	return t.versions[i].reading
}

func (w *world) find(id string) *target {
	for _, t := range w.targets {
		if t.id == id {
			return t
		}
	}
	return nil
}
