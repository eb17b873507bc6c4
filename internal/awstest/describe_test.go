package awstest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// listAll reads every page and returns the ids in the order of the answers.
func listAll(t *testing.T, c *Cloud, in DescribeInstancesInput) (all []string, sizes []int) {
	t.Helper()
	for {
		out, err := c.DescribeInstances(Caller{}, in)
		if err != nil {
			t.Fatal(err)
		}
		n := len(all)
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				all = append(all, i.ID)
			}
		}
		sizes = append(sizes, len(all)-n)
		if in.NextToken = out.NextToken; in.NextToken == "" {
			return all, sizes
		}
	}
}

func TestPagesCountInstances(t *testing.T) {
	c := New(Config{})
	for _, n := range []int{9, 1, 2} {
		_, err := c.LaunchN(n, Launch{})
		do(t, err)
	}
	all, sizes := listAll(t, c, DescribeInstancesInput{MaxResults: 5})
	slices.Sort(all)
	if len(slices.Compact(all)) != 12 || !slices.Equal(sizes, []int{5, 5, 2}) {
		t.Errorf("got %d instances on pages of %v", len(all), sizes)
	}
	if _, sizes := listAll(t, c, DescribeInstancesInput{MaxResults: 12}); !slices.Equal(sizes, []int{12}) {
		t.Errorf("a full last page is followed by another: %v", sizes)
	}

	// Nine instances of one launch can't be on one page of five.
	pages := 0
	in := DescribeInstancesInput{MaxResults: 5}
	big := c.Instances()[0].ReservationID
	for {
		out, err := c.DescribeInstances(Caller{}, in)
		do(t, err)
		for _, r := range out.Reservations {
			if r.ID == big {
				pages++
			}
		}
		if in.NextToken = out.NextToken; in.NextToken == "" {
			break
		}
	}
	if pages < 2 {
		t.Errorf("the reservation of nine is on %d page", pages)
	}
}

func TestOrderChanges(t *testing.T) {
	c := New(Config{})
	for range 20 {
		launch(t, c, Launch{})
	}
	id := launch(t, c, Launch{Tags: map[string]string{"a": "1", "b": "2", "c": "3", "d": "4"}})
	second, err := c.AddInterface(id)
	do(t, err)
	first, _ := listAll(t, c, DescribeInstancesInput{})
	again, _ := listAll(t, c, DescribeInstancesInput{})
	if slices.Equal(first, again) {
		t.Error("two listings have the same order")
	}
	tags, zones, primaryFirst := make(map[string]bool), make(map[string]bool), make(map[bool]bool)
	for range 50 {
		z, err := c.DescribeAvailabilityZones(Caller{}, DescribeZonesInput{})
		do(t, err)
		zones[z[0].Name] = true
		out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{InstanceIDs: []string{id}})
		do(t, err)
		i := out.Reservations[0].Instances[0]
		tags[fmt.Sprint(i.Tags)] = true
		primaryFirst[i.Interfaces[0].DeviceIndex == 0] = true
		if i.PrivateIP() == second {
			t.Fatal("the address of the instance is that of its second interface")
		}
	}
	if len(tags) < 2 || len(primaryFirst) < 2 || len(zones) < 2 {
		t.Errorf("tags came in %d orders, interfaces in %d, zones in %d", len(tags), len(primaryFirst), len(zones))
	}
	if i, _ := c.Instance(id); i.Tags[0].Key != "a" || i.Interfaces[0].DeviceIndex != 0 {
		t.Error("answers changed the order of the instance itself")
	}
}

func TestSeedRepeats(t *testing.T) {
	run := func(seed uint64) string {
		c := New(Config{Seed: seed, Now: newClock().Now, Consistency: time.Minute})
		for range 10 {
			launch(t, c, Launch{})
		}
		all, _ := listAll(t, c, DescribeInstancesInput{MaxResults: 5})
		return strings.Join(all, " ")
	}
	if run(7) != run(7) {
		t.Error("two runs of one seed differ")
	}
	if run(7) == run(8) {
		t.Error("two seeds give the same run")
	}
}

