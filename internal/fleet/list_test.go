package fleet

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// fake serves a cloud, and makes it what the SDK of this process finds.
func fake(t *testing.T) *awstest.Cloud {
	t.Helper()
	cloud := awstest.New(awstest.Config{})
	server, err := awstest.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range server.Env("") {
		k, v, _ := strings.Cut(kv, "=")
		t.Setenv(k, v)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud
}

func launch(t *testing.T, c *awstest.Cloud, n int, l awstest.Launch) []string {
	t.Helper()
	ids, err := c.LaunchN(n, l)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func query(t *testing.T, src awsconf.Source, tags, raw map[string][]string) Query {
	t.Helper()
	q, err := NewQuery(src, tags, nil, raw)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// ask makes one refresh, as a poller does.
func ask(t *testing.T, q Query) (found []*Instance, calls int, err error) {
	t.Helper()
	found, err = ec2Lister(q)(t.Context(), func() { calls++ })
	return found, calls, err
}

var web = map[string]string{"Role": "web"}

func TestListReadsAllPages(t *testing.T) {
	cloud := fake(t)
	ids := launch(t, cloud, 2500, awstest.Launch{Tags: web})
	launch(t, cloud, 10, awstest.Launch{Tags: map[string]string{"Role": "db"}})
	found, calls, err := ask(t, query(t, awsconf.Source{}, map[string][]string{"Role": {"web"}}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, in := range found {
		got = append(got, in.ID)
	}
	slices.Sort(ids)
	if !slices.Equal(got, ids) {
		t.Errorf("%d instances, want %d in the order of their ids", len(got), len(ids))
	}
	if calls != 3 || cloud.Count("ec2", "DescribeInstances") != 3 {
		t.Errorf("%d calls, want 3 pages of 1,000", calls)
	}
}

func TestHalfAListingIsNone(t *testing.T) {
	cloud := fake(t)
	launch(t, cloud, 2500, awstest.Launch{Tags: web})
	cloud.Inject(awstest.Fault{Service: "ec2", Action: "DescribeInstances", Page: 2, Status: 500})
	found, _, err := ask(t, query(t, awsconf.Source{}, map[string][]string{"Role": {"web"}}, nil))
	if found != nil || err == nil || !strings.Contains(err.Error(), "page 2") || classOf(err) != awsconf.Server {
		t.Errorf("%d instances, error %v", len(found), err)
	}
}

func TestInstanceIsReadWhole(t *testing.T) {
	cloud := fake(t)
	id := launch(t, cloud, 1, awstest.Launch{
		Tags: web, Zone: "eu-west-1b", Type: "t4g.small", PublicIP: "203.0.113.7", IPv6: "2001:db8::7", PrivateIP: "10.1.2.3", ASG: "web-asg",
	})[0]
	if _, err := cloud.AddInterface(id); err != nil {
		t.Fatal(err)
	}
	q := query(t, awsconf.Source{}, nil, map[string][]string{"instance-id": {id}})
	for range 20 { // interfaces and tags come in another order every time
		found, _, err := ask(t, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) != 1 {
			t.Fatalf("%d instances", len(found))
		}
		in := found[0]
		if in.ID != id || in.Zone != "eu-west-1b" || in.ZoneID != "euw1-az2" || in.Type != "t4g.small" || in.PrivateIPv4.String() != "10.1.2.3" ||
			in.PublicIPv4.String() != "203.0.113.7" || in.IPv6.String() != "2001:db8::7" || in.Tags["Role"] != "web" || in.Tags[asgTag] != "web-asg" {
			t.Fatalf("read as %+v", in)
		}
	}
}

func TestOnlyRunningInstancesAreFound(t *testing.T) {
	cloud := fake(t)
	ids := launch(t, cloud, 3, awstest.Launch{Tags: web})
	for _, err := range []error{cloud.Stop(ids[0]), cloud.Terminate(ids[1])} {
		if err != nil {
			t.Fatal(err)
		}
	}
	found, _, err := ask(t, query(t, awsconf.Source{}, map[string][]string{"Role": {"web"}}, nil))
	if err != nil || len(found) != 1 || found[0].ID != ids[2] {
		t.Errorf("found %v, error %v; want only %s", found, err, ids[2])
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name    string
		src     awsconf.Source
		breakIt func(t *testing.T, c *awstest.Cloud)
		raw     map[string][]string
		class   awsconf.Class
		message string
	}{
		{name: "permission missing", breakIt: func(t *testing.T, c *awstest.Cloud) { c.Deny("ec2:DescribeInstances") },
			class: awsconf.Denied, message: "ec2:DescribeInstances"},
		{name: "throttled", breakIt: func(t *testing.T, c *awstest.Cloud) {
			c.SetRate("ec2:DescribeInstances", awstest.Rate{Burst: 1, PerSecond: 0.001})
		},
			class: awsconf.Throttled, message: "RequestLimitExceeded"},
		{name: "no credentials", breakIt: func(t *testing.T, c *awstest.Cloud) {
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
		}, class: awsconf.Credentials, message: "ec2:DescribeInstances"},
		{name: "no region", breakIt: func(t *testing.T, c *awstest.Cloud) { t.Setenv("AWS_REGION", "") }, class: awsconf.Region, message: "region"},
		{name: "wrong external id", src: awsconf.Source{RoleARN: "arn:aws:iam::210987654321:role/lb", ExternalID: "wrong"},
			breakIt: func(t *testing.T, c *awstest.Cloud) {
				if err := c.AddRole(awstest.Role{ARN: "arn:aws:iam::210987654321:role/lb", ExternalID: "right"}); err != nil {
					t.Fatal(err)
				}
			}, class: awsconf.Credentials, message: "sts:AssumeRole"},
		{name: "unknown filter", raw: map[string][]string{"instance-colour": {"red"}}, class: awsconf.Request, message: "instance-colour"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := fake(t)
			if c.breakIt != nil {
				c.breakIt(t, cloud)
			}
			q := query(t, c.src, map[string][]string{"Role": {"web"}}, c.raw)
			lister := ec2Lister(q)
			_, err := lister(t.Context(), func() {})
			if c.class == awsconf.Throttled {
				_, err = lister(t.Context(), func() {}) // the bucket had one token
			}
			if classOf(err) != c.class || !strings.Contains(err.Error(), c.message) || strings.Contains(err.Error(), "\n") {
				t.Errorf("class %q, error %v; want %q with %q", classOf(err), err, c.class, c.message)
			}
		})
	}
}

// After an error of the credentials the next poll connects anew, so that new ones count without a restart.
func TestRotatedCredentialsAreSeen(t *testing.T) {
	cloud := fake(t)
	launch(t, cloud, 1, awstest.Launch{Tags: web})
	good := awstest.AccessKeyID
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAOLDKEYOLDKEYOLDX")
	lister := ec2Lister(query(t, awsconf.Source{}, map[string][]string{"Role": {"web"}}, nil))
	if _, err := lister(t.Context(), func() {}); classOf(err) != awsconf.Credentials {
		t.Fatalf("error %v, want one of the credentials", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", good)
	if found, err := lister(t.Context(), func() {}); err != nil || len(found) != 1 {
		t.Errorf("%d instances, error %v", len(found), err)
	}
}

func TestACallThatHangsEndsWithItsCaller(t *testing.T) {
	cloud := fake(t)
	cloud.Inject(awstest.Fault{Service: "ec2", Kind: awstest.Hang})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	lister := ec2Lister(query(t, awsconf.Source{}, map[string][]string{"Role": {"web"}}, nil))
	go func() {
		_, err := lister(ctx, func() {})
		done <- err
	}()
	wait, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	if err := cloud.Await(wait, "ec2", "DescribeInstances", 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	case <-wait.Done():
		t.Error("the call did not end")
	}
}
