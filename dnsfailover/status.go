package dnsfailover

import (
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Status is what a node knows of its part in failover: the answer of the admin endpoint /dnsfailover/status. Nothing in it is
// secret. Its lists are as long as those of the configuration, and long texts are cut.
type Status struct {
	// Node is this node's name, and Instance what no other machine has. Until the node is set up both are empty, as is all
	// that follows but Problems, which says why.
	Node     string `json:"node,omitempty"`
	Instance string `json:"instance,omitempty"`
	// Addresses are those of this node that the configuration needs.
	Addresses StatusAddresses `json:"addresses,omitzero"`
	// AsConfigured: all of the configuration runs. If not, the configuration before goes on, or nothing does, and this is
	// tried again by itself.
	AsConfigured bool `json:"as_configured"`
	// Leaving: the process exits, or failover is gone from its configuration. LingersUntil is until when the node serves on
	// after that, if it does.
	Leaving      bool      `json:"leaving"`
	LingersUntil time.Time `json:"lingers_until,omitzero"`
	// Problems are what somebody has to do something about.
	Problems []StatusProblem `json:"problems"`
	// Services and Peers are in the order of the configuration. This node itself is none of its peers.
	Services []StatusService `json:"services"`
	Peers    []StatusPeer    `json:"peers"`
	// SelfChecks are the checks of this node by itself, and OwnNames the names that it alone has.
	SelfChecks []SelfCheckStatus `json:"self_checks"`
	OwnNames   []ownStatus       `json:"own_names"`
	// Rejected counts the messages that the heartbeat listener refused, by reason.
	Rejected map[string]uint64 `json:"rejected_messages,omitempty"`
	// Dropped counts decisions and log lines that were not said, because the log or a handler of events was too slow.
	Dropped uint64 `json:"dropped_notes"`
}

// StatusAddresses are the addresses of a node, each empty if it has none, or needs none.
type StatusAddresses struct {
	Private string `json:"private,omitempty"`
	Public  string `json:"public,omitempty"`
	IPv6    string `json:"ipv6,omitempty"`
}

// StatusProblem is what keeps a node from doing what it was told to. What depends on the node itself is tried again by itself.
type StatusProblem struct {
	About string `json:"about"` // such as heartbeat, identity, dns, peers, or service and its name
	Error string `json:"error"` // what is wrong, and the next step
	// Since is zero, and left out, if that is not known.
	Since time.Time `json:"since,omitzero"`
}

// StatusService is a service as this node sees it.
type StatusService struct {
	Name string `json:"name"`
	// Mode is one, or all if every healthy node is to have the service.
	Mode string `json:"mode"`
	// Role is starting (this node does not know enough to act), standby or active.
	Role string `json:"role"`
	// Holder is the name of the node at which the first record points, or which has the Elastic IP if there is no record. It is
	// empty for nobody, for somebody that is none of the nodes, and before that has been read; in mode all it is the node that
	// joined last.
	Holder string `json:"holder,omitempty"`
	// Epoch counts the moves of the service; it is the highest number seen. Provisional is that under which this node holds other
	// targets while the first one can't be read, or 0.
	Epoch       uint64 `json:"epoch"`
	Provisional uint64 `json:"provisional_epoch,omitempty"`
	// Healthy: this node's own checks pass. Paused: an operator wants it to make no move of its own accord. Leaving: it stops.
	Healthy bool `json:"healthy"`
	Paused  bool `json:"paused"`
	Leaving bool `json:"leaving"`
	// Waiting is why this node does not claim the service now, and empty if it has it. HoldingDown: because of hold_down, which
	// is HoldDown.
	Waiting     string  `json:"waiting,omitempty"`
	HoldingDown bool    `json:"holding_down"`
	HoldDown    float64 `json:"hold_down_seconds"`
	// Guarantee is what holds for every move of the service. Detection is how soon this node takes a silent holder for dead,
	// and why; it is empty if there is none but this node.
	Guarantee string `json:"guarantee"`
	Detection string `json:"detection,omitempty"`

	Witness StatusProbe         `json:"witness"`
	Control StatusProbe         `json:"control"` // `reference` of the configuration
	Targets []StatusTarget      `json:"targets"`
	Peers   []StatusPeerService `json:"peers"`
}

// StatusProbe is a witness, or the probe of this node's own view.
type StatusProbe struct {
	Configured bool `json:"configured"`
	// Armed: it has passed, the witness since the holder's claim. One that has not counts for nothing.
	Armed bool `json:"armed"`
	// OK: the last one passed, which began so long ago; -1 if there was none, as on the holder, which has no witness. Error is
	// why it did not pass.
	OK    bool    `json:"ok"`
	Age   float64 `json:"age_seconds"`
	Error string  `json:"error,omitempty"`
}

// StatusTarget is a record, or an address, that points clients at the holder.
type StatusTarget struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // record or address
	// Zone is the id of the hosted zone, or the name of one that is not in Route 53.
	Zone string `json:"zone_id,omitempty"`
	// Advisory: the DNS provider can't compare and swap.
	Advisory bool `json:"advisory,omitempty"`
	// Holder is the name of the node that has it. It is empty for nobody, for somebody that is none of the nodes, before it has been
	// read, and in mode all, where Members are those that it points at.
	Holder  string         `json:"holder,omitempty"`
	Members []StatusMember `json:"members,omitempty"`
	// Association is that of an Elastic IP, which is left out while it is free.
	Association *StatusAssociation `json:"association,omitempty"`
	// Wanted is what it holds when this node has it. Holds is what it held when it was read, with the TTL in seconds and the
	// lease beside it; all are left out if it is absent. Of an Elastic IP Holds is the address itself, whoever has it.
	Wanted string       `json:"wanted,omitempty"`
	Holds  string       `json:"holds,omitempty"`
	TTL    int          `json:"ttl,omitempty"`
	Lease  *StatusLease `json:"lease,omitempty"`
	// Untouchable is why nobody here can write it, such as alias.
	Untouchable string `json:"untouchable,omitempty"`
	// Foreign is how the latest foreign_check ended, if there was one.
	Foreign *ProbeStatus `json:"foreign_check,omitempty"`
	// Outcome is how the latest call ended: done, conflict, busy, unknown or denied; it is empty before the first has.
	// Error says more.
	Outcome string `json:"outcome,omitempty"`
	Error   string `json:"error,omitempty"`
	// Denied: this node lacks a permission for it, and is no candidate.
	Denied bool `json:"denied"`
	// Age is how long ago it was read, -1 before the first time.
	Age float64 `json:"age_seconds"`
}

