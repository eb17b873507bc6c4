package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// held is a lab in which lb1 holds the record, and the target of lb2 that is about to take it.
func held(t *testing.T, edit ...func(*Route53Options)) (l *lab, lb2 *Route53, from engine.Reading) {
	t.Helper()
	l = newLab(t)
	lb1 := l.target("lb.example.com")
	from = l.swap(lb1, l.read(lb1), value(1, "lb1", 60, "203.0.113.1"))
	lb2 = l.target("lb.example.com", edit...)
	l.calls()
	return l, lb2, from
}

var takeover = value(2, "lb2", 60, "203.0.113.2")

// batches notes what changes the target sends.
func batches(r *Route53) *[]*route53.ChangeResourceRecordSetsInput {
	var sent []*route53.ChangeResourceRecordSetsInput
	send := r.change
	r.change = func(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
		sent = append(sent, in)
		return send(ctx, in)
	}
	return &sent
}

func TestLostReply(t *testing.T) {
	for _, kind := range []awstest.FaultKind{awstest.Lose, awstest.Truncate} {
		l, lb2, from := held(t)
		l.fault(change, 1, awstest.Fault{Kind: kind})
		l.swap(lb2, from, takeover)
		l.wantCalls(2, 1) // one of the listings is the test's own
		l.holds("lb.example.com", "A 1m0s 203.0.113.2", "TXT 1m0s lb2-2")
	}
}

// The write before is found to be this one's, whichever form the refusal has.
func TestRefusedForItsOwnWrite(t *testing.T) {
	for _, form := range []awstest.ErrorForm{awstest.MessagesForm, awstest.CodeForm, awstest.EitherForm} {
		l, lb2, from := held(t)
		l.cloud.SetChangeErrors(form)
		l.swap(lb2, from, takeover)
		l.calls()
		got, err := lb2.Swap(l.ctx(), from, takeover)
		if err != nil || got.Lease != takeover.Lease {
			t.Errorf("form %d: %+v, %v", form, got, err)
		}
		l.wantCalls(1, 1)

		_, err = lb2.Swap(l.ctx(), from, value(3, "lb2", 60, "203.0.113.2"))
		wantError(t, err, engine.Conflict, "the values provided do not match the current values")
	}
}

// A write that arrives when its sender has long given up changes nothing.
func TestLateWrite(t *testing.T) {
	l, lb2, from := held(t)
	sent := batches(lb2)
	taken := l.swap(lb2, from, takeover)
	l.swap(lb2, taken, value(3, "lb3", 60, "203.0.113.3"))
	_, err := lb2.change(l.ctx(), (*sent)[0])
	wantError(t, fmt.Errorf("%w: %w", ErrConflict, explain(opChange, err)), engine.Conflict, "InvalidChangeBatch")
	l.holds("lb.example.com", "A 1m0s 203.0.113.3", "TXT 1m0s lb3-3")
}

// The first attempt arrives only when the second is on its way.
func TestLateWriteMeetsItsRepetition(t *testing.T) {
	l, lb2, from := held(t)
	send, late := lb2.change, []*route53.ChangeResourceRecordSetsInput(nil)
	lb2.change = func(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
		if late = append(late, in); len(late) == 1 {
			return nil, context.DeadlineExceeded
		}
		if _, err := send(ctx, late[0]); err != nil {
			t.Errorf("the late one: %v", err)
		}
		return send(ctx, in)
	}
	l.swap(lb2, from, takeover)
	l.wantCalls(3, 2) // the record as it was, as it is, and once more for the test
	l.holds("lb.example.com", "A 1m0s 203.0.113.2", "TXT 1m0s lb2-2")
}

func TestBusy(t *testing.T) {
	for _, code := range []string{"PriorRequestNotComplete", "Throttling"} {
		t.Run(code, func(t *testing.T) {
			l, lb2, from := held(t)
			sent := batches(lb2)
			l.fault(change, attempts-1, awstest.Fault{Code: code})
			taken := l.swap(lb2, from, takeover)
			l.wantCalls(1, attempts)
			for _, in := range (*sent)[1:] {
				if !reflect.DeepEqual(in, (*sent)[0]) {
					t.Error("another batch was sent")
				}
			}

			remove := l.fault("", 0, awstest.Fault{Code: code})
			_, err := lb2.Swap(l.ctx(), taken, value(3, "lb2", 60, "203.0.113.2"))
			wantError(t, err, engine.Busy, code, "swapping lb.example.com in hosted zone ")
			l.wantCalls(0, attempts)
			_, err = lb2.Read(l.ctx())
			wantError(t, err, engine.Busy, code, "reading lb.example.com in hosted zone ")
			l.wantCalls(attempts, 0)

			// Nobody waits for an attempt that would come too late.
			lb2.pause = time.Hour
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err = lb2.Swap(ctx, taken, value(3, "lb2", 60, "203.0.113.2"))
			wantError(t, err, engine.Busy, code)
			if ctx.Err() != nil {
				t.Error("it was waited for all the same")
			}
			l.wantCalls(0, 1)
			remove()
		})
	}
}

