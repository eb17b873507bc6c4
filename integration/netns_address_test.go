//go:build linux

package integration

import (
	"fmt"
	"testing"
	"time"
)

// newEIPOnASwitch makes a lab whose nodes, and Elastic IP, are on a bridge. The nodes have no metadata service there, and are told all
// that it would say.
func newEIPOnASwitch(t *testing.T, o eipOptions) *eipLab {
	t.Helper()
	const public = "10.77.0.100"
	l := newLabOnASwitch(t, 2)
	l.must(ip("addr add " + public + "/24 dev br0"))
	e := newEIPAt(l, public, o)
	for _, n := range e.nodes {
		i, _ := e.cloud.Instance(n.id)
		card := i.Interfaces[0]
		n.conf.address = fmt.Sprintf("elastic_ip %s {\nregion %s\ninterface %s\nprivate_ip %s\n}", public, i.Region, card.ID, card.Addresses[1].Private)
	}
	return e
}

// The holder's cable is pulled, and plugged in again. That is one move.
func TestElasticIPLinkIsDown(t *testing.T) {
	inNetwork(t, func(t *testing.T) {
		e := newEIPOnASwitch(t, eipOptions{})
		e.start()
		lb1, lb2 := e.nodes[0], e.nodes[1]
		e.witnessed(lb2)
		e.ask()

		fault := time.Now()
		e.must(lb1.port.down())
		took := e.moved(lb2, fault, settled)
		e.served(lb2, fault, took+slack)
		e.must(lb1.port.up())
		e.hear()
		e.holds(lb2)
		e.calm(lb2)
		e.called(1, 2)
		e.moved(lb1, lb2.kill(), eipKilled)
		e.holds(lb1)
		e.called(2, 3)
	})
}
