package awstest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

func TestRoute53Paths(t *testing.T) {
	c, _, zone := newZone(t, Config{Now: time.Now})
	s := serve(t, c)
	rrset := "/2013-04-01/hostedzone/" + zone + "/rrset"
	for _, tc := range []struct {
		name, method, path, query, service string
		status                             int
		want                               string
	}{
		{"list", "GET", rrset, "name=example.com&type=SOA&maxitems=1", "route53", 200, "<MaxItems>1</MaxItems>"},
		{"slash at the end", "GET", rrset + "/", "", "route53", 200, "<IsTruncated>false</IsTruncated>"},
		{"unknown parameter", "GET", rrset, "colour=red", "route53", 400, "<Code>InvalidInput</Code><Message>Invalid request: The parameter colour is not recognized"},
		{"no number", "GET", rrset, "maxitems=x", "route53", 400, "<Code>InvalidInput</Code>"},
		{"parameter of a batch", "POST", rrset + "?colour=red", oneChange(oneRecord), "route53", 400, "<Code>InvalidInput</Code>"},
		{"malformed batch", "POST", rrset, "<x/>", "route53", 400, "<Type>Sender</Type><Code>MalformedInput</Code>"},
		{"batch", "POST", rrset + "/", oneChange(oneRecord), "route53", 200, "<Status>PENDING</Status>"},
		{"another method", "PUT", rrset, "", "route53", 404, "<Code>UnknownOperationException</Code>"},
		{"another path", "GET", "/2013-04-01/healthcheck", "", "route53", 404, "<Code>UnknownOperationException</Code>"},
		{"below", "GET", rrset + "/x", "", "route53", 404, "<Code>UnknownOperationException</Code>"},
		{"another version", "GET", "/2012-12-12/hostedzone", "", "route53", 404, "404 page not found"},
		{"signed for another service", "GET", rrset, "", "ec2", 403, "<Code>SignatureDoesNotMatch</Code><Message>Credential should be scoped to correct service: 'route53'."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			address := s.URL() + tc.path
			body := ""
			if tc.method == "GET" {
				address += "?" + tc.query
			} else {
				body = tc.query
			}
			r := signed(t, http.MethodPost, address, body, tc.service)
			r.Method = tc.method
			status, answer := send(t, r)
			if status != tc.status || !strings.Contains(answer, tc.want) {
				t.Errorf("got %d %s, want %d %s", status, answer, tc.status, tc.want)
			}
		})
	}
	if got := present(c, zone); !slices.Equal(got, []string{"a.example.com. A 192.0.2.1"}) {
		t.Errorf("left %q", got)
	}
	r, err := http.NewRequestWithContext(soon(t), "GET", s.URL()+rrset, nil)
	do(t, err)
	if status, body := send(t, r); status != 403 || !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
		t.Errorf("unsigned: %d %s", status, body)
	}
	// Who is not known takes no part of the limit and is judged by no policy.
	c.SetRate(AnyRoute53, Rate{Burst: 1})
	allow := c.Deny("route53:*")
	for range 2 {
		r, err := http.NewRequestWithContext(soon(t), "GET", s.URL()+rrset, nil)
		do(t, err)
		if _, body := send(t, r); !strings.Contains(body, "<Code>MissingAuthenticationToken</Code>") {
			t.Errorf("unsigned, and denied to all: %s", body)
		}
	}
	allow()
	last := c.Calls()[c.Count("", "")-1]
	if last.Action != "ListResourceRecordSets" || last.Code != "MissingAuthenticationToken" {
		t.Errorf("recorded as %+v", last)
	}
	if c.Count("route53", "PUT *") != 1 {
		t.Error("an unknown action is not recorded")
	}
}

func TestRoute53FaultsOnTheWire(t *testing.T) {
	c, _, zone := newZone(t, Config{Now: time.Now})
	client := route53Client(t, serve(t, c))
	c.Inject(Fault{Service: "route53", Action: "ChangeResourceRecordSets", Kind: Lose, Times: 1})
	create := batchInput(zone, sdkChange(types.ChangeActionCreate, "lb.example.com", "192.0.2.1"))
	if _, err := client.ChangeResourceRecordSets(soon(t), create); err == nil || code(err) == "InvalidChangeBatch" {
		t.Errorf("the answer was not lost: %v", err)
	}
	if _, err := client.ChangeResourceRecordSets(soon(t), create); code(err) != "InvalidChangeBatch" {
		t.Errorf("the lost one was not made: %v", err)
	}
	restore := c.Outage("route53")
	if _, err := client.GetHostedZone(soon(t), &route53.GetHostedZoneInput{Id: &zone}); err == nil || code(err) == "NoSuchHostedZone" {
		t.Errorf("in an outage: %v", err)
	}
	restore()
	c.Inject(Fault{Service: "route53", Kind: Empty})
	list, err := client.ListResourceRecordSets(soon(t), &route53.ListResourceRecordSetsInput{HostedZoneId: &zone})
	if err != nil || len(list.ResourceRecordSets) != 0 || list.IsTruncated {
		t.Errorf("empty: %+v, %v", list, err)
	}
}
