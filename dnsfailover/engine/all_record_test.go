package engine

import (
	"testing"
	"time"
)

func TestAllStrangers(t *testing.T) {
	const other = "198.51.100.9"
	beside := func(r Reading) Reading {
		r.Addrs = union(r.Addrs, other)
		return sealed(r)
	}
	t.Run("one that works stays", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.holds[home] = beside(n.holds[home])
		n.foreign = true
		n.run(5 * time.Minute)
		n.wantNoWrite()
	})
	t.Run("joining keeps it", func(t *testing.T) {
		n := newAll(t, "lb2")
		n.holds[home] = beside(n.holds[home])
		n.foreign = true
		n.run(time.Minute)
		n.wantWrite(Join)
		if r := n.holds[home]; r.Addrs != addr1+","+addr2+","+other {
			t.Errorf("%+v", r)
		}
	})
	t.Run("one that fails goes", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.holds[home] = beside(n.holds[home])
		n.run(15 * time.Second)
		n.wantNoWrite()
		n.run(30 * time.Second)
		n.wantWrite(Stranger)
		if r := n.holds[home]; r.Addrs != addr1+","+addr2 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("alone it is left alone", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = sealed(Reading{Exists: true, Addrs: other, TTL: 300})
		n.foreign = true
		n.run(5 * time.Minute)
		n.wantNoWrite()
		n.foreign = false
		n.run(2 * time.Minute)
		n.wantWrite(Join)
		if n.in() != "lb1" || n.holds[home].Addrs != addr1 {
			t.Errorf("%+v", n.holds[home])
		}
	})
	t.Run("alone beside our leases it is left alone", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.foreign = true
		n.run(30 * time.Second)
		edited := n.holds[home]
		edited.Addrs = other
		n.holds[home] = sealed(edited)
		n.run(5 * time.Minute)
		n.wantNoWrite()
		n.wantRole(Standby)
		n.foreign = false
		n.run(2 * time.Minute)
		n.wantWrite(Join)
		if r := n.holds[home]; n.in() != "lb1" || r.Addrs != addr1 || r.Lease.Epoch != 7 {
			t.Errorf("%+v", r) // lb2 joins by itself
		}
	})
	t.Run("without a lease its own address is adopted", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = sealed(Reading{Exists: true, Addrs: addr1 + "," + addr2, TTL: 60})
		n.run(time.Minute)
		n.wantWrite(Adopt)
		if r := n.holds[home]; n.in() != "lb1" || r.Addrs != addr1+","+addr2 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("an alias", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = sealed(Reading{Exists: true, Refuse: "alias"})
		n.run(5 * time.Minute)
		n.wantNoWrite()
	})
}

func TestAllConverges(t *testing.T) {
	t.Run("its address", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.run(5 * time.Second)
		n.cfg.Targets = []Target{{ID: home, Addrs: "192.0.2.77", TTL: 60}}
		n.step(Reloaded{})
		n.run(5 * time.Second)
		n.wantWrite(Own)
		if r := n.holds[home]; r.Addrs != addr2+",192.0.2.77" || r.Lease.Epoch != 6 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("the TTL, by the first", func(t *testing.T) {
		n := newAll(t, "lb1", "lb2")
		n.run(5 * time.Second)
		n.cfg.Targets = []Target{{ID: home, Addrs: addr1, TTL: 30}}
		n.step(Reloaded{})
		n.run(time.Minute)
		n.wantWrite(Own)
		if ttl := n.holds[home].TTL; ttl != 30 {
			t.Errorf("TTL %d", ttl)
		}
		edited := n.holds[home]
		edited.TTL = 3600
		n.holds[home] = sealed(edited)
		n.forget()
		n.run(5 * time.Minute)
		n.wantNoWrite() // what somebody has set stays
	})
	t.Run("from a service that one node holds", func(t *testing.T) {
		n := newAll(t)
		n.holds[home] = leased("lb2", 7, addr2)
		n.peer["lb2"].body.Active, n.peer["lb2"].body.Hash = true, "one"
		n.run(30 * time.Second)
		n.wantNoWrite()
		n.peer["lb2"].body.Hash = "h"
		n.run(5 * time.Second)
		n.wantWrite(Join)
		if r := n.holds[home]; n.in() != "lb1 lb2" || r.Lease.Epoch != 8 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("to a service that one node holds", func(t *testing.T) {
		n := newAll(t, "lb2", "lb1")
		n.cfg.Mode, n.cfg.Hash = "one", "new"
		n.run(30 * time.Second)
		n.wantWrite(Own)
		if r := n.holds[home]; r.Addrs != addr1 || r.Lease.Mode != "one" || r.Lease.Members != "" {
			t.Errorf("%+v", r)
		}
	})
}