func TestNextToken(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	_, err := c.LaunchN(12, Launch{Tags: map[string]string{"app": "web"}})
	do(t, err)
	web := []Filter{{"tag:app", []string{"web"}}}
	first, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{Filters: web, MaxResults: 5})
	do(t, err)

	for _, tc := range []struct {
		name string
		who  Caller
		in   DescribeInstancesInput
		want string
	}{
		{"same query", Caller{}, DescribeInstancesInput{Filters: web, MaxResults: 5}, ""},
		{"another page size", Caller{}, DescribeInstancesInput{Filters: web, MaxResults: 6}, ""},
		{"no page size", Caller{}, DescribeInstancesInput{Filters: web}, ""},
		{"other filters", Caller{}, DescribeInstancesInput{MaxResults: 5}, "InvalidParameterValue"},
		{"other region", Caller{Region: "us-east-1"}, DescribeInstancesInput{Filters: web, MaxResults: 5}, "InvalidParameterValue"},
		{"other account", Caller{Account: "210987654321"}, DescribeInstancesInput{Filters: web, MaxResults: 5}, "InvalidParameterValue"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.NextToken = first.NextToken
			if _, err := c.DescribeInstances(tc.who, tc.in); code(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}

	page2 := DescribeInstancesInput{Filters: web, MaxResults: 5, NextToken: first.NextToken}
	one, err := c.DescribeInstances(Caller{}, page2)
	do(t, err)
	two, err := c.DescribeInstances(Caller{}, page2)
	do(t, err)
	if !slices.Equal(ids(one), ids(two)) {
		t.Error("a token used again gives another page")
	}
	if rest, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{Filters: web, NextToken: first.NextToken}); err != nil || len(ids(rest)) != 7 {
		t.Errorf("the rest without MaxResults has %d instances, %v", len(ids(rest)), err)
	}

	clk.advance(time.Hour)
	if _, err := c.DescribeInstances(Caller{}, page2); code(err) != "InvalidParameterValue" {
		t.Errorf("after an hour: %v", err)
	}
	page2.NextToken = "made-up"
	if _, err := c.DescribeInstances(Caller{}, page2); code(err) != "InvalidParameterValue" {
		t.Errorf("made-up token: %v", err)
	}
}

func TestTokensAreBounded(t *testing.T) {
	c := New(Config{})
	c.SetRate("", Rate{})
	_, err := c.LaunchN(6, Launch{})
	do(t, err)
	first, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 5})
	do(t, err)
	for range maxTokens {
		_, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 5})
		do(t, err)
	}
	if len(c.tokens.byName) != maxTokens || len(c.tokens.names) != maxTokens {
		t.Errorf("%d tokens are remembered", len(c.tokens.byName))
	}
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{MaxResults: 5, NextToken: first.NextToken}); code(err) != "InvalidParameterValue" {
		t.Errorf("the oldest token: %v", err)
	}
}

func TestLaterPagesTellOfNow(t *testing.T) {
	c := New(Config{})
	all, err := c.LaunchN(10, Launch{})
	do(t, err)
	in := DescribeInstancesInput{MaxResults: 5, Filters: []Filter{{"instance-state-name", []string{"running"}}}}
	first, err := c.DescribeInstances(Caller{}, in)
	do(t, err)
	for _, id := range all {
		if !slices.Contains(ids(first), id) {
			do(t, c.Terminate(id))
		}
	}
	launch(t, c, Launch{})
	in.NextToken = first.NextToken
	out, err := c.DescribeInstances(Caller{}, in)
	do(t, err)
	if len(out.Reservations) != 0 || out.NextToken != "" {
		t.Errorf("the second page has %v", ids(out))
	}
}

func TestDescribeErrors(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{})
	elsewhere := launch(t, c, Launch{Region: "us-east-1"})
	const gone, gone2 = "i-0123456789abcdef0", "i-00000000"
	for _, tc := range []struct {
		name string
		in   DescribeInstancesInput
		want string
	}{
		{"known id", DescribeInstancesInput{InstanceIDs: []string{id}}, ""},
		{"known id twice", DescribeInstancesInput{InstanceIDs: []string{id, id}}, ""},
		{"unknown id", DescribeInstancesInput{InstanceIDs: []string{id, gone}},
			"InvalidInstanceID.NotFound: The instance ID 'i-0123456789abcdef0' does not exist"},
		{"unknown ids", DescribeInstancesInput{InstanceIDs: []string{gone, id, gone2}},
			"InvalidInstanceID.NotFound: The instance IDs 'i-00000000, i-0123456789abcdef0' do not exist"},
		{"id of another region", DescribeInstancesInput{InstanceIDs: []string{elsewhere}},
			"InvalidInstanceID.NotFound: The instance ID '" + elsewhere + "' does not exist"},
		{"malformed id", DescribeInstancesInput{InstanceIDs: []string{"i-123"}}, `InvalidInstanceID.Malformed: Invalid id: "i-123"`},
		{"MaxResults 4", DescribeInstancesInput{MaxResults: 4},
			"InvalidParameterValue: Value ( 4 ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."},
		{"MaxResults 1001", DescribeInstancesInput{MaxResults: 1001},
			"InvalidParameterValue: Value ( 1001 ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."},
		{"MaxResults 1000", DescribeInstancesInput{MaxResults: 1000}, ""},
		{"MaxResults with ids", DescribeInstancesInput{MaxResults: 5, InstanceIDs: []string{id}},
			"InvalidParameterCombination: The parameter instancesSet cannot be used with the parameter maxResults"},
		{"too many ids", DescribeInstancesInput{InstanceIDs: slices.Repeat([]string{id}, 1001)},
			"InvalidParameterValue: At most 1000 instance IDs can be given"},
		{"dry run", DescribeInstancesInput{DryRun: true},
			"DryRunOperation: Request would have succeeded, but DryRun flag is set."},
		{"wrong dry run", DescribeInstancesInput{DryRun: true, MaxResults: 4},
			"InvalidParameterValue: Value ( 4 ) for parameter maxResults is invalid. Expecting a value between 5 and 1000."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := c.DescribeInstances(Caller{}, tc.in)
			if got := strings.TrimPrefix(fmt.Sprint(err), "<nil>"); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	var e *Error
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{DryRun: true}); !errors.As(err, &e) || e.Status != 412 {
		t.Errorf("dry run: %v", err)
	}
}

