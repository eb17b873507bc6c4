package fleet

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

func TestNewQuery(t *testing.T) {
	type m = map[string][]string
	many := make([]string, maxFilterValues)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	for _, c := range []struct {
		name    string
		src     awsconf.Source
		tags    m
		groups  []string
		raw     m
		want    string // String()
		wantErr string
	}{
		{name: "one tag", tags: m{"Role": {"web"}}, want: "tag:Role=web"},
		{name: "values are alternatives, sorted and once each", tags: m{"Role": {"web", "api", "web"}}, want: "tag:Role=api,web"},
		{name: "tags are sorted", tags: m{"b": {"2"}, "a": {"1"}}, want: "tag:a=1 tag:b=2"},
		{name: "group", groups: []string{"g"}, want: "tag:aws:autoscaling:groupName=g"},
		{name: "filter and region", src: awsconf.Source{Region: "eu-west-1"}, raw: m{"instance-type": {"t3.*"}}, want: "instance-type=t3.* in eu-west-1"},
		{name: "empty tag value is a value", tags: m{"Role": {""}}, want: "tag:Role="},
		{name: "nothing", wantErr: "every instance of the account"},
		{name: "state filter", raw: m{"instance-state-name": {"stopped"}}, wantErr: "only running instances"},
		{name: "tag without value", tags: m{"Role": nil}, wantErr: "tag:Role has no value"},
		{name: "empty key", tags: m{"": {"x"}}, wantErr: "key is empty"},
		{name: "empty filter", raw: m{"": {"x"}}, wantErr: "name is empty"},
		{name: "same filter twice", tags: m{"Role": {"a"}}, raw: m{"tag:Role": {"b"}}, wantErr: "given twice"},
		{name: "too many values", tags: m{"Role": many}, wantErr: "filter values"},
		{name: "external id alone", src: awsconf.Source{ExternalID: "x"}, tags: m{"Role": {"a"}}, wantErr: "role_arn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q, err := NewQuery(c.src, c.tags, c.groups, c.raw)
			if c.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Fatalf("error %v, want one with %q", err, c.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, q.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestQueryKeyIsOrderFree(t *testing.T) {
	type m = map[string][]string
	a, err := NewQuery(awsconf.Source{}, m{"Role": {"web", "api"}, "Env": {"prod"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewQuery(awsconf.Source{}, m{"Env": {"prod"}, "Role": {"api", "web"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := NewQuery(awsconf.Source{Region: "us-east-1"}, m{"Env": {"prod"}, "Role": {"api", "web"}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Key() != b.Key() || a.ID() != b.ID() {
		t.Errorf("equal queries have keys %s and %s", a.Key(), b.Key())
	}
	if a.Key() == c.Key() || a.ID() == c.ID() {
		t.Errorf("a query of another region has the same key %s", a.Key())
	}
}
