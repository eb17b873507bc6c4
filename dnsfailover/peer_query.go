package dnsfailover

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// The addresses of a peer beside addressPublic and addressPrivate, and how often EC2 may be asked.
const (
	addressIPv6 = "ipv6"
	minRefresh  = time.Second
	maxRefresh  = 24 * time.Hour
)

// instanceID is the form of the ids of EC2.
var instanceID = regexp.MustCompile(`^i-[0-9a-f]{8,17}$`)

// hasPeers reports whether there are, or can be, other nodes.
func (c *Config) hasPeers() bool { return len(c.Peers) > 0 || c.PeersEC2 != nil }

func (q *PeerQuery) fill() {
	if q != nil {
		q.Port, q.Address = cmp.Or(q.Port, defaultPort), cmp.Or(q.Address, addressPrivate)
	}
}

// fleetQuery is what EC2 is asked.
func (q *PeerQuery) fleetQuery() (fleet.Query, error) {
	return fleet.NewQuery(q.source(), q.Tags, q.ASG, q.Filters)
}

// oneQuery asks whether an instance runs, whatever its tags are by now.
func (q *PeerQuery) oneQuery(instance string) (fleet.Query, error) {
	return fleet.NewQuery(q.source(), nil, nil, map[string][]string{"instance-id": {instance}})
}

func (q *PeerQuery) source() awsconf.Source {
	return awsconf.Source{Region: q.Region, Profile: q.Profile, RoleARN: q.RoleARN, ExternalID: q.ExternalID, Endpoint: q.Endpoint}
}

// addressOf is where an instance is asked for heartbeats, or "" if it lacks such an address.
func (q *PeerQuery) addressOf(in *fleet.Instance) string {
	ip := in.PrivateIPv4
	switch q.Address {
	case addressPublic:
		ip = in.PublicIPv4
	case addressIPv6:
		ip = in.IPv6
	}
	if !ip.IsValid() {
		return ""
	}
	return net.JoinHostPort(ip.String(), strconv.Itoa(q.Port))
}

func (c *Config) checkPeersEC2(f *faults) {
	q := c.PeersEC2
	if q == nil {
		return
	}
	if _, err := q.fleetQuery(); err != nil {
		f.of("peers ec2", err)
	}
	if slices.Contains(q.ASG, "") {
		f.add("peers ec2: asg: the name of a group is empty")
	}
	if q.Port < 1 || q.Port > 65535 {
		f.add("peers ec2: port: %d is not between 1 and 65535", q.Port)
	}
	if err := oneOf(q.Address, addressPrivate, addressIPv6, addressPublic); err != nil {
		f.of("peers ec2: address", err)
	}
	if d := time.Duration(q.Refresh); d != 0 {
		f.of("peers ec2: refresh", span{minRefresh, maxRefresh}.check(d))
	}
	if q.Address == addressPublic && !c.Heartbeat.AllowPublic {
		f.add("peers ec2: public addresses are refused by the peers: take private ones, or add allow_public to heartbeat")
	}
	if q.Address == addressIPv6 && !listensIPv6(c.Heartbeat.Listen) {
		f.add("peers ec2: address ipv6 needs a listener that IPv6 reaches: write heartbeat { listen [::]:%d }", q.Port)
	}
	if i := c.Instance; i != "" && i != "{ec2.instance_id}" && !instanceID.MatchString(i) {
		f.add("instance: %s is not what EC2 calls an instance, by which peers ec2 knows them: remove the option instance", i)
	}
}

// listensIPv6 reports whether a listener can be reached by IPv6. All addresses include those of IPv6.
func listensIPv6(listen string) bool {
	a, err := netip.ParseAddrPort(listen)
	return err == nil && (a.Addr().Is6() || a.Addr().IsUnspecified())
}

// readPeers reads the hosts of other nodes, or the query for them.
func (c *Config) readPeers(p *blockParser) error {
	next := *p.Dispenser
	if !next.NextArg() || next.Val() != "ec2" {
		return p.list("peers", "<host[:port]...> | ec2 { <a tag, asg or filter> }", &c.Peers)
	}
	if err := p.once("peers ec2"); err != nil {
		return err
	}
	if _, err := p.head("peers", 1, 1, fmt.Sprintf("ec2 { <a tag, asg or filter> }; a host of that name is written ec2:%d", defaultPort)); err != nil {
		return err
	}
	c.PeersEC2 = new(PeerQuery)
	n, err := p.block("peers ec2", c.PeersEC2.readOption)
	if err == nil && n == 0 {
		return p.Errf("peers ec2 takes a block that says which instances are nodes, such as tag Role lb; a host of that name is written ec2:%d", defaultPort)
	}
	return err
}

func (q *PeerQuery) readOption(p *blockParser, option string) error {
	switch option {
	case "tag":
		return p.values(option, "<key> <values...>", &q.Tags)
	case "filter":
		return p.values(option, "<name> <values...>", &q.Filters)
	case "asg":
		return p.list(option, "<names...>", &q.ASG)
	}
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "port":
		args, err := p.args(option, 1, 1, "<port>")
		if err != nil {
			return err
		}
		if q.Port, err = strconv.Atoi(args[0]); err != nil {
			return p.notText(option, args[0], "a port, such as 8404")
		}
		if !isPort(args[0]) {
			return p.Errf("port: %s is not between 1 and 65535", args[0])
		}
		return nil
	case "address":
		return p.word(option, &q.Address, addressPrivate, addressIPv6, addressPublic)
	case "refresh":
		return p.duration(option, span{minRefresh, maxRefresh}, &q.Refresh)
	}
	if known, err := p.source(option, &q.Region, &q.Profile, &q.RoleARN, &q.ExternalID, &q.Endpoint); known {
		return err
	}
	return p.unknown(option)
}

// values reads a name with values, each name once.
func (p *blockParser) values(option, usage string, to *map[string][]string) error {
	args, err := p.args(option, 2, unlimited, usage)
	if err != nil {
		return err
	}
	if _, twice := (*to)[args[0]]; twice {
		return p.Errf("%s %s is given twice; put all its values on one line, any of them then matches", option, args[0])
	}
	if *to == nil {
		*to = map[string][]string{}
	}
	(*to)[args[0]] = args[1:]
	return nil
}