// The zone is still busy with a change of somebody else's, and the account's five requests per second are used up.
func TestRealLimits(t *testing.T) {
	l, lb2, from := held(t)
	lb2.pause = pauseTime
	l.cloud.SetChangeTime(150 * time.Millisecond)
	l.setA("www.example.com", 60, "203.0.113.9") // by hand: it keeps nobody waiting
	taken := l.swap(lb2, from, takeover)
	l.swap(lb2, taken, value(3, "lb2", 60, "203.0.113.2"))
	l.cloud.SetChangeTime(0)
	l.cloud.SetRate(awstest.AnyRoute53, awstest.Rate{Burst: 1, PerSecond: 10})
	for range 4 {
		l.read(lb2)
	}
}

// A call whose context has ended sends nothing, and one that ends while it waits says what it has seen.
func TestContext(t *testing.T) {
	l, lb2, from := held(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := lb2.Swap(ctx, from, takeover)
	wantError(t, err, engine.Busy, "nothing was sent")
	_, err = lb2.Read(ctx)
	wantError(t, err, engine.Unknown)
	l.wantCalls(0, 0)

	l.fault(change, 0, awstest.Fault{Code: "Throttling"})
	lb2.pause = time.Hour
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := lb2.Swap(ctx, from, takeover)
		done <- err
	}()
	if err := l.cloud.Await(l.ctx(), "route53", change, 1); err != nil {
		t.Error(err)
	}
	cancel()
	err = <-done
	if got := OutcomeOf(err); got != engine.Busy && got != engine.Unknown {
		t.Errorf("%s: %v", got, err)
	}
	l.holds("lb.example.com", "A 1m0s 203.0.113.1", "TXT 1m0s lb1-1")
}

// Without an answer nobody knows, and nobody claims to.
func TestNoAnswer(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fault   awstest.Fault
		timeout time.Duration
	}{
		{"connection closed", awstest.Fault{Kind: awstest.Drop}, time.Minute},
		{"no answer", awstest.Fault{Kind: awstest.Hang}, 250 * time.Millisecond},
		{"server error", awstest.Fault{Status: 500}, time.Minute},
		{"unavailable", awstest.Fault{Status: 503}, time.Minute},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, lb2, from := held(t, func(o *Route53Options) { o.Timeout = tc.timeout })

			// Of the write alone: the record is seen to be as it was, and the same batch is sent again.
			remove := l.fault(change, 1, tc.fault)
			taken, err := lb2.Swap(l.ctx(), from, takeover)
			if err != nil || taken.Lease != takeover.Lease {
				t.Fatalf("%+v, %v", taken, err)
			}
			l.wantCalls(1, 2)
			remove()

			// Of every write.
			remove = l.fault(change, 0, tc.fault)
			_, err = lb2.Swap(l.ctx(), taken, value(3, "lb2", 60, "203.0.113.2"))
			wantError(t, err, engine.Unknown, opChange)
			l.wantCalls(attempts, attempts)
			remove()

			// net/http asks once more by itself if a listing finds a kept connection closed, but never sends a change twice.
			bounded := func(lists, changes int) {
				t.Helper()
				if got := l.calls(); got[0] < lists || got[0] > 2*lists || got[1] != changes {
					t.Errorf("%d listings and %d changes, want %d and %d", got[0], got[1], lists, changes)
				}
			}

			// Of everything.
			remove = l.fault("", 0, tc.fault)
			_, err = lb2.Read(l.ctx())
			wantError(t, err, engine.Unknown, opList)
			bounded(attempts, 0)
			_, err = lb2.Swap(l.ctx(), taken, value(3, "lb2", 60, "203.0.113.2"))
			wantError(t, err, engine.Unknown, opChange, opList, "whether it was made is not known")
			bounded(attempts, 1)
			remove()

			// A read gets through at last.
			remove = l.fault(list, attempts-1, tc.fault)
			if got, err := lb2.Read(l.ctx()); err != nil || got.Token != taken.Token {
				t.Errorf("%+v, %v", got, err)
			}
			remove()
			if got := l.calls(); got[0] < 2 || got[0] > attempts || got[1] != 0 {
				t.Errorf("%d listings and %d changes", got[0], got[1])
			}
			l.holds("lb.example.com", "A 1m0s 203.0.113.2", "TXT 1m0s lb2-2")
		})
	}
}

// After an attempt that may yet be carried out, the end of the others does not make it sure that it was not.
func TestUnsureStaysUnsure(t *testing.T) {
	for _, code := range []string{"Throttling", "AccessDenied"} {
		l, lb2, from := held(t)
		l.fault(change, 1, awstest.Fault{Kind: awstest.Drop})
		l.fault(change, 0, awstest.Fault{Code: code})
		_, err := lb2.Swap(l.ctx(), from, takeover)
		wantError(t, err, engine.Unknown, "network", "and then: ", code)
	}
}

