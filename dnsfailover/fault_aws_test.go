package dnsfailover

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// TestFault16: the zone is still busy with the change before. The same batch is sent again, some times, and then the engine
// decides anew.
func TestFault16(t *testing.T) {
	const busy = "PriorRequestNotComplete"
	t.Run("a call", func(t *testing.T) {
		faultBoth(t, "the same batch again", func(t *testing.T, without bool, n *faultNotes) {
			l, lb2, from := held(t)
			sent := batches(lb2)
			if without {
				lb2.pause = time.Hour // so that no attempt comes in time
			}
			l.fault(change, attempts-1, awstest.Fault{Code: busy})
			ctx, cancel := context.WithTimeout(l.ctx(), 30*time.Second)
			defer cancel()
			if _, err := lb2.Swap(ctx, from, takeover); err != nil {
				n.addf("%v", err)
			}
			if len(*sent) != attempts {
				n.addf("%d calls, not %d", len(*sent), attempts)
			}
			for _, in := range *sent {
				if !reflect.DeepEqual(in, (*sent)[0]) {
					n.addf("another batch is sent")
				}
			}
			if r := l.read(lb2); r.Lease.Holder != "lb2" {
				n.addf("the record is with %s", r.Lease.Holder)
			}
		})
	})
	t.Run("a takeover", func(t *testing.T) {
		faultBoth(t, "busy is not denied", func(t *testing.T, without bool, n *faultNotes) {
			faultCluster(t, func(_ *testing.T, c *cluster) {
				c.start(lbs(2), func(m *member) {
					m.with = func(s engine.Settings) map[string]Service {
						f := faultTarget{Target: m}
						if without {
							f.after = faultDenied
						}
						return only(s, f)
					}
				})
				pass(20 * time.Second)
				c.rec.Cloud.Inject(awstest.Fault{Service: "route53", Action: change, Code: busy, Times: 3})
				c.kill("lb1")
				n.within(c, "lb2", 5*time.Second)
				pass(time.Minute)
				n.wants(c, "lb2", 5) // the first claim, three that were refused, and the last one
				n.active(c, "lb2")
			})
		})
	})
}