// StatusLease is the TXT beside a record, which says who wrote it.
type StatusLease struct {
	Epoch    uint64 `json:"epoch"`
	Holder   string `json:"holder"`
	Instance string `json:"instance,omitempty"`
	Nonce    string `json:"nonce"`
	Holds    string `json:"holds"` // what the record was given; anything else in it was edited by somebody
}

// StatusMember is a node in a record of mode all.
type StatusMember struct {
	Node     string `json:"node"`
	Instance string `json:"instance,omitempty"`
	Epoch    uint64 `json:"epoch"` // of its joining
	Holds    string `json:"holds"` // its addresses
	// Witness asks for the service at its addresses. There is none of this node itself, and in records but the first.
	Witness *StatusProbe `json:"witness,omitempty"`
}

// StatusAssociation is that of an Elastic IP with an instance.
type StatusAssociation struct {
	ID         string `json:"id"`
	Allocation string `json:"allocation,omitempty"` // the id of the Elastic IP
	Instance   string `json:"instance,omitempty"`   // or the network interface, if that is on no instance
}

// StatusPeer is another node.
type StatusPeer struct {
	Address string `json:"address"`
	// Name and Instance are what it said of itself, empty before it first did.
	Name     string `json:"name,omitempty"`
	Instance string `json:"instance,omitempty"`
	// Up: the latest heartbeat was answered. Reply says how it ended, and Error says more.
	Up    bool   `json:"up"`
	Reply string `json:"reply"`
	Error string `json:"error,omitempty"`
	// Misses is how many heartbeats in a row were not answered.
	Misses int `json:"misses"`
}

// StatusPeerService is what a peer last said of a service. All is false before it has said anything.
type StatusPeerService struct {
	Address string `json:"address"`
	Name    string `json:"name,omitempty"`
	Active  bool   `json:"active"`
	Epoch   uint64 `json:"epoch"`
	Healthy bool   `json:"healthy"`
	// Able: nothing that it would have to write is denied to it. Doubtful: something was, of late.
	Able     bool `json:"able"`
	Doubtful bool `json:"doubtful"`
	Leaving  bool `json:"leaving"`
	Paused   bool `json:"paused"`
	// SameDefinition: it was told the same records of the service.
	SameDefinition bool `json:"same_definition"`
	// Unseen: it does not reach the service at the holder, though it did.
	Unseen bool `json:"unseen"`
	// UnseenOf are the nodes of a service of mode all at which it does not reach the service, though it did.
	UnseenOf []string `json:"unseen_of,omitempty"`
	// Hears are the names of the nodes that answer it.
	Hears []string `json:"hears,omitempty"`
}

// status is what the node knows now, and false if no configuration is in force.
func (n *node) status() (Status, bool) {
	s, ok := n.snapshot()
	if !ok {
		return Status{}, false
	}
	v := view{snapshot: s}
	if u := s.setup; u != nil {
		v.wanted, v.loop, v.checks, v.own = u.wanted(), u.loop.Status(), u.checks.status(), u.own.status()
		v.reap = u.own.reapProblem()
		v.rejected = rejectedBy(u)
		v.probes = map[string][]ProbeStatus{}
		for key := range v.loop.Services {
			v.probes[key] = u.probes().status(key)
		}
	}
	return v.status(), true
}

// rejectedBy counts what a setup's heartbeat listener refused; nil if there is none.
func rejectedBy(u *setup) map[Rejection]uint64 {
	u.mu.Lock()
	server := u.server
	u.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Rejected()
}

// view is all that a status is made of.
type view struct {
	snapshot snapshot
	wanted   *wanted // this and what follows only if there is a setup
	loop     LoopStatus
	checks   []SelfCheckStatus
	own      []ownStatus
	reap     string                   // why own names are not reaped, or empty
	probes   map[string][]ProbeStatus // by the keys of the services
	rejected map[Rejection]uint64
}

// replyTexts are how heartbeats end, in words.
var replyTexts = [...]string{
	engine.Answered:   "it answers",
	engine.Silent:     "it is silent",
	engine.Refused:    "its host refuses the connection",
	engine.Mismatched: "it answers, but can't be believed",
}
