package dnsfailover

import (
	"context"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/dnsfailover/record"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestRemove(t *testing.T) {
	l := newLab(t)
	lb1 := l.target("lb1.example.com")
	if err := lb1.Remove(l.ctx(), l.read(lb1)); err != nil {
		t.Errorf("nothing is there: %v", err)
	}
	old := l.swap(lb1, l.read(lb1), value(1, "lb1", 60, "203.0.113.1", "2001:db8::1"))
	now := l.swap(lb1, old, value(2, "lb1", 60, "203.0.113.2"))
	l.set(awstest.RecordSet{Name: "lb1.example.com", Type: "MX", TTL: 60, Values: []string{"10 mail.example.com"}})
	l.calls()

	wantError(t, lb1.Remove(l.ctx(), old), engine.Conflict, "deleting lb1.example.com in hosted zone "+l.zone, "InvalidChangeBatch")
	l.wantCalls(1, 1)
	l.holds("lb1.example.com", "A 1m0s 203.0.113.2", "TXT 1m0s lb1-2")

	if err := lb1.Remove(l.ctx(), now); err != nil {
		t.Fatal(err)
	}
	l.wantCalls(0, 1)
	l.holds("lb1.example.com")
	if _, ok := l.cloud.Record(l.zone, "lb1.example.com", "MX"); !ok {
		t.Error("a record of another kind has gone, too")
	}

	// Once more is no failure, and a record of somebody else's stays.
	if err := lb1.Remove(l.ctx(), now); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	l.setA("lb1.example.com", 60, "203.0.113.2")
	wantError(t, lb1.Remove(l.ctx(), now), engine.Conflict)
	l.holds("lb1.example.com", "A 1m0s 203.0.113.2")
}

func TestRemoveRefuses(t *testing.T) {
	l := newLab(t)
	weight := int64(1)
	l.set(awstest.RecordSet{Name: "lb1.example.com", Type: "A", TTL: 60, Values: []string{"203.0.113.1"}, SetID: "x", Weight: &weight})
	lb1 := l.target("lb1.example.com")
	r := l.read(lb1)
	l.calls()
	wantError(t, lb1.Remove(l.ctx(), r), engine.Denied, "it stays as it is", "weighted")
	wantError(t, lb1.Remove(l.ctx(), engine.Reading{}), engine.Denied, "is not the reading of a record")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	there := record.After("lb1.example.com", value(1, "lb1", 60, "203.0.113.1"))
	wantError(t, lb1.Remove(ctx, there), engine.Busy, "nothing was sent")
	l.wantCalls(0, 0)

	// The weighted set that came after the reading is not taken for an absent record.
	wantError(t, lb1.Remove(l.ctx(), there), engine.Conflict)
}

func TestRemoveFaults(t *testing.T) {
	for _, tc := range []struct {
		name           string
		fault          awstest.Fault
		times          int
		ok             bool
		want           engine.Outcome
		lists, changes int // two listings show that a name is absent
		gone           bool
	}{
		{"lost reply", awstest.Fault{Kind: awstest.Lose}, 1, true, 0, 2, 1, true},
		{"half a reply", awstest.Fault{Kind: awstest.Truncate}, 1, true, 0, 2, 1, true},
		{"lost request", awstest.Fault{Kind: awstest.Drop}, 1, true, 0, 1, 2, true},
		{"throttled", awstest.Fault{Code: "Throttling"}, attempts - 1, true, 0, 0, attempts, true},
		{"throttled for good", awstest.Fault{Code: "Throttling"}, 0, false, engine.Busy, 0, attempts, false},
		{"zone at work", awstest.Fault{Code: "PriorRequestNotComplete"}, 1, true, 0, 0, 2, true},
		{"denied", awstest.Fault{Code: "AccessDenied"}, 0, false, engine.Denied, 0, 1, false},
		{"server error", awstest.Fault{Status: 500}, 0, false, engine.Unknown, attempts, attempts, false},
		{"refused as it is", awstest.Fault{Code: "InvalidChangeBatch"}, 0, false, engine.Denied, 1, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l := newLab(t)
			lb1 := l.target("lb1.example.com")
			from := l.swap(lb1, l.read(lb1), value(1, "lb1", 60, "203.0.113.1"))
			l.calls()
			l.fault(change, tc.times, tc.fault)
			err := lb1.Remove(l.ctx(), from)
			if tc.ok && err != nil {
				t.Error(err)
			} else if !tc.ok {
				wantError(t, err, tc.want, opChange)
			}
			l.wantCalls(tc.lists, tc.changes)
			if tc.gone {
				l.holds("lb1.example.com")
			} else {
				l.holds("lb1.example.com", "A 1m0s 203.0.113.1", "TXT 1m0s lb1-1")
			}
		})
	}
}

// After an attempt that may yet be carried out nobody says that it was not.
func TestRemoveUnsure(t *testing.T) {
	l := newLab(t)
	lb1 := l.target("lb1.example.com")
	from := l.swap(lb1, l.read(lb1), value(1, "lb1", 60, "203.0.113.1"))
	l.fault(change, 1, awstest.Fault{Kind: awstest.Drop})
	remove := l.fault(change, 0, awstest.Fault{Code: "AccessDenied"})
	wantError(t, lb1.Remove(l.ctx(), from), engine.Unknown, "network", "and then: ")
	remove()

	remove = l.fault("", 0, awstest.Fault{Kind: awstest.Drop})
	defer remove()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wantError(t, lb1.Remove(ctx, from), engine.Unknown, "whether it was made is not known")
}