// TestFault25: the metadata service is slow, throttled or out of reach, or does not show the tags. A process that starts then knows
// nothing, and does nothing; one that knows itself goes on as what it was, but for a tag that is gone.
func TestFault25(t *testing.T) {
	for fault, begin := range map[string]func(l *selfLab){
		"slow": func(l *selfLab) {
			l.cloud.Inject(awstest.Fault{Service: "imds", Action: "*", Latency: 10 * time.Second})
		},
		"throttled": func(l *selfLab) { l.cloud.Inject(awstest.Fault{Service: "imds", Action: "*", Status: 429}) },
		"too far":   func(l *selfLab) { l.options(awstest.MetadataOptions{HopLimit: 1, Hops: 2, InstanceTags: true}) },
	} {
		t.Run(fault, func(t *testing.T) {
			l := newSelfLab(t)
			cfg := records("public")
			before := l.must(cfg)
			begin(l)
			started := make(chan error, 1)
			go func() {
				_, err := findSelfBy(t.Context(), &cfg, new(awsconf.Self))
				started <- err
			}()
			if during := l.must(cfg); during.Stale == nil {
				t.Error("it has an answer")
			} else if diff := cmp.Diff(before, during, selfFields, cmpopts.IgnoreFields(Self{}, "Stale")); diff != "" {
				t.Errorf("it is somebody else now: %s", diff)
			}
			if err := <-started; err == nil || !strings.Contains(err.Error(), "imds") {
				t.Errorf("a process that starts says %v, and not that it has no answer", err)
			}
		})
	}
	t.Run("no tags", func(t *testing.T) {
		l := newSelfLab(t)
		cfg := records("public")
		cfg.Node = "{ec2.tag.Name}"
		l.must(cfg)
		l.options(awstest.MetadataOptions{HopLimit: 1, Hops: 1})
		for range 2 { // as one that knew it, and as one that starts
			l.fails(cfg, "aws ec2 modify-instance-metadata-options", "--instance-metadata-tags enabled")
			l.imds = awsconf.Self{}
		}
	})
	faultBoth(t, "what is known stays known", func(t *testing.T, without bool, n *faultNotes) {
		l := newSelfLab(t)
		cfg := records("public")
		cfg.Node = "{ec2.tag.Name}"
		before := l.must(cfg)
		l.cloud.Inject(awstest.Fault{Service: "imds", Action: "*", Status: 429})
		l.set("public-ipv4", "")
		if without {
			l.imds = awsconf.Self{}
		}
		during, err := l.find(cfg)
		if err != nil {
			n.addf("%v", err)
		}
		if diff := cmp.Diff(before, during, selfFields, cmpopts.IgnoreFields(Self{}, "Stale")); diff != "" {
			n.addf("it is somebody else now: %s", diff)
		}
		addrs, err := during.addrs("public")
		if err != nil {
			n.addf("%v", err)
		}
		faultCluster(t, func(_ *testing.T, c *cluster) { // and so the record stays what it is
			m := settings("lb1", lbs(1))
			m.Targets[0].Addrs, _ = before.addrs("public")
			c.create(lbs(1), func(m *member) {
				m.with = func(s engine.Settings) map[string]Service {
					s.Targets[0].Addrs, _ = before.addrs("public")
					return only(s, m)
				}
			})
			c.run(lbs(1), lbs(1))
			n.within(c, "lb1", 5*time.Second)
			m.Targets[0].Addrs = addrs
			if err := c.members["lb1"].loop.Reload(only(m, c.members["lb1"])); err != nil {
				n.addf("%v", err)
			}
			pass(time.Minute)
			n.wants(c, "lb1", 1)
			if r := c.rec.Now(); r.Addrs != "198.51.100.7,2001:db8::5" {
				n.addf("the record holds %s", r.Addrs)
			}
		})
	})
}

// faultBrittle is a provider of credentials that does not know that old ones may be used on.
type faultBrittle struct{ aws.CredentialsProvider }

// TestFault26: the keys of the role are about to expire, and the metadata service gives no new ones. They are used on as long
// as AWS takes them. Then the node can't take over, and another one does, until there are new keys.
func TestFault26(t *testing.T) {
	var expired error
	faultBoth(t, "old keys are used on", func(t *testing.T, without bool, n *faultNotes) {
		l := newEIPLab(t)
		zone, err := l.cloud.AddZone(awstest.HostedZone{Name: "example.com"})
		l.must(err)
		id := l.launch(awstest.Launch{Role: "lb"})
		l.must(l.cloud.SetRole(id, awstest.InstanceRole{Name: "lb", Lifetime: 3 * time.Minute})) // short enough for the SDK to want new ones each time
		for _, v := range append(l.server.Env(id), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=") {
			name, value, _ := strings.Cut(v, "=")
			t.Setenv(name, value)
		}
		cfg, err := awsconf.Source{}.Load(l.ctx())
		l.must(err)
		if without {
			cfg.Credentials = aws.NewCredentialsCache(faultBrittle{ec2rolecreds.New()}, func(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = 5 * time.Minute })
		}
		target, err := NewRoute53(Route53Options{Config: cfg, Zone: zone, Name: svc, Timeout: 30 * time.Second})
		l.must(err)
		target.pause = time.Millisecond
		if _, err := target.Read(l.ctx()); err != nil {
			t.Fatal(err)
		}
		l.cloud.Inject(awstest.Fault{Service: "imds", Action: "*", Status: 429})
		if _, err := target.Read(l.ctx()); err != nil {
			n.addf("%v", err)
			return
		}
		l.ahead.Store(int64(4 * time.Minute))
		_, expired = target.Read(l.ctx())
		if OutcomeOf(expired) != engine.Busy {
			n.addf("expired keys are %s: %v", OutcomeOf(expired), expired)
		}
	})
	if expired == nil {
		t.Fatal("no keys have expired")
	}
	faultBoth(t, "expired is not denied", func(t *testing.T, without bool, n *faultNotes) {
		faultCluster(t, func(_ *testing.T, c *cluster) {
			var lost atomic.Bool
			c.start(lbs(3), func(m *member) {
				if m.name != "lb2" {
					return
				}
				f := faultTarget{Target: m, before: func() error {
					err := expired
					switch {
					case !lost.Load():
						return nil
					case without:
						err = faultDenied(err)
					}
					return err
				}}
				m.with = func(s engine.Settings) map[string]Service { return only(s, f) }
			})
			pass(20 * time.Second)
			lost.Store(true)
			c.kill("lb1")
			n.within(c, "lb3", 2*time.Second)
			pass(time.Minute)
			n.wants(c, "lb3", 2)
			lost.Store(false)
			pass(40 * time.Second)
			c.kill("lb3")
			n.within(c, "lb2", time.Second)
			n.wants(c, "lb2", 3)
		})
	})
}

