package dnsfailover

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// secondary assigns a private address to the primary interface of lb2.
func (l *eipLab) secondary(ip string) string {
	l.t.Helper()
	ip, err := l.cloud.AddPrivateIP(l.lb2, 0, ip)
	l.must(err)
	return ip
}

// occupy puts another Elastic IP on a private address of lb2.
func (l *eipLab) occupy(private string) (public string) {
	l.t.Helper()
	i, _ := l.cloud.Instance(l.lb2)
	id := l.allocate(awstest.Allocation{})
	_, err := l.cloud.AssociateAddress(awstest.Caller{}, awstest.AssociateAddressInput{
		AllocationID: id, InterfaceID: i.Interfaces[0].ID, PrivateIP: private,
	})
	l.must(err)
	a, _ := l.cloud.ElasticIP(id)
	return a.PublicIP
}

// A secondary private address is preferred, since the node keeps its own public address then.
func TestElasticIPPlaceIsFound(t *testing.T) {
	l := newEIPLab(t)
	own, _ := l.cloud.Instance(l.lb2)
	lb2, from := l.idle()
	second := l.secondary("10.0.7.7")
	r := l.swap(lb2, from)
	if a := l.now(); a.PrivateIP != second {
		t.Errorf("it is at %s", a.PrivateIP)
	}
	if i, _ := l.cloud.Instance(l.lb2); i.PublicIP() != own.PublicIP() {
		t.Errorf("lb2 has the public address %s, and had %s", i.PublicIP(), own.PublicIP())
	}

	// Another that is free is not better than where it is.
	l.secondary("10.0.7.8")
	if p, err := lb2.place(l.ctx(), eipPublic, nil); err != nil || p.private != second {
		t.Errorf("%+v, %v", p, err)
	}

	// Those with other Elastic IPs are not chosen, even if that does not show in time.
	l.free(lb2, r)
	l.occupy(second)
	l.swap(lb2, l.read(lb2))
	if a := l.now(); a.PrivateIP != "10.0.7.8" {
		t.Errorf("it is at %s", a.PrivateIP)
	}
	l.must(l.cloud.SetAddress(l.id, ""))
	third := l.secondary("10.0.7.9")
	lb2.meanwhile(func() { l.occupy("10.0.7.8") })
	l.cloud.ResetCalls()
	l.swap(lb2, l.read(lb2))
	if a := l.now(); a.PrivateIP != third {
		t.Errorf("it is at %s", a.PrivateIP)
	}

	// The primary one is better than none.
	l.must(l.cloud.SetAddress(l.id, ""))
	l.occupy(third)
	r = l.swap(lb2, l.read(lb2))
	if a := l.now(); a.PrivateIP != own.PrivateIP() {
		t.Errorf("it is at %s", a.PrivateIP)
	}

	// With all of them taken, it can't be had, and nothing is taken from anybody.
	l.free(lb2, r)
	other := l.occupy(own.PrivateIP())
	_, err := lb2.Swap(l.ctx(), l.read(lb2), engine.Value{})
	wantError(t, err, engine.Denied, "the private address "+own.PrivateIP()+" of eni-", "has another Elastic IP, "+other, "private_ip", codeTaken)
	l.has("")
	if i, _ := l.cloud.Instance(l.lb2); i.PublicIP() != other {
		t.Errorf("%s is gone: lb2 has %s", other, i.PublicIP())
	}
}

// The private address of the configuration has another Elastic IP. If it is a secondary one, that is seen before anything is
// taken from the holder.
func TestElasticIPPlaceHasAnother(t *testing.T) {
	l := newEIPLab(t)
	second := l.secondary("10.0.7.7")
	other := l.occupy(second)
	lb2, from := l.held(func(o *ElasticIPOptions) { o.PrivateIP = second })
	_, err := lb2.Free(l.ctx(), from)
	wantError(t, err, engine.Denied, "the private address 10.0.7.7 of eni-", "has another Elastic IP, "+other)
	wantError(t, lb2.Check(l.ctx()), engine.Denied, "has another Elastic IP, "+other)
	l.has(l.lb1)

	i, _ := l.cloud.Instance(l.lb2)
	lb2 = l.target(l.lb2, func(o *ElasticIPOptions) { o.PrivateIP = i.PrivateIP() })
	other = l.occupy(i.PrivateIP())
	l.must(l.cloud.SetAddress(l.id, ""))
	_, err = lb2.Swap(l.ctx(), l.read(lb2), engine.Value{})
	wantError(t, err, engine.Denied, "has another Elastic IP, "+other, codeTaken)
	l.has("")
}

