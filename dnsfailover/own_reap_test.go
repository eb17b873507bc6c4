package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/sim/core"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const (
	reapPlace = "eu-west-1:123456789012"

	// reapDue is when every look has been made that comes within a day of the first, and one more.
	reapDue = 24*time.Hour + 3*(reapEvery+reapEvery/10)
)

// reapWorld is a zone of a fake Route 53 with own names, and a fake EC2 with their instances, in a bubble of virtual time. One node
// reaps.
type reapWorld struct {
	t    *testing.T
	rec  *core.Record
	self string
	node *ownNode
	r    *reaping

	mu     sync.Mutex
	active bool
	lives  map[string]bool // instances that answer heartbeats
	asked  int             // how often EC2 was
	deaf   error           // of EC2
	lists  int
	meddle func() // between the reading and the removal of a name
}

func newReapWorld(t *testing.T) *reapWorld {
	w := &reapWorld{t: t, rec: core.New(ownLabName, time.Now), active: true, lives: map[string]bool{}}
	w.rec.Cloud.SetRate("", awstest.Rate{})
	w.self = w.launch()
	w.node = newOwnNode(t, w.self, w.rec.Zone, "203.0.113.1")
	w.node.want.Place = reapPlace
	w.node.open = w.open
	w.node.list = w.list
	w.r = &reaping{
		access: w.node.access, instance: w.self, place: reapPlace, states: w.states,
		turn: func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.active },
		here: func(id string) bool { w.mu.Lock(); defer w.mu.Unlock(); return w.lives[id] },
	}
	return w
}

// begin registers the node's own name, and reaps.
func (w *reapWorld) begin() {
	w.node.begin()
	w.r.names = []reapName{{w.node.want, "{node}.example.com", 24 * time.Hour}}
	w.node.reap(w.r)
	pass(ownSoon)
	w.wants(ownLabName, true)
}

func (w *reapWorld) launch() string {
	w.t.Helper()
	id, err := w.rec.Cloud.Launch(awstest.Launch{})
	w.must(err)
	return id
}

// ended is an instance that has been terminated.
func (w *reapWorld) ended() string {
	w.t.Helper()
	id := w.launch()
	w.must(w.rec.Cloud.Terminate(id))
	return id
}

func (w *reapWorld) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// put registers a name as the node of an instance would, with an edit of the lease.
func (w *reapWorld) put(name, instance string, edit ...func(*engine.Lease)) {
	w.t.Helper()
	rec := w.rec.Beside(name)
	node, _, _ := strings.Cut(name, ".")
	to := engine.Value{Addrs: "203.0.113.9", TTL: 60, Lease: engine.Lease{
		Epoch: 3, Holder: node, Instance: instance, Nonce: "x-" + node, Addrs: "203.0.113.9", Mode: ownMode, Hash: reapPlace,
	}}
	for _, f := range edit {
		f(&to.Lease)
	}
	if _, o := rec.Swap(rec.Now(), to); o != engine.Done {
		w.t.Fatalf("registering %s: %s", name, o)
	}
	pass(time.Second)
}

// there reports whether a name is in the zone, with or without a lease.
func (w *reapWorld) there(name string) bool {
	r := w.rec.Beside(name).Now()
	return r.Exists || r.Lease.Holder != ""
}

func (w *reapWorld) wants(name string, there bool) {
	w.t.Helper()
	if w.there(name) != there {
		w.t.Errorf("after %s, %s is there: %t", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), name, !there)
	}
}

func (w *reapWorld) open(_ *awsAccess, zone, name string) (ownTarget, error) {
	if zone != w.rec.Zone {
		w.t.Errorf("the zone is %s", zone)
	}
	return &reapTarget{ownWorld{t: w.t, rec: w.rec.Beside(name)}, w}, nil
}

// reapTarget is a name that somebody may change between reading and writing.
type reapTarget struct {
	ownWorld
	world *reapWorld
}

func (t *reapTarget) Remove(ctx context.Context, from engine.Reading) error {
	t.world.mu.Lock()
	meddle := t.world.meddle
	t.world.mu.Unlock()
	if meddle != nil {
		meddle()
	}
	return t.ownWorld.Remove(ctx, from)
}

