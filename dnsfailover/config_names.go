package dnsfailover

import (
	"cmp"
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
	}
	for i, s := range c.Services {
		if err := checkService(s.Name); err != nil {
			f.of("service", err)
		} else if slices.ContainsFunc(c.Services[:i], func(other ServiceConfig) bool { return other.Name == s.Name }) {
			f.add("service %s is given twice; put all of it into one block", s.Name)
		}
		if len(s.Records) == 0 {
			f.add("service %s has no record: write the name that clients use, such as record www.example.com", s.Name)
		}
		for _, r := range s.Records {
			name := "service " + s.Name + ": record " + r.Name
			if err := checkDNSName(r.Name); err != nil {
				name = "service " + s.Name + ": record"
				f.of(name, err)
			}
			f.of(name+" ttl", checkTTL(time.Duration(r.TTL)))
			f.of(name+" address", c.checkAddressKind(r.Address))
		}
	}
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

// checkZones gives each record and own name its hosted zone: its own, or the default, which may be empty. It is an error if one
// has none, if what it has is not the id of one, or if two are the same name in the same zone.
func (c *Config) checkZones(defaultZone string) error {
	var f faults
	users := make(map[string]string) // by zone and name
	one := func(option, name string, zone *string) {
		if *zone = cmp.Or(*zone, defaultZone); *zone == "" {
			f.add("%s has no hosted zone: write hosted_zone_id into dns route53 { }, or zone_id here; aws route53 list-hosted-zones shows it", option)
			return
		}
		id, err := checkZone(*zone)
		if err != nil {
			f.of(option+" zone_id", err)
			return
		}
		*zone = id
		canonical, err := record.Name(name)
		if err != nil {
			return // said elsewhere
		}
		key := *zone + " " + canonical
		if other, taken := users[key]; taken {
			f.add("%s has the same name in the same hosted zone as %s, and each would take it from the other; remove one of them", option, other)
		}
		users[key] = option
	}
	for i := range c.Services {
		s := &c.Services[i]
		for j := range s.Records {
			r := &s.Records[j]
			one("service "+s.Name+": record "+r.Name, r.Name, &r.ZoneID)
		}
	}
	for i := range c.Register {
		r := &c.Register[i]
		one("register "+r.Name, r.Name, &r.ZoneID)
	}
	return f.err()
}

// checkZone is the id of a hosted zone without what the AWS command line shows before it.
func checkZone(s string) (string, error) {
	id := strings.TrimPrefix(s, "/hostedzone/")
	if !zoneForm.MatchString(id) {
		return "", fmt.Errorf("%q is not the id of a hosted zone, such as Z0123456789ABCDEFGHIJ; aws route53 list-hosted-zones shows it", s)
	}
	return id, nil
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
