package dnsfailover

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
)

// checkNames checks own names, services by name, and records.
func (c *Config) checkNames(f *faults) {
	if len(c.Register)+len(c.Services) == 0 {
		f.add("there is neither a service nor a register: write service www { record www.example.com }")
	}
	for _, r := range c.Register {
		name := "register " + r.Name
		if err := checkDNSName(sampleName(r.Name)); err != nil {
			name = "register"
			f.of(name, err)
		}
		f.of(name+" ttl", checkTTL(time.Duration(r.TTL)))
		f.of(name+" deregister", oneOf(r.Deregister, "on_stop", "never"))
		f.of(name+" address", c.checkAddressKind(r.Address))
		f.of(name+" reap_after", c.checkReap(&r))
	}
	for i, s := range c.Services {
		if err := checkService(s.Name); err != nil {
			f.of("service", err)
		} else if slices.ContainsFunc(c.Services[:i], func(other ServiceConfig) bool { return other.Name == s.Name }) {
			f.add("service %s is given twice; put all of it into one block", s.Name)
		}
		if len(s.Records) == 0 && s.ElasticIP == nil {
			f.add("service %s has neither a record nor an elastic_ip: write the name that clients use, such as record www.example.com", s.Name)
		}
		for _, r := range s.Records {
			name := "service " + s.Name + ": record " + r.Name
			if err := checkDNSName(r.Name); err != nil {
				name = "service " + s.Name + ": record"
				f.of(name, err)
			}
			f.of(name+" ttl", checkTTL(time.Duration(r.TTL)))
			if s.sharedAddress(&r) {
				f.of(name+" address", oneOf(r.Address, addressPublic))
			} else {
				f.of(name+" address", c.checkAddressKind(r.Address))
			}
		}
	}
}

// hasNames reports whether there is, or should be, anything to write into the DNS.
func (c *Config) hasNames() bool {
	return len(c.Register) > 0 || len(c.Services) == 0 || slices.ContainsFunc(c.Services, func(s ServiceConfig) bool { return len(s.Records) > 0 || s.ElasticIP == nil })
}

// checkAddressKind reports whether a name can have the node's address of a kind.
func (c *Config) checkAddressKind(kind string) error {
	if err := oneOf(kind, addressPublic, addressPrivate); err != nil {
		return err
	}
	switch a := c.Address; {
	case a == nil:
	case kind == addressPrivate && a.Private == addressNone:
		return errors.New("this node has no private address (address { private none }): write address public, or give it one")
	case kind == addressPublic && a.Public == addressNone && a.IPv6 == addressNone:
		return errors.New("this node has neither a public nor an IPv6 address (address { public none, ipv6 none }): write address private, or give it one")
	}
	return nil
}

// checkDNSName holds a name to what a record, and the lease beside it, can have.
func checkDNSName(s string) error {
	name, err := record.Name(s)
	if err != nil {
		return err
	}
	if strings.HasPrefix(name, record.LeaseName("")) {
		return fmt.Errorf("the name %q is one of the leases, which are kept beside the records: choose another", s)
	}
	return nil
}