// list is what the real listing gives: the target of Route 53 has a test of its own for that.
func (w *reapWorld) list(context.Context, *awsAccess, string, string) (all []ownLease, err error) {
	w.mu.Lock()
	w.lists++
	w.mu.Unlock()
	for _, s := range w.rec.Cloud.Records(w.rec.Zone) {
		name, ok := strings.CutPrefix(strings.TrimSuffix(s.Name, "."), record.LeaseName(""))
		if !ok || len(s.Values) != 1 {
			continue
		}
		if l, err := record.Decode(s.Values[0]); err == nil && l.Mode == ownMode {
			all = append(all, ownLease{name, l})
		}
	}
	return all, nil
}

func (w *reapWorld) states(_ context.Context, ids []string) (map[string]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.deaf != nil {
		return nil, fmt.Errorf("%w (request %d)", w.deaf, w.asked)
	}
	out, err := w.rec.Cloud.DescribeInstances(awstest.Caller{}, awstest.DescribeInstancesInput{Filters: []awstest.Filter{{Name: "instance-id", Values: ids}}})
	all := map[string]string{}
	for _, r := range out.Reservations {
		for i := range r.Instances {
			all[r.Instances[i].ID] = r.Instances[i].State.String()
		}
	}
	return all, err
}

func (w *reapWorld) do(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// What goes is the name of a node whose instance has ended, or that nobody knows any more; and it takes its time.
func TestReap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReapWorld(t)
		w.put("lb2.example.com", w.ended())
		w.put("lb3.example.com", "i-0123456789abcdef0")
		w.begin()
		w.node.wantLogs("own name registered")
		pass(24*time.Hour + reapEvery - time.Minute) // since the first look it is less than a day
		w.wants("lb2.example.com", true)
		w.wants("lb3.example.com", true)
		pass(reapDue - 24*time.Hour)
		w.wants("lb2.example.com", false)
		w.wants("lb3.example.com", false)
		w.wants(ownLabName, true)
		w.node.wantLogs("own name of a node that is gone for good deleted", "own name of a node that is gone for good deleted")
		w.mu.Lock()
		if w.asked < 22 || w.asked > 26 {
			t.Errorf("EC2 was asked %d times in a day", w.asked)
		}
		asked, lists := w.asked, w.lists
		w.mu.Unlock()

		// With nobody left to ask for, EC2 is not asked.
		pass(24 * time.Hour)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.asked != asked || w.lists-lists < 21 || w.lists-lists > 24 {
			t.Errorf("then EC2 was asked %d times, and the zone was listed %d times", w.asked-asked, w.lists-lists)
		}
	})
}

func TestReapLeaves(t *testing.T) {
	for _, tc := range []struct {
		name string
		put  func(w *reapWorld) // at lb2.example.com
	}{
		{"a running instance's", func(w *reapWorld) { w.put("lb2.example.com", w.launch()) }},
		{"a stopped instance's", func(w *reapWorld) {
			id := w.launch()
			w.must(w.rec.Cloud.Stop(id))
			w.put("lb2.example.com", id)
		}},
		{"one that answers", func(w *reapWorld) {
			id := w.ended()
			w.lives[id] = true
			w.put("lb2.example.com", id)
		}},
		{"another pattern", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended(), func(l *engine.Lease) { l.Holder = "lb9" })
		}},
		{"another region", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended(), func(l *engine.Lease) { l.Hash = "us-east-1:123456789012" })
		}},
		{"of no known place", func(w *reapWorld) { w.put("lb2.example.com", w.ended(), func(l *engine.Lease) { l.Hash = "" }) }},
		{"of no known place, by a node that does not know its own", func(w *reapWorld) {
			w.r.place = ""
			w.put("lb2.example.com", w.ended(), func(l *engine.Lease) { l.Hash = "" })
		}},
		{"of no instance", func(w *reapWorld) { w.put("lb2.example.com", "host-2") }},
		{"a service's", func(w *reapWorld) { w.put("lb2.example.com", w.ended(), func(l *engine.Lease) { l.Mode = "one" }) }},
		{"without a lease", func(w *reapWorld) {
			w.must(w.rec.Cloud.SetRecord(w.rec.Zone, awstest.RecordSet{Name: "lb2.example.com", Type: "A", TTL: 60, Values: []string{"203.0.113.9"}}))
		}},
		{"edited by somebody", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended())
			w.must(w.rec.Cloud.SetRecord(w.rec.Zone, awstest.RecordSet{Name: "lb2.example.com", Type: "A", TTL: 60, Values: []string{"203.0.113.99"}}))
		}},
		{"changed in the last moment", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended())
			w.meddle = func() {
				w.must(w.rec.Cloud.SetRecord(w.rec.Zone, awstest.RecordSet{Name: "lb2.example.com", Type: "A", TTL: 60, Values: []string{"203.0.113.98"}}))
			}
		}},
		{"while it is not this node's turn", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended())
			w.active = false
		}},
		{"while EC2 does not answer", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended())
			w.deaf = errors.New("RequestLimitExceeded")
		}},
		{"while EC2 does not know this node", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended())
			w.must(w.rec.Cloud.Terminate(w.self))
		}},
		{"while this node's own name is not there", func(w *reapWorld) {
			w.put("lb2.example.com", w.ended())
			w.put(ownLabName, w.launch())
			w.node.lives[w.rec.Now().Lease.Instance] = true
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newReapWorld(t)
				tc.put(w)
				w.begin()
				before := fmt.Sprint(w.rec.Beside("lb2.example.com").Now().Lease)
				pass(3 * reapDue)
				w.wants("lb2.example.com", true)
				if after := fmt.Sprint(w.rec.Beside("lb2.example.com").Now().Lease); after != before {
					t.Errorf("the lease is %s, and was %s", after, before)
				}
			})
		})
	}
}

