package fleet

import (
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

func TestUnchangedInstancesStayTheSameValue(t *testing.T) {
	old := &State{Instances: []*Instance{instance("i-1"), instance("i-2")}}
	changed := instance("i-2")
	changed.Tags["Drain"] = "yes"
	got, missing := merge(old, []*Instance{instance("i-1"), changed})
	if got[0] != old.Instances[0] || got[1] != changed || missing != nil {
		t.Errorf("got %v, missing %v", got, missing)
	}
}

func TestBackoff(t *testing.T) {
	throttled := &awsconf.Error{Class: awsconf.Throttled}
	denied := awsconf.Classify(describeOp, deniedError{})
	for _, c := range []struct {
		name    string
		n       int
		err     error
		refresh time.Duration
		want    time.Duration // before jitter of a tenth
	}{
		{"first failure is looked at soon", 1, errAPI, 10 * time.Second, time.Second},
		{"it doubles", 4, errAPI, 10 * time.Second, 8 * time.Second},
		{"up to half a minute", 1000, errAPI, 10 * time.Second, 30 * time.Second},
		{"or the interval", 1000, errAPI, 5 * time.Minute, 5 * time.Minute},
		{"throttled: twice the interval", 1, throttled, 10 * time.Second, 20 * time.Second},
		{"throttled: up to a minute", 9, throttled, 10 * time.Second, time.Minute},
		{"denied: from the interval", 1, denied, 10 * time.Second, 10 * time.Second},
		{"denied: up to a minute", 9, denied, 10 * time.Second, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 100 {
				if d := backoff(c.n, c.err, c.refresh); d < c.want-c.want/10 || d > c.want+c.want/10 {
					t.Fatalf("wait is %s, want %s and a tenth more or less", d, c.want)
				}
			}
		})
	}
	for range 100 {
		if d := confirmAfter(); d < time.Second || d > 2*time.Second {
			t.Fatalf("confirmation after %s, want 1 to 2 s", d)
		}
	}
}

// deniedError is what the SDK makes of a refusal for lack of permission.
type deniedError struct{}

func (deniedError) Error() string        { return "denied" }
func (deniedError) ErrorCode() string    { return "UnauthorizedOperation" }
func (deniedError) ErrorMessage() string { return "You are not authorized to perform this operation." }
func (deniedError) ErrorFault() smithy.ErrorFault {
	return 0
}

func TestCallMeter(t *testing.T) {
	var m callMeter
	now := time.Unix(1000, 0)
	for i := range 90 {
		m.add(now.Add(time.Duration(i) * time.Second))
	}
	if got := m.within(now.Add(89*time.Second), time.Minute); got != 60 || m.total != 90 {
		t.Errorf("%d in the last minute and %d in all, want 60 and 90", got, m.total)
	}
	if got := m.within(now.Add(time.Hour), time.Minute); got != 0 || len(m.times) != 0 {
		t.Errorf("%d in the last minute of an idle hour, %d times kept", got, len(m.times))
	}
}
