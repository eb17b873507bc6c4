package awstest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// status returns the HTTP status that the metadata service answers with.
func status(err error) int {
	var e *Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &e):
		return e.Status
	}
	return 0
}

// metadataOf reads paths of an instance's metadata service with a token.
func metadataOf(t *testing.T, c *Cloud, id string) func(path string) (string, error) {
	t.Helper()
	token, err := result[string](c.do(Caller{}, c.metadataToken(id, "21600", false)))
	do(t, err)
	return func(path string) (string, error) {
		return result[string](c.do(Caller{}, c.metadataGet(id, path, token)))
	}
}

func TestMetadataPaths(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{
		Zone: "eu-west-1b", PublicIP: "198.51.100.1", IPv6: "2001:db8::1", Role: "lb", Spot: true,
		Tags: map[string]string{"app": "web", "Name": "web 1"},
	})
	second, err := c.AddInterface(id)
	do(t, err)
	i, _ := c.Instance(id)
	get := metadataOf(t, c, id)
	primary := "meta-data/network/interfaces/macs/" + i.Interfaces[0].MAC
	for path, want := range map[string]string{
		"meta-data/instance-id":                     id,
		"meta-data/instance-life-cycle":             "spot",
		"meta-data/instance-type":                   "t3.micro",
		"meta-data/local-ipv4":                      i.PrivateIP(),
		"meta-data/public-ipv4":                     "198.51.100.1",
		"meta-data/ipv6":                            "2001:db8::1",
		"meta-data/mac":                             i.Interfaces[0].MAC,
		"meta-data/placement/":                      "availability-zone\navailability-zone-id\nregion",
		"meta-data/placement":                       "availability-zone\navailability-zone-id\nregion",
		"meta-data/placement/region":                "eu-west-1",
		"meta-data/placement/availability-zone":     "eu-west-1b",
		"meta-data/placement/availability-zone-id":  "euw1-az2",
		"meta-data/iam/security-credentials/":       "lb",
		"":                                          "dynamic/\nmeta-data/",
		primary + "/interface-id":                   i.Interfaces[0].ID,
		primary + "/device-number":                  "0",
		primary + "/local-ipv4s":                    i.PrivateIP(),
		primary + "/public-ipv4s":                   "198.51.100.1",
		primary + "/ipv4-associations/198.51.100.1": i.PrivateIP(),
		primary + "/ipv6s":                          "2001:db8::1",
		primary + "/subnet-id":                      i.SubnetID,
		primary + "/vpc-id":                         i.VPCID,
		"meta-data/network/interfaces/macs/" + i.Interfaces[1].MAC + "/device-number": "1",
		"meta-data/network/interfaces/macs/" + i.Interfaces[1].MAC + "/local-ipv4s":   second,
	} {
		if got, err := get(path); err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
	if macs, err := get("meta-data/network/interfaces/macs/"); err != nil || len(strings.Fields(macs)) != 2 || !strings.HasSuffix(macs, "/") {
		t.Errorf("macs %q, %v", macs, err)
	}
	for _, path := range []string{
		"meta-data/spot/instance-action", "meta-data/tags/instance/app", "meta-data/nothing", "user-data",
		"meta-data/network/interfaces/macs/" + i.Interfaces[1].MAC + "/public-ipv4s",
	} {
		if _, err := get(path); status(err) != http.StatusNotFound {
			t.Errorf("%s: %v", path, err)
		}
	}

	do(t, c.SetPublicIP(id, ""))
	if _, err := get("meta-data/public-ipv4"); status(err) != http.StatusNotFound {
		t.Errorf("without a public address: %v", err)
	}
	do(t, c.SetMetadata(id, "spot/instance-action", "now"))
	do(t, c.SetMetadata(id, "mac", ""))
	do(t, c.SetMetadataOptions(id, MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: true}))
	for path, want := range map[string]string{"meta-data/spot/instance-action": "now", "meta-data/mac": "", "meta-data/tags/instance/Name": "web 1"} {
		if got, err := get(path); got != want || (want == "") != (status(err) == http.StatusNotFound) {
			t.Errorf("%s: got %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestIdentityDocument(t *testing.T) {
	c := New(Config{})
	id := launch(t, c, Launch{Region: "us-east-1", Account: "210987654321"})
	text, err := metadataOf(t, c, id)("dynamic/instance-identity/document")
	do(t, err)
	var doc map[string]string
	do(t, json.Unmarshal([]byte(text), &doc))
	if doc["instanceId"] != id || doc["region"] != "us-east-1" || doc["accountId"] != "210987654321" || doc["availabilityZone"] != "us-east-1a" {
		t.Errorf("got %v", doc)
	}
}

func TestMetadataTokens(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	id, other := launch(t, c, Launch{}), launch(t, c, Launch{})
	for _, tc := range []struct {
		name      string
		ttl       string
		forwarded bool
		want      int
	}{
		{"shortest", "1", false, 200},
		{"longest", "21600", false, 200},
		{"too long", "21601", false, 400},
		{"zero", "0", false, 400},
		{"negative", "-1", false, 400},
		{"missing", "", false, 400},
		{"not a number", "1h", false, 400},
		{"forwarded", "60", true, 403},
	} {
		_, err := result[string](c.do(Caller{}, c.metadataToken(id, tc.ttl, tc.forwarded)))
		if status(err) != tc.want {
			t.Errorf("%s: got %v, want %d", tc.name, err, tc.want)
		}
	}

	do(t, c.SetMetadataOptions(id, MetadataOptions{HopLimit: 1, Hops: 2}))
	if a := c.do(Caller{}, c.metadataToken(id, "60", false)); a.err != errUnreachable {
		t.Errorf("from further away than the hop limit: %v, %v", a.out, a.err)
	}
	do(t, c.SetMetadataOptions(id, MetadataOptions{HopLimit: 2, Hops: 2}))
	token, err := result[string](c.do(Caller{}, c.metadataToken(id, "60", false)))
	do(t, err)
	read := func(id, token string) int {
		_, err := result[string](c.do(Caller{}, c.metadataGet(id, "meta-data/instance-id", token)))
		return status(err)
	}
	if s := read(id, token); s != 200 {
		t.Errorf("with a token: %d", s)
	}
	for name, s := range map[string]int{"without": read(id, ""), "with a made-up": read(id, "x"), "with another instance's": read(other, token)} {
		if s != 401 {
			t.Errorf("%s token: %d", name, s)
		}
	}
	clk.advance(time.Minute)
	if s := read(id, token); s != 401 {
		t.Errorf("with an expired token: %d", s)
	}

	do(t, c.SetMetadataOptions(id, MetadataOptions{HopLimit: 1, Hops: 1, TokensOptional: true}))
	if s := read(id, ""); s != 200 {
		t.Errorf("without a token where it is optional: %d", s)
	}
	do(t, c.SetMetadataOptions(id, MetadataOptions{Disabled: true}))
	if s := read(id, ""); s != 403 {
		t.Errorf("disabled: %d", s)
	}
	do(t, c.Stop(id))
	if a := c.do(Caller{}, c.metadataGet(id, "meta-data/instance-id", "")); a.err != ErrNoAnswer {
		t.Errorf("of a stopped instance: %v", a.err)
	}
}

func TestProfileDocument(t *testing.T) {
	c := New(Config{})
	text, err := metadataOf(t, c, launch(t, c, Launch{Role: "lb"}))("meta-data/iam/info")
	do(t, err)
	var doc map[string]string
	do(t, json.Unmarshal([]byte(text), &doc))
	if doc["Code"] != "Success" || doc["InstanceProfileArn"] != "arn:aws:iam::123456789012:instance-profile/lb" {
		t.Errorf("got %v", doc)
	}
	if _, err := metadataOf(t, c, launch(t, c, Launch{}))("meta-data/iam/info"); status(err) != http.StatusNotFound {
		t.Errorf("without a role: %v", err)
	}
}

// roleKeys is what a program reads of the role's keys.
type roleKeys struct {
	Code, AccessKeyID, SecretAccessKey, Token string
	Expiration                                time.Time
}

func TestRoleKeys(t *testing.T) {
	clk := newClock()
	c := New(Config{Now: clk.Now})
	id := launch(t, c, Launch{Role: "lb"})
	read := func() (k roleKeys) {
		text, err := metadataOf(t, c, id)("meta-data/iam/security-credentials/lb")
		do(t, err)
		do(t, json.Unmarshal([]byte(text), &k))
		return k
	}
	accepted := func(k roleKeys) string {
		who, err := c.authenticate(&signature{
			accessKeyID: k.AccessKeyID, sessionToken: k.Token, region: "eu-west-1", service: "ec2", date: clk.Now(),
		})
		if err == nil && (who.Instance != id || who.ARN != "arn:aws:sts::123456789012:assumed-role/lb/"+id) {
			t.Errorf("the keys stand for %+v", who)
		}
		return code(err)
	}

	first := read()
	if first.Code != "Success" || !first.Expiration.Equal(clk.Now().Add(6*time.Hour)) || accepted(first) != "" {
		t.Errorf("first keys %+v", first)
	}
	clk.advance(6*time.Hour - 5*time.Minute)
	if again := read(); again != first {
		t.Errorf("six hours minus five minutes later %+v", again)
	}
	clk.advance(time.Second)
	second := read()
	if second.AccessKeyID == first.AccessKeyID || accepted(first) != "" || accepted(second) != "" {
		t.Errorf("the next keys are %+v, the old ones accepted: %q", second, accepted(first))
	}
	clk.advance(5 * time.Minute)
	if got := accepted(first); got != "RequestExpired" {
		t.Errorf("old keys: %q", got)
	}

	do(t, c.SetRole(id, InstanceRole{Name: "lb", Frozen: true}))
	clk.advance(24 * time.Hour)
	if frozen := read(); frozen != second || accepted(frozen) != "RequestExpired" {
		t.Errorf("frozen keys %+v", frozen)
	}
	do(t, c.SetRole(id, InstanceRole{Name: "lb", Lifetime: -time.Minute}))
	if late := read(); !late.Expiration.Before(clk.Now()) || accepted(late) != "RequestExpired" {
		t.Errorf("expired keys %+v", late)
	}
	do(t, c.SetRole(id, InstanceRole{Name: "lb", Code: "AssumeRoleUnauthorizedAccess"}))
	if none := read(); none.Code != "AssumeRoleUnauthorizedAccess" || none.AccessKeyID != "" {
		t.Errorf("refused keys %+v", none)
	}
	do(t, c.SetRole(id, InstanceRole{}))
	if _, err := metadataOf(t, c, id)("meta-data/iam/security-credentials/"); status(err) != 404 {
		t.Errorf("without a role: %v", err)
	}
}