// The time begins anew with everything that speaks for the owner.
func TestReapCountsAnew(t *testing.T) {
	for _, tc := range []struct {
		name string
		sign func(w *reapWorld, id string) // after half a day
	}{
		{"it was another node's turn", func(w *reapWorld, _ string) {
			w.do(func() { w.active = false })
			pass(2 * reapEvery)
			w.do(func() { w.active = true })
		}},
		{"EC2 showed the instance", func(w *reapWorld, id string) {
			w.must(w.rec.Cloud.Hide(id, 0))
			pass(2 * reapEvery)
			w.must(w.rec.Cloud.Terminate(id))
		}},
		{"it answered", func(w *reapWorld, id string) {
			w.do(func() { w.lives[id] = true })
			pass(2 * reapEvery)
			w.do(func() { w.lives[id] = false })
			w.must(w.rec.Cloud.Terminate(id))
		}},
		{"it wrote", func(w *reapWorld, id string) {
			w.put("lb2.example.com", id, func(l *engine.Lease) { l.Epoch, l.Nonce = 4, "y" })
			pass(2 * reapEvery)
			w.must(w.rec.Cloud.Terminate(id))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newReapWorld(t)
				id := w.launch()
				w.put("lb2.example.com", id)
				w.must(w.rec.Cloud.Hide(id, 1000)) // not found is as good as ended
				w.begin()
				pass(12 * time.Hour)
				tc.sign(w, id)
				pass(22 * time.Hour)
				w.wants("lb2.example.com", true)
				pass(reapDue - 20*time.Hour)
				w.wants("lb2.example.com", false)
			})
		})
	}
}

// What is wrong is said once, and counts for nobody.
func TestReapSaysWhatIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newReapWorld(t)
		w.put("lb2.example.com", w.ended())
		w.begin()
		w.node.logs.TakeAll()
		w.do(func() { w.deaf = errors.New("a fault") })
		pass(5 * time.Hour)
		w.node.wantLogs("own names of nodes that are gone for good can't be deleted; this is tried again")
		if text := w.node.reapProblem(); !strings.Contains(text, "can't be deleted: a fault (request ") {
			t.Errorf("the problem is %q", text)
		}
		w.do(func() { w.deaf = nil })
		pass(2 * reapEvery)
		if text := w.node.reapProblem(); text != "" {
			t.Errorf("the problem is still %q", text)
		}
		w.must(w.rec.Cloud.Terminate(w.self))
		pass(3 * time.Hour)
		if all := w.node.logs.TakeAll(); len(all) != 1 || !strings.Contains(fmt.Sprint(all[0].ContextMap()["error"]), "does not know this instance") {
			t.Errorf("the log has %+v", all)
		}

		// After the end of the names there is no look.
		w.node.stop(t.Context())
		w.do(func() { w.lists = 0 })
		pass(5 * time.Hour)
		if w.lists != 0 {
			t.Errorf("%d looks after the end", w.lists)
		}
	})
}