func TestAccountsAndRegions(t *testing.T) {
	c := New(Config{})
	const other = "210987654321"
	here := launch(t, c, Launch{})
	far := launch(t, c, Launch{Region: "us-east-1"})
	foreign := launch(t, c, Launch{Account: other})
	for _, tc := range []struct {
		who  Caller
		want string
	}{
		{Caller{}, here},
		{Caller{Region: "us-east-1"}, far},
		{Caller{Account: other}, foreign},
	} {
		out, err := c.DescribeInstances(tc.who, DescribeInstancesInput{})
		if got := ids(out); err != nil || !slices.Equal(got, []string{tc.want}) {
			t.Errorf("%+v sees %v, %v, want %s", tc.who, got, err, tc.want)
		}
	}
	if n := len(c.Instances()); n != 3 {
		t.Errorf("there are %d instances", n)
	}
}

func TestHide(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{Tags: map[string]string{"app": "web"}})
	other := launch(t, c, Launch{})
	do(t, c.Hide(id, 2))
	list := func() int {
		out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{})
		do(t, err)
		return len(ids(out))
	}
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{InstanceIDs: []string{other}}); err != nil {
		t.Errorf("an answer about another instance: %v", err)
	}
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{InstanceIDs: []string{id}}); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("first answer: %v", err)
	}
	if n := list(); n != 1 {
		t.Errorf("second answer has %d instances", n)
	}
	if n := list(); n != 2 {
		t.Errorf("third answer has %d instances", n)
	}
}

func TestConsistency(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now, Consistency: 10 * time.Second})
	c.SetRate("", Rate{})
	id := launch(t, c, Launch{Tags: map[string]string{"app": "old"}})
	// seen counts what a hundred answers say.
	seen := func() map[string]int {
		got := make(map[string]int)
		for range 100 {
			out, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{})
			do(t, err)
			what := "nothing"
			for _, r := range out.Reservations {
				for _, i := range r.Instances {
					what = i.State.String() + " " + i.Tag("app")
				}
			}
			got[what]++
		}
		return got
	}
	if got := seen(); got["nothing"] == 0 || got["running old"] == 0 {
		t.Errorf("after the launch: %v", got)
	}
	clk.advance(10 * time.Second)
	if got := seen(); got["running old"] != 100 {
		t.Errorf("once settled: %v", got)
	}
	do(t, c.SetTags(id, map[string]string{"app": "new"}))
	if got := seen(); got["running old"] == 0 || got["running new"] == 0 || len(got) != 2 {
		t.Errorf("after the tag was changed: %v", got)
	}
	clk.advance(9 * time.Second)
	do(t, c.Terminate(id))
	if got := seen(); got["running old"] == 0 || got["terminated new"] == 0 {
		t.Errorf("after the end: %v", got)
	}
	clk.advance(time.Second)
	if got := seen(); got["running old"] != 0 || got["running new"] == 0 {
		t.Errorf("once the tag is settled: %v", got)
	}
	c.SetConsistency(0)
	if got := seen(); got["terminated new"] != 100 {
		t.Errorf("without delay: %v", got)
	}
	if i, _ := c.Instance(id); i.State != Terminated {
		t.Errorf("the test itself sees %v", i.State)
	}
}

func TestZoneOutage(t *testing.T) {
	c := New(Config{})
	a := launch(t, c, Launch{Zone: "eu-west-1a"})
	b := launch(t, c, Launch{Zone: "eu-west-1b"})
	c.SetZoneOutage("eu-west-1a", true)
	for _, tc := range []struct {
		name string
		who  Caller
		in   DescribeInstancesInput
		want string
	}{
		{"all", Caller{}, DescribeInstancesInput{}, "InternalError"},
		{"filtered", Caller{}, DescribeInstancesInput{Filters: []Filter{{"availability-zone", []string{"eu-west-1b"}}}}, "InternalError"},
		{"in the zone", Caller{}, DescribeInstancesInput{InstanceIDs: []string{b, a}}, "InternalError"},
		{"outside of it", Caller{}, DescribeInstancesInput{InstanceIDs: []string{b}}, ""},
		{"another region", Caller{Region: "us-east-1"}, DescribeInstancesInput{}, ""},
		{"another account, which names the zone otherwise", Caller{Account: "210987654321"}, DescribeInstancesInput{}, "InternalError"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := c.DescribeInstances(tc.who, tc.in)
			if code(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			var e *Error
			if errors.As(err, &e) && e.Status != 500 {
				t.Errorf("HTTP status %d", e.Status)
			}
		})
	}
	c.SetZoneOutage("euw1-az1", false)
	if _, err := c.DescribeInstances(Caller{}, DescribeInstancesInput{}); err != nil {
		t.Errorf("after the outage: %v", err)
	}
}