// A write that was lost, and the record another node's when it is looked for.
func TestLostToAnother(t *testing.T) {
	l, lb2, from := held(t)
	other := l.target("lb.example.com")
	send := lb2.change
	lb2.change = func(ctx context.Context, in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
		l.swap(other, from, value(2, "lb3", 60, "203.0.113.3"))
		return send(ctx, in)
	}
	l.fault(change, 1, awstest.Fault{Kind: awstest.Stale}) // the other's: it goes well
	l.fault(change, 1, awstest.Fault{Kind: awstest.Drop})
	_, err := lb2.Swap(l.ctx(), from, takeover)
	wantError(t, err, engine.Conflict, "network")
	l.holds("lb.example.com", "A 1m0s 203.0.113.3", "TXT 1m0s lb3-2")
}

// Route 53 refuses a batch for what is in it, and not for what the zone holds.
func TestRefusedAsItIs(t *testing.T) {
	l, lb2, from := held(t)
	l.fault(change, 0, awstest.Fault{Code: "InvalidChangeBatch", Message: "[Number of records limit of 1 exceeded.]"})
	_, err := lb2.Swap(l.ctx(), from, takeover)
	wantError(t, err, engine.Denied, "refused, although the record is as it was read", "Number of records limit of 1 exceeded.")
	l.wantCalls(1, 1)
}

func TestPermissions(t *testing.T) {
	l, lb2, from := held(t)
	allow := l.cloud.Deny(opChange)
	_, err := lb2.Swap(l.ctx(), from, takeover)
	wantError(t, err, engine.Denied, "AccessDenied", "add "+opChange+" to the policy", "(request ")
	l.wantCalls(0, 1)
	allow()
	allow = l.cloud.Deny(opList)
	_, err = lb2.Read(l.ctx())
	wantError(t, err, engine.Denied, "AccessDenied", "add "+opList+" to the policy", "(request ")
	l.wantCalls(1, 0)
	allow()

	// This is all that it takes; UPSERT is not in it.
	l.cloud.AllowChanges(awstest.ChangePolicy{
		Names:   []string{"lb.example.com", "_dnsfailover.lb.example.com"},
		Types:   []string{"A", "AAAA", "TXT"},
		Actions: []awstest.ChangeAction{awstest.Create, awstest.Delete},
	})
	for _, action := range []string{"GetHostedZone", "ListHostedZones*", "GetChange"} {
		l.cloud.Deny("route53:" + action)
	}
	taken := l.swap(lb2, from, value(2, "lb2", 60, "203.0.113.2", "2001:db8::2"))
	l.swap(lb2, taken, value(3, "lb2", 10, "203.0.113.2"))
	l.cloud.DeleteRecord(l.zone, "lb.example.com", "A", "")
	l.cloud.DeleteRecord(l.zone, "_dnsfailover.lb.example.com", "TXT", "")
	l.swap(lb2, l.read(lb2), value(4, "lb2", 10, "203.0.113.2"))
}

// An answer that says less than all is not taken for one that says that there is nothing.
func TestHalfAnswers(t *testing.T) {
	l, lb2, from := held(t)
	if err := lb2.checkAbsent(l.ctx(), false); err != nil || !lb2.inside.Load() {
		t.Errorf("the name is in the zone: %v", err)
	}
	for _, kind := range []awstest.FaultKind{awstest.Empty, awstest.Truncate, awstest.Lose} {
		remove := l.fault(list, 0, awstest.Fault{Kind: kind})
		r, err := lb2.Read(l.ctx())
		wantError(t, err, engine.Unknown, opList)
		if r.Token != "" {
			t.Errorf("kind %d: %+v", kind, r)
		}
		remove()
	}
	if r := l.read(lb2); r.Token != from.Token {
		t.Errorf("read %+v", r)
	}

	// The listing before the last is too old: what is made of it is refused.
	taken := l.swap(lb2, from, takeover)
	l.ahead.Add(int64(time.Second))
	l.fault(list, 1, awstest.Fault{Kind: awstest.Stale, Age: time.Minute})
	stale := l.read(lb2)
	if stale.Token == taken.Token {
		t.Fatal("the answer was not stale")
	}
	_, err := lb2.Swap(l.ctx(), stale, value(3, "lb2", 60, "203.0.113.2"))
	wantError(t, err, engine.Conflict)
	l.holds("lb.example.com", "A 1m0s 203.0.113.2", "TXT 1m0s lb2-2")
}

// Another page fails: the whole listing does.
func TestHalfOfTwoPages(t *testing.T) {
	l, lb2, from := held(t)
	for n := range 2 * pageSize {
		l.setA(fmt.Sprintf("%d.lb.example.com", n), 60, "203.0.113.99")
	}
	send, pages := lb2.list, 0
	lb2.list = func(ctx context.Context, in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
		if pages++; pages == 2 {
			return nil, errors.New("x")
		}
		return send(ctx, in)
	}
	if r, err := lb2.Read(l.ctx()); err != nil || r.Token != from.Token || pages != 4 {
		t.Errorf("%d pages, %+v, %v", pages, r, err)
	}
	remove := l.fault(list, 0, awstest.Fault{Kind: awstest.Lose})
	defer remove()
	if r, err := lb2.Read(l.ctx()); err == nil {
		t.Errorf("read %+v", r)
	}
	if slices.ContainsFunc(l.cloud.Calls(), func(c awstest.Call) bool { return c.Action == change }) {
		t.Error("something was written")
	}
}
