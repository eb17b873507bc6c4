package fleet

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func TestStates(t *testing.T) {
	cloud := fake(t)
	ids := launch(t, cloud, 3, awstest.Launch{})
	if err := cloud.Stop(ids[1]); err != nil {
		t.Fatal(err)
	}
	if err := cloud.Terminate(ids[2]); err != nil {
		t.Fatal(err)
	}
	got, err := States(t.Context(), awsconf.Source{}, append(ids, "i-0123456789abcdef0"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, id := range ids {
		in, _ := cloud.Instance(id)
		want[id] = in.State.String()
	}
	if !maps.Equal(got, want) || want[ids[2]] != Terminated {
		t.Errorf("the states are %q, want %q", got, want)
	}

	// More than EC2 takes in one query.
	cloud.ResetCalls()
	for i := range maxFilterValues {
		ids = append(ids, fmt.Sprintf("i-%017x", i))
	}
	if got, err = States(t.Context(), awsconf.Source{}, ids); err != nil || !maps.Equal(got, want) {
		t.Errorf("of many the states are %q, %v", got, err)
	}
	if n := cloud.Count("ec2", "DescribeInstances"); n != 2 {
		t.Errorf("%d calls", n)
	}

	cloud.Inject(awstest.Fault{Service: "ec2", Action: "DescribeInstances", Code: "UnauthorizedOperation", Status: 403})
	if got, err := States(t.Context(), awsconf.Source{}, ids); got != nil || err == nil || !strings.Contains(err.Error(), describeOp) {
		t.Errorf("without permission the states are %q, %v", got, err)
	}
}