// TestFault44: the service's name is in a public and in a private zone, and the holder dies.
func TestFault44(t *testing.T) {
	bare := &Config{Services: []ServiceConfig{{Name: "www", Records: []ServiceRecord{{Name: svc}}}}}
	if err := bare.checkZones(""); err == nil {
		t.Error("a record without the id of its zone is taken")
	}
	faultBoth(t, "the id of a zone", func(t *testing.T, without bool, n *faultNotes) {
		l := newLab(t)
		zones := map[string]string{svc: l.zone, "inside": l.addZone(awstest.HostedZone{Name: "example.com", Private: true})}
		p := &pair{ended: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}, asked: make(chan struct{}, 1)}
		holds := func(id, node, addrs string) bool {
			r := l.read(l.target(svc, func(o *Route53Options) { o.Zone = zones[id] }))
			return r.Lease.Holder == node && r.Addrs == addrs
		}
		run := func(i int) *Loop {
			s := settings(lbs(2)[i], lbs(2))
			s.Targets = append(s.Targets, engine.Target{ID: "inside", Addrs: fmt.Sprintf("10.0.0.%d", i+1), TTL: 60})
			targets := map[string]Target{}
			for id, zone := range zones {
				targets[id] = l.target(svc, func(o *Route53Options) {
					if !without { // else the first zone of the name
						o.Zone = zone
					}
				})
			}
			loop, err := Start(LoopOptions{Network: end{p, i}, Prober: end{p, i}}, map[string]Service{svc: {Settings: s, Targets: targets}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { loop.Close() })
			loop.Health(true, time.Now())
			p.loops[i].Store(loop)
			return loop
		}
		patient := 20 * time.Second
		if without {
			patient = 2 * time.Second
		}
		first := run(0)
		if !faultAwait(patient, func() bool { return holds(svc, "lb1", "192.0.2.1") && holds("inside", "lb1", "10.0.0.1") }) {
			n.addf("lb1 does not get both")
			return
		}
		second := run(1)
		if !faultAwait(patient, func() bool { return second.Status().Services[svc].Holder == "lb1" && second.Bodies()[svc].Hears != nil }) {
			n.addf("lb2 does not see lb1")
		}
		p.loops[0].Store(nil)
		first.Close()
		p.ended[1] <- struct{}{}
		if !faultAwait(patient, func() bool { return holds(svc, "lb2", "192.0.2.2") && holds("inside", "lb2", "10.0.0.2") }) {
			n.addf("lb2 does not get both")
		}
		if w := l.cloud.Count("route53", change); w != 4 {
			n.addf("%d writes, not 4", w)
		}
	})
}