func TestElasticIPPlaceOfTheConfiguration(t *testing.T) {
	l := newEIPLab(t)
	private, err := l.cloud.AddInterface(l.lb2)
	l.must(err)
	i, _ := l.cloud.Instance(l.lb2)
	for name, tc := range map[string]struct {
		edit func(*ElasticIPOptions)
		want place
		part string
	}{
		"a device":              {edit: func(o *ElasticIPOptions) { o.Device = 1 }, want: place{i.Interfaces[1].ID, private}},
		"an interface":          {edit: func(o *ElasticIPOptions) { o.Interface = i.Interfaces[1].ID }, want: place{i.Interfaces[1].ID, private}},
		"an address":            {edit: func(o *ElasticIPOptions) { o.PrivateIP = i.PrivateIP() }, want: place{i.Interfaces[0].ID, i.PrivateIP()}},
		"no such device":        {edit: func(o *ElasticIPOptions) { o.Device = 2 }, part: "no interface with the device index 2, but eni-"},
		"no such interface":     {edit: func(o *ElasticIPOptions) { o.Interface = "eni-01234567" }, part: "no interface eni-01234567, but eni-"},
		"an address of another": {edit: func(o *ElasticIPOptions) { o.PrivateIP = private }, part: "has no private address " + private + ", but " + i.PrivateIP()},
	} {
		lb2, from := l.held(tc.edit)
		p, err := lb2.place(l.ctx(), eipPublic, nil)
		if tc.part == "" {
			if err != nil || p != tc.want {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
			continue
		}
		wantError(t, err, engine.Denied, tc.part)
		_, err = lb2.Free(l.ctx(), from)
		wantError(t, err, engine.Denied, tc.part)
		l.has(l.lb1)
	}

	// Both given, nobody is asked, and what is not this instance's is EC2's to refuse.
	lb2, from := l.held(func(o *ElasticIPOptions) { o.Interface, o.PrivateIP = "eni-01234567", "10.0.0.4" })
	_, err = lb2.Swap(l.ctx(), l.free(lb2, from), engine.Value{})
	wantError(t, err, engine.Denied, "InvalidNetworkInterfaceID.NotFound", "check the interface")
	if n := l.cloud.Count("imds", ""); n != 0 {
		t.Errorf("%d requests to the metadata service", n)
	}
}

// Without the metadata service an address is not freed that might not be claimed then. A place that was known is good enough.
func TestElasticIPPlaceWithoutMetadata(t *testing.T) {
	l := newEIPLab(t)
	lb2, from := l.held()
	for name, fault := range map[string]awstest.Fault{
		"throttled": {Status: 429},
		"silent":    {Kind: awstest.Hang},
		"gone":      {Kind: awstest.Drop},
		"empty":     {Kind: awstest.Empty},
	} {
		fault.Service, fault.Action = "imds", "meta-data/*"
		remove := l.cloud.Inject(fault)
		_, err := lb2.Free(l.ctx(), from)
		if got := OutcomeOf(err); got != engine.Busy {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		l.wantCalls(0, 0, 0)
		remove()
	}
	l.must(l.cloud.SetMetadataOptions(l.lb2, awstest.MetadataOptions{Disabled: true}))
	_, err := lb2.Free(l.ctx(), from)
	wantError(t, err, engine.Denied, "with the id of an interface and a private_ip nobody has to be asked")
	l.wantCalls(0, 0, 0)
	l.must(l.cloud.SetMetadataOptions(l.lb2, awstest.MetadataOptions{HopLimit: 1, Hops: 1}))

	free := l.free(lb2, from)
	l.cloud.Inject(awstest.Fault{Service: "imds", Kind: awstest.Drop})
	l.swap(lb2, free)
	_, err = lb2.place(l.ctx(), eipPublic, []string{lb2.last.private})
	wantError(t, err, engine.Busy, "the interface of this instance is not known")
}

// What the metadata service says is looked at before it is believed.
func TestElasticIPPlaceOfNonsense(t *testing.T) {
	for path, value := range map[string]string{"interface-id": "<html>", "device-number": "one", "local-ipv4s": "10.0.0.4\nnone"} {
		l := newEIPLab(t)
		i, _ := l.cloud.Instance(l.lb2)
		l.must(l.cloud.SetMetadata(l.lb2, metadataInterfaces+i.Interfaces[0].MAC+"/"+path, value))
		lb2, from := l.held()
		_, err := lb2.Free(l.ctx(), from)
		wantError(t, err, engine.Busy, "imds:"+metadataInterfaces)
		l.has(l.lb1)
	}
}

// Each request has a connection of its own.
func TestElasticIPFreshConnections(t *testing.T) {
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	cfg, err := awsconf.Source{Region: "eu-west-1"}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := freshClient(cfg)
	for range 3 {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, s.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	if n := conns.Load(); n != 3 {
		t.Errorf("%d connections for 3 requests", n)
	}
}
