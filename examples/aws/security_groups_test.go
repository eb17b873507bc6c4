package aws

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// port is a number, or the name of a parameter that has it.
type port string

func (p *port) UnmarshalJSON(raw []byte) error {
	var ref reference
	if err := json.Unmarshal(raw, &ref); err == nil {
		*p = port(ref.Ref)
		return nil
	}
	*p = port(raw)
	return nil
}

// reference is the name of another part of the template.
type reference struct{ Ref string }

// rule is who may reach a group, and where.
type rule struct {
	Description           string
	IPProtocol            string `json:"IpProtocol"`
	FromPort, ToPort      port
	CIDRv4                string    `json:"CidrIp"`
	CIDRv6                string    `json:"CidrIpv6"`
	GroupID               reference `json:"GroupId"`
	SourceSecurityGroupID reference `json:"SourceSecurityGroupId"`
}

// resource is a group, or a rule apart from its group.
type resource struct {
	Type       string
	Properties struct {
		rule
		GroupDescription     string
		VPC                  reference `json:"VpcId"`
		SecurityGroupIngress []rule
	}
}

// opened are the lines "group protocol port source" of a template. What it does not understand is an error.
func opened(t *testing.T, file string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Version     string `json:"AWSTemplateFormatVersion"`
		Description string
		Parameters  map[string]map[string]any
		Resources   map[string]resource
		Outputs     map[string]struct{ Value reference }
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&template); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	open := func(group string, r rule) {
		if r.FromPort != r.ToPort || r.FromPort == "" || r.Description == "" {
			t.Errorf("%s: %+v is not about one port, or does not say why", group, r)
		}
		source := r.CIDRv4 + r.CIDRv6 + r.SourceSecurityGroupID.Ref
		lines = append(lines, group+" "+r.IPProtocol+" "+string(r.FromPort)+" "+source)
	}
	for name, r := range template.Resources {
		switch r.Type {
		case "AWS::EC2::SecurityGroup":
			for _, in := range r.Properties.SecurityGroupIngress {
				open(name, in)
			}
		case "AWS::EC2::SecurityGroupIngress":
			open(r.Properties.GroupID.Ref, r.Properties.rule)
		default:
			t.Errorf("%s is of type %s", name, r.Type)
		}
	}
	slices.Sort(lines)
	return lines
}

// TestSecurityGroups holds the template to what may be open: the site to everybody, all else to the load balancers, and no SSH.
func TestSecurityGroups(t *testing.T) {
	want := []string{
		"Backends tcp BackendPort LoadBalancers",
		"LoadBalancers tcp 443 0.0.0.0/0",
		"LoadBalancers tcp 443 ::/0",
		"LoadBalancers tcp 80 0.0.0.0/0",
		"LoadBalancers tcp 80 ::/0",
		"LoadBalancers tcp 8404 LoadBalancers",
		"LoadBalancers udp 443 0.0.0.0/0",
		"LoadBalancers udp 443 ::/0",
		"Logs tcp LogPort LoadBalancers",
		"Storage tcp 2049 LoadBalancers",
	}
	if d := cmp.Diff(want, opened(t, "security-groups.json")); d != "" {
		t.Errorf("(-want +open)\n%s", d)
	}
}

// TestLogPort holds the port of the host with the logs to those that the other files here have.
func TestLogPort(t *testing.T) {
	template := read(t, "security-groups.json")
	for file, port := range map[string]string{"rsyslog/receive.conf": `port="5515"`, "rsyslog/send.conf": `port="5515"`, "Caddyfile.queue": "logs.internal:5140"} {
		if !strings.Contains(read(t, file), port) {
			t.Errorf("%s does not have %s", file, port)
		}
	}
	if !strings.Contains(template, `"Default": 5515,`) || !strings.Contains(template, "5515 for rsyslog/receive.conf, 5140 for Caddyfile.queue") {
		t.Error("the template names other ports")
	}
}
