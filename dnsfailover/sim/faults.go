package sim

import (
	"math/rand/v2"
	"time"
)

// FaultKind is a way in which the world goes wrong, or is changed by somebody.
type FaultKind uint8

// The faults.
const (
	Kill        FaultKind = iota // the process dies; its host refuses
	HostDown                     // the host is gone
	Freeze                       // the process stops running; its host still accepts
	FreezeVM                     // the machine stops, and its clock
	FreezeWrite                  // the process stops just before it sends its next write
	CrashWrite                   // a process dies as soon as its next write is carried out, and before it hears of that
	Exit                         // the process is told to stop, in good order
	CutLink                      // two nodes don't reach each other
	OneWay                       // one node does not reach another
	Isolate                      // a node reaches no peer and is reached by none
	Split                        // the nodes fall into two groups
	Island                       // a node reaches nothing at all
	Loss                         // some messages between all nodes are lost
	Slow                         // messages of a node take longer than its peers wait
	NoPublic                     // clients do not reach a node
	NoEgress                     // a node reaches neither API nor anything public
	Sick                         // a node's own checks fail, and clients see it
	SickCheck                    // they fail, but clients are served
	SickAll                      // those of every node fail
	Throttle                     // an API refuses calls for now
	Outage                       // an API answers nothing and does nothing
	LoseReply                    // an API does what it is asked, and the answer is lost
	LateCall                     // an API does it seconds later, and the answer is lost
	StaleRead                    // an API tells what was before
	SlowSend                     // a node's calls are sent late
	DenyWrite                    // a node may not write a target
	DenyRead                     // a node may not read one
	ClockStep                    // a node's wall clock is wrong, and the API refuses it
	WrongSecret                  // a node has another heartbeat secret
	OrderTakeover
	OrderRelease
	OrderPause // and resume, at the end
	ReloadSame // every node loads the same configuration
	ReloadTTL  // every node is given another TTL, one after another
	ReloadHash // every node is given another definition, one after another
	EditAddrs  // somebody else's addresses, which do not work
	EditWorks  // somebody else's addresses, which work
	EditDelete // the record is deleted, the address freed
	EditTTL
	EditAlias // a kind of record that is never overwritten
	EditLease // the lease is deleted
	EditNode  // another node's addresses, by hand
	numFaults
)

var faultNames = [numFaults]string{
	"kill", "host down", "freeze", "freeze vm", "freeze before write", "crash after write", "exit", "cut link", "one way", "isolate", "split", "island",
	"loss", "slow", "no public path", "no egress", "sick", "sick check", "all sick", "throttle", "outage", "lose reply", "late call",
	"stale read", "slow send", "deny write", "deny read", "clock step", "wrong secret", "takeover", "release", "pause", "reload same",
	"reload ttl", "reload hash", "edit addresses", "edit to what works", "edit delete", "edit ttl", "edit alias", "edit lease", "edit to node",
}

func (k FaultKind) String() string { return faultNames[k] }

// Holder in [Fault.Node] is the node that has the home when the fault begins, or
// node 0 if nobody has it. In mode all it is one of those that are in it.
const Holder = -1

// Everyone in [Fault.Node] is all nodes, for faults of an API.
const Everyone = -2

// Fault is one trouble with its time.
type Fault struct {
	At   time.Duration
	For  time.Duration // 0: for good
	Kind FaultKind

	Node   int // or Holder, or Everyone
	Peer   int // the other end of a link
	Target int
	Group  uint8 // bit set of one side of a split
}

var allFaults = func() (all [numFaults]FaultKind) {
	for k := range all {
		all[k] = FaultKind(k)
	}
	return all
}()

var regimeFaults = [numRegimes][]FaultKind{
	Partitions: {CutLink, CutLink, OneWay, Isolate, Isolate, Split, Split, Island, Loss, Slow, NoPublic, NoEgress, Freeze, WrongSecret},
	Nodes:      {Kill, Kill, HostDown, HostDown, Freeze, FreezeVM, FreezeWrite, CrashWrite, Exit, Exit, Sick},
	Calls:      {Throttle, Outage, LoseReply, LoseReply, LateCall, StaleRead, SlowSend, DenyWrite, DenyRead, ClockStep, NoEgress, FreezeWrite, CrashWrite, Kill, Sick, Exit, OrderTakeover},
	Operators:  {OrderTakeover, OrderRelease, OrderPause, ReloadSame, ReloadTTL, ReloadHash, EditAddrs, EditWorks, EditDelete, EditTTL, EditAlias, EditLease, EditNode, Exit, Kill},
	Checks:     {Sick, Sick, SickCheck, SickAll, NoPublic, NoPublic, NoEgress, Kill},
}

// forGood are faults that may stay for the rest of a schedule.
var forGood = [numFaults]bool{Kill: true, HostDown: true, Exit: true, Sick: true, SickCheck: true, SickAll: true, DenyWrite: true, DenyRead: true, OrderPause: true}

// drawFault draws the particulars of a fault.
func drawFault(r *rand.Rand, s *Schedule, k FaultKind, at time.Duration) Fault {
	f := Fault{At: at, Kind: k, Node: r.IntN(s.Nodes), Target: r.IntN(s.Shape.targets())}
	switch r.IntN(3) {
	case 0:
		f.For = between(r, 200*time.Millisecond, 4*time.Second)
	case 1:
		f.For = between(r, 3*time.Second, 15*time.Second)
	default:
		f.For = between(r, 10*time.Second, 40*time.Second)
	}
	f.Peer = (f.Node + 1 + r.IntN(s.Nodes-1)) % s.Nodes
	f.Group = uint8(1 + r.IntN(1<<s.Nodes-2))
	if r.IntN(2) == 0 {
		f.Node = Holder
	}
	if forGood[k] && r.IntN(4) == 0 {
		f.For = 0
	}
	switch k {
	case Throttle, Outage, LoseReply, LateCall, StaleRead, SlowSend:
		if r.IntN(3) != 0 {
			f.Node = Everyone
		}
	case FreezeWrite, CrashWrite:
		f.Node = Everyone
	case DenyWrite:
		f.Node = r.IntN(s.Nodes) // the holder does not write, and would not know
	case NoPublic:
		f.For += 70 * time.Second // two probes must fail before anybody is sure
		if r.IntN(3) == 0 {
			f.For = between(r, time.Second, 20*time.Second)
		}
	}
	return f
}

// targets is the number of targets of a shape.
func (s Shape) targets() int {
	switch s {
	case SharedAddress, TwoRecords, RecordAddress:
		return 2
	}
	return 1
}

// records reports whether all targets of a shape hold the nodes' own addresses.
func (s Shape) records() bool { return s == OneRecord || s == TwoRecords || s == CoreRecord }

// end is when the last fault is over.
func (s *Schedule) end() time.Duration {
	var end time.Duration
	for _, f := range s.Faults {
		end = max(end, f.At+f.For)
		if f.Kind == FreezeWrite {
			end = max(end, f.At+2*f.For) // the write may come last thing
		}
	}
	if end > 0 {
		end += 2 * time.Second // hosts that come back start their process later
	}
	return end
}
