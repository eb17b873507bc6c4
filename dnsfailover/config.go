package dnsfailover

import (
	"encoding/json"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Defaults of the configuration, and what it can't exceed.
const (
	defaultPort     = 8404
	defaultInterval = time.Second
	minInterval     = 100 * time.Millisecond
	maxInterval     = time.Minute
	minTimeout      = 10 * time.Millisecond
	maxSelfTimeout  = 2 * time.Second // that of a self-check by default: what is slower is as good as broken
	defaultFall     = 3
	defaultRise     = 2
	maxCount        = 100 // of fall and rise: more is a typing error
	defaultHoldDown = 5 * time.Minute
	maxHoldDown     = 24 * time.Hour
	minFailback     = time.Second
	maxFailback     = 24 * time.Hour
	defaultTTL      = time.Minute
	minTTL          = time.Second
	maxTTL          = 24 * time.Hour
	defaultHandOver = 10 * time.Second
	minHandOver     = 100 * time.Millisecond
	maxHandOver     = 10 * time.Minute
	maxLinger       = time.Hour
	noLinger        = -1
	addressLinger   = 5 * time.Second // where no name points at the node itself: who is there is cut off anyway
)

// Config is what `dnsfailover` is told, in a Caddyfile or in JSON. All strings may hold global placeholders such as
// `{env.NAME}`; those that say so also those of the instance: `{ec2.instance_id}`, `{ec2.region}`, `{ec2.zone}`,
// `{ec2.private_ipv4}`, `{ec2.public_ipv4}` and `{ec2.tag.NAME}`, the value of a tag (the instance must allow tags in its metadata).
type Config struct {
	// This node's name, the same after every start, and different on every node. It may hold instance placeholders. Default:
	// the instance id.
	Node string `json:"node,omitempty"`
	// What no other machine has. Default: the instance id, from the instance metadata service. Outside EC2 it is needed, such
	// as `{system.hostname}`; a cloned machine must have another. It may hold instance placeholders.
	Instance string `json:"instance,omitempty"`
	// This node's addresses. Default, for each: what the instance metadata service says.
	Address *Addresses `json:"address,omitempty"`

	// How nodes watch each other.
	Heartbeat *HeartbeatConfig `json:"heartbeat,omitempty"`
	// The other nodes: host:port of their heartbeat listeners, or a host alone for port 8404. A host name is looked up at
	// every connection. This node itself may be among them: so all nodes can have the same list. Default: none, a single node.
	Peers []string `json:"peers,omitempty"`
	// Further nodes by EC2 tag, group or filter, which join and leave by themselves. Default: none.
	PeersEC2 *PeerQuery `json:"peers_ec2,omitempty"`

	// Checks of this node by itself. It is healthy if all of them pass. Default: none, it is healthy as long as it runs.
	SelfChecks []SelfCheck `json:"self_checks,omitempty"`
	// Whether this node's own view of the network counts: an https or http URL of something else that is always there, or
	// `own_address` for this node's own public address. While it fails, having passed before, this node takes nothing over from a
	// silent holder. Default: none, its view always counts.
	Reference string `json:"reference,omitempty"`

	// The DNS provider of all records: `route53`, with the hosted zone's id, which each record may override. Secrets in it are
	// placeholders, or better none at all: without them those of the environment, or the role of the instance, are used.
	//
	// Any other module of `dns.providers` that can list, set and delete records will do, too, but no such one can compare and
	// swap. So what it holds is advisory: nodes that reach it, and not each other, may both move the record, one after the other.
	// Each record then names its zone. It is not for register, nor for mode all.
	DNSRaw json.RawMessage `json:"dns,omitempty" caddy:"namespace=dns.providers inline_key=name"`

	// How long a writer waits between the lease and the addresses, so that another writer shows. It has to be longer than the provider
	// takes to list the zone, write a record and show it, and the same on all nodes. Not for route53, which can compare and swap.
	// Default: 500ms; 10ms to 2s.
	DNSPause caddy.Duration `json:"dns_pause,omitempty"`

	// Names of this node alone, kept at its present address. Default: none.
	Register []OwnName `json:"register,omitempty"`
	// What the nodes have in common, and one of them holds at a time. The names are for people, logs and the admin API.
	Services []ServiceConfig `json:"services,omitempty"`

	// How long, at the exit of the process, to wait for a peer to take what this node holds. Default: 10s; 100ms to 10m.
	HandOver caddy.Duration `json:"hand_over,omitempty"`
}

// Addresses are those of a node. Each is an IP address, or `none` for a node without one.
type Addresses struct {
	// For peers and private names. Default: the primary private IPv4 address of the instance.
	Private string `json:"private,omitempty"`
	// For clients. Default: the public IPv4 address of the instance.
	Public string `json:"public,omitempty"`
	// For clients and AAAA records. Default: the IPv6 address of the instance.
	IPv6 string `json:"ipv6,omitempty"`
}

// HeartbeatConfig says how nodes watch each other.
type HeartbeatConfig struct {
	// Where peers ask this node: an address and port, private. Default: the private address, port 8404.
	Listen string `json:"listen,omitempty"`
	// Time between two heartbeats. Default: 1s; 100ms to 1m. The same on all nodes. All detection times grow with it.
	Interval caddy.Duration `json:"interval,omitempty"`
	// How long a peer may take to answer. Default: half the interval, which is the most; at least 10ms.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// How many heartbeats in a row without an answer are silence. Default: 3; 0 is the default too. Fewer is quicker, and takes a
	// hiccup for a death sooner.
	Fall int `json:"fall,omitempty"`
	// How many answers bring a peer back. Default: 2; 0 is the default too.
	Rise int `json:"rise,omitempty"`
	// Files with the secret that all nodes share: at least 16 bytes on a line, several lines for several secrets. Each is
	// accepted, and each is sent, so that a secret can be exchanged on one node after another. Needed as soon as there are
	// peers, unless secrets has one. It is read again every time the configuration is loaded.
	SecretFiles []string `json:"secret_files,omitempty"`
	// Secrets as placeholders, such as `{env.FAILOVER_SECRET}` or `{file./run/secrets/failover}`. A literal one is refused: it
	// would show in the admin API, and on the disk.
	Secrets []string `json:"secrets,omitempty"`
	// Whether to answer peers at public addresses too. Default: false, since heartbeats are authentic, but not encrypted.
	AllowPublic bool `json:"allow_public,omitempty"`
}

// PeerQuery says which running EC2 instances are nodes, and how they are reached. This node itself may be among them. What EC2
// last said counts while it does not answer, and a node leaves when a second answer does not hold it either. One that holds a
// service is a peer for as long as the record names it, or the Elastic IP is there. At most 32 instances can be nodes: while more
// match, the nodes stay who they were.
type PeerQuery struct {
	// The AWS region to look in. Default: the AWS_REGION environment variable or the profile's region, else the region of
	// the instance.
	Region string `json:"region,omitempty"`
	// A profile of the shared AWS configuration files. Default: the SDK's own chain (environment variables, then the
	// instance's role).
	Profile string `json:"profile,omitempty"`
	// A role to assume for the query. Default: none.
	RoleARN string `json:"role_arn,omitempty"`
	// The external id that the role demands. Needs role_arn.
	ExternalID string `json:"external_id,omitempty"`
	// The URL of the EC2 API, for a VPC endpoint or an emulator. Default: AWS_ENDPOINT_URL, else the region's own.
	Endpoint string `json:"endpoint,omitempty"`

	// Tags a node must carry, all of them: key to accepted values. `*` and `?` in a value are wildcards; keys and values are
	// case-sensitive.
	Tags map[string][]string `json:"tags,omitempty"`
	// Auto Scaling groups, one of which a node must belong to.
	ASG []string `json:"asg,omitempty"`
	// Further DescribeInstances filters: name to accepted values. At least one tag, group or filter is needed.
	Filters map[string][]string `json:"filters,omitempty"`

	// The port of the heartbeat listeners. Default: 8404; 0 is the default too.
	Port int `json:"port,omitempty"`
	// Which address to ask: `private` (IPv4, the default), `ipv6`, or `public` (IPv4). The others need allow_public where the
	// addresses are public ones.
	Address string `json:"address,omitempty"`
	// How often to ask EC2. Default: 10s; 1s to 24h. Peers that die are noticed by their heartbeats, whatever it is.
	Refresh caddy.Duration `json:"refresh,omitempty"`
}

// SelfCheck is a check of this node by itself, through its own listener, as clients reach it.
type SelfCheck struct {
	// What to ask: an http or https URL, without user and password. Its host is sent, and for https the certificate must be for it, but dial says where.
	URL string `json:"url,omitempty"`
	// Only connect by TCP, to host:port. Excludes url.
	TCP string `json:"tcp,omitempty"`
	// Where to connect for the URL: host:port of this node, such as `127.0.0.1:443`. Default: 127.0.0.1 and the URL's port.
	Dial string `json:"dial,omitempty"`
	// Time between two checks. Default: the interval of the heartbeat; 100ms to 1m.
	Interval caddy.Duration `json:"interval,omitempty"`
	// How long a whole check may take, 10ms to 1m. Default: the interval, but 2s if that is less.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// How many failures in a row make this node unhealthy. Default: 3; 0 is the default too. A failure is looked at again after a
	// quarter of the interval.
	Fall int `json:"fall,omitempty"`
	// How many passes make it healthy again. Default: 2; 0 is the default too. The first check after the start counts alone.
	Rise int `json:"rise,omitempty"`
	// A file with certificates of authorities (PEM) to trust instead of the system's. Default: the system's.
	TLSCA string `json:"tls_ca,omitempty"`
}

// OwnName is a DNS name of this node alone.
type OwnName struct {
	// The domain name, such as `{node}.example.com`. It may hold `{node}` and instance placeholders.
	Name string `json:"name,omitempty"`
	// The hosted zone, if it is not that of the DNS provider.
	ZoneID string `json:"zone_id,omitempty"`
	// Default: 60s; in whole seconds, up to 24h.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// Which address the name has: `public` (the default; with the IPv6 address, if there is one) or `private`. It is never the
	// Elastic IP of a service: while the node has no other public address the name stays as it is, and the status says why.
	Address string `json:"address,omitempty"`
	// When the name goes: `never` (the default), or `on_stop`, at the exit of the process, but not at a reload.
	Deregister string `json:"deregister,omitempty"`
	// How long the instance of another node must have been terminated until that node's name by this pattern is deleted, 1h to 8760h.
	// Only for names with a placeholder, and with peers_ec2. Default: 24h there, and otherwise never; -1 (`reap_after never` in a
	// Caddyfile) is never.
	ReapAfter caddy.Duration `json:"reap_after,omitempty"`
}

// ServiceConfig is what one node at a time holds: the names that clients use, or the address itself.
type ServiceConfig struct {
	// For people, logs and the admin API, the same on all nodes.
	Name string `json:"name,omitempty"`
	// `one` (the default): one node at a time has the service. `all`: every healthy node has it, and the records hold the addresses
	// of all of them. That is for records in Route 53 alone.
	Mode string `json:"mode,omitempty"`
	// The DNS names that point at the node that has the service. The first is the home of the epoch. At least one is needed, unless
	// there is an elastic_ip.
	Records []ServiceRecord `json:"records,omitempty"`
	// The Elastic IP that the node gets which has the service. Records of public addresses hold it then, on whatever node it is.
	// Default: none.
	ElasticIP *ElasticIPConfig `json:"elastic_ip,omitempty"`

	// The service as clients reach it: an https or http URL that is asked at the address of whoever holds the service. It
	// passes only while that one works, so a holder that it finds is not dead, whatever the heartbeat says. Default: none.
	Witness string `json:"witness,omitempty"`
	// A file with certificates of authorities (PEM) that the witness trusts instead of the system's. Default: the system's.
	WitnessCA string `json:"witness_ca,omitempty"`
	// How to find out whether a holder that is none of the nodes works: an https or http URL that is asked at its address, `tcp
	// :PORT`, or `ping`. Default: none, and what points elsewhere is never touched.
	ForeignCheck string `json:"foreign_check,omitempty"`

	// Nodes by name, the best first. Those that are not named come after them. Default: none, by name.
	Prefer []string `json:"prefer,omitempty"`
	// How long a preferred node must have been healthy until it gets the service back, 1s to 24h. Needs prefer. Default: 0, never.
	Failback caddy.Duration `json:"failback,omitempty"`
	// How long after a move silence alone moves the service no second time, and the least time between voluntary moves.
	// Default: 5m, or more if a long interval needs more. At least 10s and 2 × fall intervals, the time after a move in which silence
	// can't be told from the move itself; at most 24h.
	HoldDown caddy.Duration `json:"hold_down,omitempty"`
	// How long this node goes on serving, at the exit of the process, after a peer has taken the service, for resolvers that
	// still have the old answer, up to 1h. Default: the TTL of the first record, but 1h if that is less; with an Elastic IP, of the
	// first one that does not hold that, and 5s if there is none. -1 (`linger 0` in a Caddyfile) is none.
	Linger caddy.Duration `json:"linger,omitempty"`
}

// ServiceRecord is a DNS record set that points at the node that has the service: A, and AAAA where the node has an IPv6 address.
type ServiceRecord struct {
	// The domain name, such as `lb.example.com`. The apex of a zone is fine.
	Name string `json:"name,omitempty"`
	// The hosted zone, if it is not that of the DNS provider.
	ZoneID string `json:"zone_id,omitempty"`
	// The name of the zone, such as `example.com`, for a DNS provider other than route53, which needs it.
	Zone string `json:"zone,omitempty"`
	// Default: 60s; in whole seconds, up to 24h. Clients find the new holder that long after a move, at worst.
	TTL caddy.Duration `json:"ttl,omitempty"`
	// Which address of the node it has: `public` (the default; in a service with an Elastic IP that one) or `private`.
	Address string `json:"address,omitempty"`

	id string // set by prepare: the name, with the zone where an earlier record has the same
}
