package dnsfailover

import (
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// A second record, in a private zone, is where the first one is, at an address of its own kind.
func TestRecordInPrivateZone(t *testing.T) {
	l := newAppLab(t)
	private := l.addZone(awstest.HostedZone{Name: "example.internal"})
	l.load(l.config(func(app map[string]any) {
		s := app["services"].([]map[string]any)[0]
		s["records"] = append(s["records"].([]map[string]any), map[string]any{"name": "lb-int.example.internal", "address": "private", "zone_id": private})
	}))
	holds := func() (address string, lease engine.Lease) {
		for _, r := range l.cloud.Records(private) {
			switch r.Type {
			case "A":
				address = strings.Join(r.Values, " ")
			case "TXT":
				lease, _ = record.Decode(r.Values[0]) // what is none has no holder
			}
		}
		return address, lease
	}
	l.until("both records", func() bool { address, _ := holds(); return l.active() && address != "" })
	address, lease := holds()
	if address != "127.0.0.1" || lease.Holder != "lb1" || lease.Epoch != 1 {
		t.Errorf("the private zone holds %s, with the lease %+v", address, lease)
	}
}

// In mode all a node alone is the only member.
func TestModeAllAlone(t *testing.T) {
	l := newAppLab(t)
	l.load(l.config(func(app map[string]any) {
		s := app["services"].([]map[string]any)[0]
		s["mode"] = modeAll
	}))
	l.until("the record", l.active)
	s := l.status().setup.loop.Status().Services["lb.example.com"]
	members := s.Targets[0].Reading.Lease.List()
	if s.Targets[0].Reading.Addrs != "192.0.2.1" || len(members) != 1 || members[0].Node != "lb1" {
		t.Errorf("the record is %+v", s.Targets[0].Reading)
	}
}
