package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// siteAt serves the name of a load balancer where its site would be.
func siteAt(t *testing.T, name, address string, port int) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, name) }))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)
}

// associate gives the Elastic IP to a load balancer as these do: free first, and then nobody else's.
func associate(t *testing.T, w *world, name string) {
	t.Helper()
	a, _ := w.cloud.ElasticIP(w.elastic.id)
	if !a.Free() {
		if err := w.cloud.DisassociateAddress(awstest.Caller{}, a.AssociationID); err != nil {
			t.Fatal(err)
		}
	}
	i, _ := w.cloud.Instance(w.lbs[name])
	n := i.Interfaces[0]
	if len(n.Addresses) != 2 {
		t.Fatalf("%s has the addresses %+v", name, n.Addresses)
	}
	in := awstest.AssociateAddressInput{AllocationID: w.elastic.id, InterfaceID: n.ID, PrivateIP: n.Addresses[1].Private, KeepOthers: true}
	if _, err := w.cloud.AssociateAddress(awstest.Caller{}, in); err != nil {
		t.Fatal(err)
	}
	in.DryRun = true
	if _, err := w.cloud.AssociateAddress(awstest.Caller{}, in); err == nil {
		t.Fatal("a dry run is an error")
	}
}

// leadsTo waits until a site is that of a load balancer. An answer of EC2 is not the moment in which packets go elsewhere, nor is a
// connection that begins just then sure to live.
func leadsTo(t *testing.T, client *http.Client, url, name string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var body []byte
		resp, err := client.Get(url)
		if err == nil {
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil && string(body) == name {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%q answers, %v, want %s", body, err, name)
		}
	}
}

func TestElasticIPLeadsToItsHolder(t *testing.T) {
	newPort(t)
	p, err := free()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range p.balancers() {
		siteAt(t, b.name, b.address, p.site)
	}
	w := newTestWorld(t)
	if err := w.addElastic(p.site); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}
	point(t, w, elasticAddress, "lb1", 1)
	if h := w.held(); h.at != "" || !strings.HasSuffix(h.String(), "of lb1, epoch 1, and leads to nobody") {
		t.Errorf("before anybody has it: %s", h)
	}
	began := time.Now()
	for n, name := range []string{"lb1", "lb2", "lb1"} {
		associate(t, w, name)
		leadsTo(t, client, "http://"+net.JoinHostPort(elasticAddress, strconv.Itoa(p.site)), name)
		if h := w.held(); h.at != name || h.by != "lb1" || h.address != elasticAddress {
			t.Errorf("%+v, want it at %s", h, name)
		}
		if moved := w.moved(); len(moved) != n+1 || moved[n].Time.Before(began) {
			t.Errorf("after %d moves: %+v", n+1, moved)
		}
	}
	if done, sent := w.carriedOut("AssociateAddress"); len(done) != 3 || sent != 3 {
		t.Errorf("%d calls, of which %d were carried out: a dry run is no call", sent, len(done))
	}
	first, second := w.freedSince(began), w.freedSince(w.moved()[1].Time)
	if !first.After(w.moved()[0].Time) || first.After(w.moved()[1].Time) || !second.After(first) || second.After(w.moved()[2].Time) {
		t.Errorf("freed at %s and %s", first, second)
	}
	if at := time.Now(); w.freedSince(at) != at {
		t.Error("it was freed after the end")
	}
	for _, b := range known.balancers() {
		if i, _ := w.cloud.Instance(w.lbs[b.name]); i.Interfaces[0].Addresses[0].Public != b.address {
			t.Errorf("%s has lost its own address: %+v", b.name, i.Interfaces[0].Addresses)
		}
	}
}

func TestCaddyfileWithElasticIP(t *testing.T) {
	text := withElastic(caddyfile)
	if n := strings.Count(text, "\n\t\t\telastic_ip "+elasticAddress+"\n"); n != 1 {
		t.Errorf("it is there %d times:\n%s", n, text)
	}
	if strings.Replace(text, "\t\t\telastic_ip "+elasticAddress+"\n", "", 1) != caddyfile {
		t.Error("something else has changed, too")
	}
}
