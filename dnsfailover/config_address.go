package dnsfailover

import (
	"fmt"
	"net"
	"slices"
	"strconv"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// ElasticIPConfig is an Elastic IP of EC2 that the node has which has the service. It is moved in two steps, so for about a
// second nobody has it, and connections that are open are cut.
type ElasticIPConfig struct {
	// The id of the allocation, such as `eipalloc-0123456789abcdef0`, or the IPv4 address itself. A service that has records of
	// it, too, can do without EC2 at its start if it is the address.
	Address string `json:"address,omitempty"`
	// The private IPv4 address of the interface with which it is associated. Default: `auto`, a secondary one that has no public
	// address, if there is one, else the primary one, whose own public address is gone meanwhile. Several Elastic IPs on one
	// interface need one each.
	PrivateIP string `json:"private_ip,omitempty"`
	// The id of the network interface of this instance, such as `eni-0123456789abcdef0`. Default: the one of device.
	Interface string `json:"interface,omitempty"`
	// The device index of the interface. Default: 0, the primary one.
	Device int `json:"device,omitempty"`

	// The AWS region. Default: that of the instance.
	Region string `json:"region,omitempty"`
	// A profile of the shared AWS configuration files. Default: the SDK's own chain (environment variables, then the
	// instance's role).
	Profile string `json:"profile,omitempty"`
	// A role to assume. Default: none.
	RoleARN string `json:"role_arn,omitempty"`
	// The external id that the role demands. Needs role_arn.
	ExternalID string `json:"external_id,omitempty"`
	// The URL of the EC2 API, for a VPC endpoint or an emulator. Default: AWS_ENDPOINT_URL, else the region's own.
	Endpoint string `json:"endpoint,omitempty"`
}

func (e *ElasticIPConfig) source() awsconf.Source {
	return awsconf.Source{Region: e.Region, Profile: e.Profile, RoleARN: e.RoleARN, ExternalID: e.ExternalID, Endpoint: e.Endpoint}
}

// card is the network interface, as far as the configuration tells.
func (e *ElasticIPConfig) card() string {
	if e.Interface != "" {
		return e.Interface
	}
	return fmt.Sprintf("device %d", e.Device)
}

// checkElasticIPs checks those of all services.
func (c *Config) checkElasticIPs(f *faults) {
	var before []*ServiceConfig
	for i := range c.Services {
		s := &c.Services[i]
		if s.ElasticIP == nil {
			continue
		}
		s.ElasticIP.check(f, "service "+s.Name+": elastic_ip "+s.ElasticIP.Address)
		for _, other := range before {
			s.checkBeside(f, other)
		}
		before = append(before, s)
		c.checkMoves(f, s.ElasticIP.Address)
	}
	if len(before) == 0 {
		return
	}
	if i := c.Instance; i != "" && i != "{ec2.instance_id}" && !instanceID.MatchString(i) {
		f.add("instance: %s is not what EC2 calls an instance, which gets the Elastic IP: remove the option instance", i)
	}
	if q := c.PeersEC2; q != nil && q.Address == addressPublic {
		f.add("peers ec2: the public address of a node may be an Elastic IP that moves: take private addresses")
	}
}

func (e *ElasticIPConfig) check(f *faults, name string) {
	if !allocationForm.MatchString(e.Address) && !isIPv4(e.Address) {
		f.add("%s: %q is neither the id of an Elastic IP, such as eipalloc-0123456789abcdef0, nor an IPv4 address; "+
			"aws ec2 describe-addresses shows both", name, e.Address)
	}
	if e.PrivateIP != privateAuto && !isIPv4(e.PrivateIP) {
		f.add("%s private_ip: %q is neither auto nor an IPv4 address, such as 10.0.1.20", name, e.PrivateIP)
	}
	if e.Interface != "" && !interfaceForm.MatchString(e.Interface) {
		f.add("%s interface: %q is not the id of a network interface, such as eni-0123456789abcdef0; or write device 0", name, e.Interface)
	}
	if e.Device < 0 {
		f.add("%s interface: a device index is 0 or more, not %d", name, e.Device)
	}
	if e.Device > 0 && e.Interface != "" {
		f.add("%s: interface %s and device %d exclude each other; remove one of them", name, e.Interface, e.Device)
	}
	f.of(name, e.source().Validate())
}

// checkBeside checks whether two services can have their Elastic IPs on one node.
func (s *ServiceConfig) checkBeside(f *faults, other *ServiceConfig) {
	e, o := s.ElasticIP, other.ElasticIP
	switch {
	case e.Address == o.Address:
		f.add("service %s has the Elastic IP of service %s, %s, and each would take it from the other; remove one of them", s.Name, other.Name, e.Address)
	case e.card() != o.card():
	case e.PrivateIP == privateAuto || o.PrivateIP == privateAuto:
		f.add("services %s and %s have Elastic IPs on one interface, %s, where each would take the private address of the other: "+
			"give each a private_ip of its own", other.Name, s.Name, e.card())
	case e.PrivateIP == o.PrivateIP:
		f.add("services %s and %s have Elastic IPs with one private_ip, %s, which can have only one: give each its own", other.Name, s.Name, e.PrivateIP)
	}
}

// checkMoves holds what stays with a node to addresses that do.
func (c *Config) checkMoves(f *faults, address string) {
	if a := c.Address; a != nil && (a.Public == address || a.Private == address) {
		f.add("address: %s is the Elastic IP of a service, and moves: write the node's own address, or none", address)
	}
	if slices.ContainsFunc(c.Peers, func(p string) bool { host, _, _ := net.SplitHostPort(p); return host == address }) {
		f.add("peers: %s is the Elastic IP of a service, and moves: write the node's private address", address)
	}
}

func (s *ServiceConfig) readElasticIP(p *blockParser) error {
	args, err := p.head("elastic_ip", 1, 1, "<eipalloc-id> | <address>")
	if err != nil {
		return err
	}
	s.ElasticIP = &ElasticIPConfig{Address: args[0]}
	_, err = p.block("elastic_ip", s.ElasticIP.readOption)
	return err
}

func (e *ElasticIPConfig) readOption(p *blockParser, option string) error {
	if err := p.once(option); err != nil {
		return err
	}
	switch option {
	case "private_ip":
		return p.text(option, "auto | <address>", &e.PrivateIP)
	case "interface":
		return e.readInterface(p)
	}
	if known, err := p.source(option, &e.Region, &e.Profile, &e.RoleARN, &e.ExternalID, &e.Endpoint); known {
		return err
	}
	return p.unknown(option)
}

func (e *ElasticIPConfig) readInterface(p *blockParser) error {
	const usage = "device <index> | <eni-id>"
	args, err := p.args("interface", 1, 2, usage)
	if err != nil {
		return err
	}
	if device := args[0] == "device"; device != (len(args) == 2) {
		return p.Errf("interface: expected interface %s", usage)
	}
	if len(args) == 1 {
		e.Interface = args[0]
		return nil
	}
	if e.Device, err = strconv.Atoi(args[1]); err != nil {
		return p.notText("interface device", args[1], "a device index, such as 1")
	}
	return nil
}
