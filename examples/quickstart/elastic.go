package main

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// elasticAddress is the Elastic IP of the stories that have one: an address on the loopback interface of its own.
const elasticAddress = "127.0.0.10"

// elastic is an Elastic IP that leads to whichever load balancer has it.
type elastic struct {
	id    string // of the allocation
	plane *awstest.DataPlane
}

// addElastic allocates the Elastic IP, which nobody has yet, and carries connections to it. The instances of the load balancers
// have a secondary private address each, where it goes, so that they keep their own public one.
func (w *world) addElastic(site int) error {
	a, err := w.cloud.AllocateAddress(awstest.Allocation{PublicIP: elasticAddress, Tags: map[string]string{"Name": siteName}})
	if err != nil {
		return err
	}
	addresses := make(map[string]string) // by instance
	for _, b := range known.balancers() {
		id := w.lbs[b.name]
		if _, err := w.cloud.AddPrivateIP(id, 0, ""); err != nil {
			return err
		}
		addresses[id] = b.address
	}
	at := net.JoinHostPort(elasticAddress, strconv.Itoa(site))
	plane, err := awstest.ServeDataPlane(w.cloud, a.AllocationID, at, awstest.DataPlaneOptions{
		// This machine has not got the secondary addresses.
		Dial: func(a awstest.ElasticIP) string { return net.JoinHostPort(addresses[a.InstanceID], strconv.Itoa(site)) },
	})
	if err != nil {
		return inUse(at, err)
	}
	w.elastic = &elastic{a.AllocationID, plane}
	return nil
}

// balancerAt is the name of the load balancer that clients of an address reach, or "". Whose the Elastic IP is, EC2 says,
// whether the record points there yet or not.
func (w *world) balancerAt(address string) string {
	var instance string
	if w.elastic != nil {
		a, _ := w.cloud.ElasticIP(w.elastic.id)
		instance = a.InstanceID
	}
	for _, b := range known.balancers() {
		switch {
		case w.elastic == nil && b.address == address, w.elastic != nil && w.lbs[b.name] == instance:
			return b.name
		}
	}
	return ""
}

// moved are the calls by which the load balancers got what leads clients to them, oldest first.
func (w *world) moved() []awstest.Call {
	action := "ChangeResourceRecordSets"
	if w.elastic != nil {
		action = "AssociateAddress"
	}
	done, _ := w.carriedOut(action)
	return done
}

// freedSince is when the Elastic IP was taken from its holder after a moment, and that moment if it was not.
func (w *world) freedSince(at time.Time) time.Time {
	done, _ := w.carriedOut("DisassociateAddress")
	for _, c := range done {
		if !c.Time.Before(at) {
			return c.Time
		}
	}
	return at
}

// withElastic is a Caddyfile whose service has the Elastic IP beside its record.
func withElastic(text string) string {
	const service = "service www {\n"
	return strings.Replace(text, service, service+"\t\t\telastic_ip "+elasticAddress+"\n", 1)
}
