package awstest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Defaults of [Config].
const (
	DefaultRegion  = "eu-west-1"
	DefaultAccount = "123456789012"
)

// Config is how a [Cloud] behaves. The zero value is a good one for tests.
type Config struct {
	// Region is where instances are launched and calls go unless they say
	// otherwise. Default [DefaultRegion].
	Region string

	// Account is the 12-digit account of the same kind. Default
	// [DefaultAccount].
	Account string

	// Zones are the availability zones of Region as Account names them.
	// Default three, such as eu-west-1a to eu-west-1c with the ids euw1-az1
	// to euw1-az3. Other regions always have three. Another account sees the
	// same zone ids under other names.
	Zones []Zone

	// Now is the only clock there is. Default [time.Now].
	Now func() time.Time

	// Seed decides the order of answers, identifiers, and what is seen late.
	// Zero means 1.
	Seed uint64

	// BootTime is how long an instance is pending before it runs. Default
	// none: it runs as soon as anybody looks.
	BootTime time.Duration

	// StopTime is how long an instance is stopping or shutting down. Default
	// none.
	StopTime time.Duration

	// Consistency is how long after a change DescribeInstances, or
	// DescribeAddresses, may still show what was before it. Each answer decides
	// anew for each instance and address, so two answers may contradict each
	// other. Default none. AWS names no bound; it advises to go on asking for up
	// to five minutes.
	Consistency time.Duration

	// Propagation is how long a change of record sets is PENDING before it is
	// INSYNC and seen in the DNS. Default none. AWS says that it takes up to
	// 60 seconds in general.
	Propagation time.Duration

	// ChangeTime is how long Route 53 goes on processing a change, in which it
	// refuses any other change of the zone with PriorRequestNotComplete.
	// Default none.
	ChangeTime time.Duration

	// ChangeErrors is the form that InvalidChangeBatch has on the wire. Default
	// [EitherForm].
	ChangeErrors ErrorForm
}

// Cloud is the whole fake: every account, region and service. Its methods may
// be called concurrently.
type Cloud struct {
	mu  sync.Mutex
	cfg Config
	rng *rand.Rand

	domains   map[place]*domain
	machines  map[string]*machine
	outages   map[string]bool // zone id
	tokens    pageTokens
	keys      map[string]*identity       // access key id
	roles     map[string]Role            // ARN
	sessions  map[string]metadataSession // IMDSv2 token
	publicIPs uint32                     // given out so far

	addresses    []*elastic
	addressRules AddressRules

	hosted   map[string]*hostedZone // by id
	hostedBy []*hostedZone          // in the order in which they were added
	submits  map[string]*change     // by id
	policies []*changePolicies

	faults  []*Fault
	denials []*denial
	rates   map[string]Rate
	buckets map[bucketKey]*bucket
	log     callLog
}

// New returns an empty cloud in which [AccessKeyID] is known.
func New(cfg Config) *Cloud {
	if cfg.Region == "" {
		cfg.Region = DefaultRegion
	}
	if cfg.Account == "" {
		cfg.Account = DefaultAccount
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Seed == 0 {
		cfg.Seed = 1
	}
	c := &Cloud{
		cfg:      cfg,
		rng:      rand.New(rand.NewPCG(cfg.Seed, 0)),
		domains:  make(map[place]*domain),
		machines: make(map[string]*machine),
		outages:  make(map[string]bool),
		keys:     make(map[string]*identity),
		roles:    make(map[string]Role),
		sessions: make(map[string]metadataSession),
		hosted:   make(map[string]*hostedZone),
		submits:  make(map[string]*change),
		rates:    make(map[string]Rate),
		buckets:  make(map[bucketKey]*bucket),
	}
	c.addUser("caddy", Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}, cfg.Account, "")
	return c
}

// SetConsistency changes [Config.Consistency]. A longer one is for changes made
// from now on; with a shorter one earlier changes are seen by everybody sooner.
func (c *Cloud) SetConsistency(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cfg.Consistency = d
}

// place is what most of AWS is separate by.
type place struct{ account, region string }

// domain is one account in one region.
type domain struct {
	place
	zones    []Zone
	vpc      string
	subnets  []string // one for each zone
	hosts    []uint32 // addresses given out in each subnet
	machines []*machine
	launches map[string][]string // RunInstances client token to instance ids
}

// domain returns the named account and region, which exist once somebody asks.
func (c *Cloud) domain(p place) *domain {
	if d := c.domains[p]; d != nil {
		return d
	}
	d := &domain{
		place:    p,
		zones:    c.zonesOf(p),
		vpc:      "vpc-" + c.hex(17),
		launches: make(map[string][]string),
	}
	for range d.zones {
		d.subnets = append(d.subnets, "subnet-"+c.hex(17))
		d.hosts = append(d.hosts, firstHost)
	}
	c.domains[p] = d
	return d
}

// hex returns n random hexadecimal digits.
func (c *Cloud) hex(n int) string {
	const digits = "0123456789abcdef"
	b := make([]byte, n)
	for i := range b {
		b[i] = digits[c.rng.IntN(len(digits))]
	}
	return string(b)
}

// uuid returns an identifier in the form of a request id.
func (c *Cloud) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x",
		c.rng.Uint32(), c.rng.Uint32()>>16, c.rng.Uint32()>>20, c.rng.Uint32()>>20, c.rng.Uint64()>>16)
}
