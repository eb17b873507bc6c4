package awstest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLifecycle(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now, BootTime: 20 * time.Second, StopTime: 30 * time.Second})
	id := launch(t, c, Launch{PublicIP: "198.51.100.1"})
	state := func() State {
		i, ok := c.Instance(id)
		if !ok {
			t.Fatal("the instance is gone")
		}
		return i.State
	}
	for n, step := range []struct {
		act   func(string) error
		want  string // error code
		wait  time.Duration
		state State
	}{
		{wait: 19 * time.Second, state: Pending},
		{act: c.Stop, want: "IncorrectInstanceState", state: Pending},
		{wait: time.Second, state: Running},
		{act: c.Start, state: Running},
		{act: c.Stop, wait: 29 * time.Second, state: Stopping},
		{act: c.Stop, state: Stopping},
		{act: c.Start, want: "IncorrectInstanceState", state: Stopping},
		{wait: time.Second, state: Stopped},
		{act: c.Stop, state: Stopped},
		{act: c.Start, wait: 19 * time.Second, state: Pending},
		{wait: time.Second, state: Running},
		{act: c.Terminate, wait: 29 * time.Second, state: ShuttingDown},
		{act: c.Start, want: "IncorrectInstanceState", state: ShuttingDown},
		{wait: time.Second, state: Terminated},
		{act: c.Terminate, state: Terminated},
		{act: c.Stop, want: "IncorrectInstanceState", state: Terminated},
		{wait: time.Hour - time.Nanosecond, state: Terminated},
	} {
		if step.act != nil {
			if err := step.act(id); code(err) != step.want {
				t.Errorf("step %d: got %v, want %q", n, err, step.want)
			}
		}
		clk.advance(step.wait)
		if s := state(); s != step.state {
			t.Errorf("step %d: state %v, want %v", n, s, step.state)
		}
	}
	clk.advance(time.Nanosecond)
	if _, ok := c.Instance(id); ok || len(c.Instances()) != 0 {
		t.Error("an hour after its end the instance is still listed")
	}
	if err := c.Terminate(id); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("terminating nothing: %v", err)
	}
}

func TestTransitionsHappenInTheirOwnTime(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now, StopTime: time.Minute})
	id := launch(t, c, Launch{})
	do(t, c.Terminate(id))
	// Nobody looks for an hour and a minute: it was terminated after one minute.
	clk.advance(time.Hour + time.Minute)
	if _, ok := c.Instance(id); ok {
		t.Error("the hour of being listed begins when somebody looks")
	}
}

func TestAddressesOverAStop(t *testing.T) {
	for _, tc := range []struct {
		name    string
		public  string
		returns bool
	}{
		{"none", "", false},
		{"assigned", AutoAssign, true},
		{"chosen", "198.51.100.1", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := New(Config{})
			id := launch(t, c, Launch{PublicIP: tc.public})
			before, _ := c.Instance(id)
			do(t, c.Stop(id))
			if i, _ := c.Instance(id); i.PublicIP() != "" || i.PrivateIP() != before.PrivateIP() {
				t.Errorf("stopped: public %q, private %q", i.PublicIP(), i.PrivateIP())
			}
			do(t, c.Start(id))
			i, _ := c.Instance(id)
			if (i.PublicIP() != "") != tc.returns || tc.returns && i.PublicIP() == before.PublicIP() || i.PrivateIP() != before.PrivateIP() {
				t.Errorf("before %q, after %q", before.PublicIP(), i.PublicIP())
			}
			do(t, c.Terminate(id))
			if i, _ := c.Instance(id); i.PublicIP() != "" || i.PrivateIP() != "" || len(i.Interfaces) != 0 {
				t.Errorf("terminated: %+v", i.Interfaces)
			}
			if before.PrivateIP() == "" {
				t.Error("a snapshot changed")
			}
		})
	}
}

func TestSetAddresses(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{})
	before, _ := c.Instance(id)
	do(t, c.SetPrivateIP(id, "127.0.0.9"))
	do(t, c.SetPublicIP(id, "198.51.100.9"))
	i, _ := c.Instance(id)
	if i.PrivateIP() != "127.0.0.9" || i.PublicIP() != "198.51.100.9" || before.PrivateIP() == "127.0.0.9" {
		t.Errorf("got %s, %s", i.PrivateIP(), i.PublicIP())
	}
	do(t, c.SetPublicIP(id, AutoAssign))
	if i, _ := c.Instance(id); i.PublicIP() == "" || i.PublicIP() == "198.51.100.9" {
		t.Errorf("assigned %q", i.PublicIP())
	}
	do(t, c.SetPublicIP(id, ""))
	if i, _ := c.Instance(id); i.PublicIP() != "" {
		t.Errorf("taken away, got %q", i.PublicIP())
	}
}

func TestTagsOfTheTest(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{Tags: map[string]string{"a": "1", "b": "2"}, ASG: "group"})
	before, _ := c.Instance(id)
	do(t, c.SetTags(id, map[string]string{"b": "3", "c": "4"}))
	do(t, c.DeleteTags(id, "a", "unknown"))
	i, _ := c.Instance(id)
	if diff := cmp.Diff([]Tag{{AutoScalingGroupTag, "group"}, {"b", "3"}, {"c", "4"}}, i.Tags); diff != "" {
		t.Error(diff)
	}
	if before.Tag("a") != "1" || before.Tag("b") != "2" {
		t.Error("a snapshot changed")
	}
	if err := c.SetTags(id, map[string]string{"aws:x": ""}); code(err) != "InvalidParameterValue" {
		t.Errorf("tag of AWS: %v", err)
	}
}
