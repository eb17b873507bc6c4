package awsconf

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

func lookUp(t *testing.T) (Identity, *Error) {
	t.Helper()
	id, err := Lookup(t.Context())
	return id, Classify("", err)
}

func TestLookup(t *testing.T) {
	cloud, server, id := fake(t)
	isolate(t, server.Env(id)...)
	instance, _ := cloud.Instance(id)
	want := Identity{
		InstanceID: "i-0123456789abcdef0", AccountID: awstest.DefaultAccount,
		Region: "eu-west-1", Zone: "eu-west-1b", ZoneID: "euw1-az2", InterfaceID: instance.Interfaces[0].ID,
		PrivateIPv4: "10.0.16.5", PublicIPv4: "198.51.100.7", IPv6: "2001:db8::5",
	}
	got, err := lookUp(t)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	t.Run("what is not there is empty", func(t *testing.T) {
		for _, path := range []string{"public-ipv4", "ipv6", "mac", "placement/availability-zone-id"} {
			if err := cloud.SetMetadata(id, path, ""); err != nil {
				t.Fatal(err)
			}
		}
		want := want
		want.PublicIPv4, want.IPv6, want.ZoneID, want.InterfaceID, want.AccountID = "", "", "", "", ""
		got, err := lookUp(t)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("but not the id", func(t *testing.T) {
		if err := cloud.SetMetadata(id, "instance-id", ""); err != nil {
			t.Fatal(err)
		}
		_, err := lookUp(t)
		wantError(t, err, Server, false, "imds:instance-id: server: it has no instance id", "does not look like")
	})
}

func TestLookupFails(t *testing.T) {
	for _, tc := range []struct {
		name      string
		options   awstest.MetadataOptions
		fault     awstest.Fault
		class     Class
		permanent bool
		part      string
	}{
		{"container behind the hop limit", awstest.MetadataOptions{HopLimit: 1, Hops: 2, TokensOptional: true}, awstest.Fault{}, Timeout, false, "HttpPutResponseHopLimit must be 2"},
		{"switched off", awstest.MetadataOptions{Disabled: true}, awstest.Fault{}, Request, true, "switched off for this instance (HttpEndpoint)"},
		{"token refused each time", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/instance-id", Status: 401}, Request, true, "does not look like"},
		{"no tokens, as other clouds", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "api/token", Status: 404}, Request, true, "does not look like"},
		{"throttled", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/mac", Status: 429}, Throttled, false, "overloaded"},
		{"throttled at last", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/network/*", Status: 429}, Throttled, false, "overloaded"},
		{"broken", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "api/token", Status: 500}, Server, false, "has a fault"},
		{"hangs", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/local-ipv4", Kind: awstest.Hang}, Timeout, false, "does not answer"},
		{"cut off", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/local-ipv4", Kind: awstest.Drop}, Network, false, "does not answer"},
		{"half an answer", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/local-ipv4", Kind: awstest.Truncate}, Network, false, ""},
		{"an empty answer", awstest.MetadataOptions{HopLimit: 1, Hops: 1}, awstest.Fault{Action: "meta-data/local-ipv4", Kind: awstest.Empty}, Server, false, `"" is not a private IPv4 address`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cloud, server, id := fake(t)
			isolate(t, server.Env(id)...)
			if err := cloud.SetMetadataOptions(id, tc.options); err != nil {
				t.Fatal(err)
			}
			if tc.fault.Action != "" {
				tc.fault.Service = "imds"
				cloud.Inject(tc.fault)
			}
			got, err := lookUp(t)
			for try := 0; tc.name == "broken" && classOf(err) == Timeout && try < 5; try++ {
				got, err = lookUp(t) // the SDK's own retries of a 500 can use up the bound on a busy machine
			}
			wantError(t, err, tc.class, tc.permanent, tc.part)
			if got != (Identity{}) {
				t.Errorf("half an identity: %+v", got)
			}
		})
	}
	t.Run("not on EC2", func(t *testing.T) {
		isolate(t, "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://"+closedPort(t))
		_, err := lookUp(t)
		wantError(t, err, Network, false, "imds:instance-id: network: Put ", "connection refused; the instance metadata service is not reachable: not on EC2?")
	})
	t.Run("told not to", func(t *testing.T) {
		isolate(t)
		_, err := lookUp(t)
		wantError(t, err, Request, true, "AWS_EC2_METADATA_DISABLED switches")
	})
	t.Run("an endpoint that is none", func(t *testing.T) {
		isolate(t, "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://[::1")
		_, err := lookUp(t)
		wantError(t, err, Request, true, "check AWS_EC2_METADATA_SERVICE_ENDPOINT")
	})
	t.Run("bad environment", func(t *testing.T) {
		isolate(t, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=ipv5")
		_, err := lookUp(t)
		wantError(t, err, Request, true, "ipv5", "environment variables")
	})
	t.Run("canceled", func(t *testing.T) {
		_, server, id := fake(t)
		isolate(t, server.Env(id)...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Lookup(ctx)
		wantError(t, Classify("", err), UnknownClass, false, "canceled")
		if !errors.Is(err, context.Canceled) {
			t.Error("context.Canceled is lost")
		}
	})
}

// A token that has run out is renewed within the lookup.
func TestLookupRenewsToken(t *testing.T) {
	cloud, server, id := fake(t)
	isolate(t, server.Env(id)...)
	cloud.Inject(awstest.Fault{Service: "imds", Action: "meta-data/local-ipv4", Status: 401, Times: 1})
	if _, err := lookUp(t); err != nil {
		t.Fatal(err)
	}
	if n := cloud.Count("imds", "api/token"); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}

// Each request within its bound, and the whole lookup too slow all the same.
func TestLookupIsBounded(t *testing.T) {
	cloud, server, id := fake(t)
	isolate(t, server.Env(id)...)
	cloud.Inject(awstest.Fault{Service: "imds", Action: "meta-data/*", Latency: 800 * time.Millisecond})
	start := time.Now()
	_, err := lookUp(t)
	wantError(t, err, Timeout, false, "does not answer")
	if took := time.Since(start); took < lookupTimeout || took > 10*lookupTimeout {
		t.Errorf("took %s, the bound is %s", took, lookupTimeout)
	}
}

// Something answers at the address of the metadata service, and it is not the metadata service.
func TestLookupGarbage(t *testing.T) {
	always := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			io.WriteString(w, body)
		}
	}
	trapped := 0
	for _, tc := range []struct {
		name    string
		handler http.HandlerFunc
	}{
		{"login page", always("<html><body>Please log in</body></html>")},
		{"nothing", always("")},
		{"ok", always("ok")},
		{"an address", always("10.0.0.1")},
		{"control characters", always("i-01234567\x1b[31m\x00")},
		{"lines", always("i-01234567\ni-89abcdef")},
		{"huge", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "300")
			switch r.URL.Path {
			case "/latest/api/token":
				io.WriteString(w, "token")
			case "/latest/meta-data/instance-id":
				io.WriteString(w, "i-01234567")
			case "/latest/meta-data/public-ipv4":
				io.WriteString(w, "198.51.100.7"+strings.Repeat(" ", 1<<20))
			default:
				w.WriteHeader(404)
			}
		}},
		{"no lifetime of the token", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "i-01234567") }},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/trap" {
				trapped++
			}
			http.Redirect(w, r, "/trap", http.StatusTemporaryRedirect)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			isolate(t)
			metadataServer(t, tc.handler)
			got, err := lookUp(t)
			if err == nil || err.Hint != hintNotEC2 {
				t.Errorf("error %v", err)
			}
			if got != (Identity{}) {
				t.Errorf("believed: %+v", got)
			}
		})
	}
	if trapped != 0 {
		t.Error("a redirect was followed")
	}
}

// Nothing stays behind, and nobody stands in between.
func TestMetadataConnections(t *testing.T) {
	isolate(t)
	kept := 0
	metadataServer(t, func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			kept++
		}
		w.WriteHeader(404)
	})
	lookUp(t)
	if kept != 0 {
		t.Errorf("%d connections were to be kept", kept)
	}
	if metadataHTTP.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would be asked for the metadata")
	}
}

func TestFields(t *testing.T) {
	for _, tc := range []struct {
		field field
		ok    []string
		bad   []string
	}{
		{fieldID, []string{"i-01234567", "i-0123456789abcdef0"}, []string{"i-", "i-012345678", "i-0123456G", "x"}},
		{fieldRegion, []string{"eu-west-1", "us-gov-east-1", "us-isob-east-1", "eusc-de-east-1", "cn-north-1"}, []string{"eu-west-1a", "ok", "EU-WEST-1", "a-1", "eu-west-1.evil.test"}},
		{fieldZone, []string{"eu-west-1a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1"}, []string{"a", "eu", "eu_west_1a"}},
		{fieldZoneID, []string{"euw1-az1", "usw2-lax1-az1", "use1-wl1-bos-wlz1"}, []string{"euw1", "EUW1-AZ1", "-az1"}},
		{fieldPrivateIPv4, []string{"10.0.0.1", "127.0.0.1"}, []string{"10.0.0", "010.0.0.1", "::1", "::ffff:10.0.0.1", "0.0.0.0", "224.0.0.1", "169.254.169.254", "10.0.0.1:80", "10.0.0.0/8"}},
		{fieldIPv6, []string{"2001:db8::1", "fd00::1"}, []string{"10.0.0.1", "::ffff:10.0.0.1", "::", "fe80::1", "fe80::1%eth0", "2001:db8::1%x", "[2001:db8::1]"}},
		{fieldMAC, []string{"0a:1b:2c:3d:4e:5f"}, []string{"0a:1b:2c:3d:4e", "0A:1B:2C:3D:4E:5F", "../../../x"}},
		{fieldInterface("m"), []string{"eni-01234567", "eni-0123456789abcdef0"}, []string{"eni-", "i-01234567"}},
		{fieldAccount("m"), []string{"123456789012"}, []string{"amazon-elb", "12345678901"}},
	} {
		for _, s := range tc.ok {
			if got, err := tc.field.parse(s); err != nil || got != s {
				t.Errorf("%s: %q is read as %q, %v", tc.field.path, s, got, err)
			}
		}
		for _, s := range append(tc.bad, "", " ", "<html>", "\x00", tc.ok[0]+"\n"+tc.ok[0], tc.ok[0]+"\n", " "+tc.ok[0]) {
			if got, err := tc.field.parse(s); err == nil || got != "" {
				t.Errorf("%s: %q is taken for %q", tc.field.path, s, got)
			}
		}
	}
	if got, err := fieldIPv6.parse("2001:DB8:0::1"); got != "2001:db8::1" {
		t.Errorf("not canonical: %q, %v", got, err)
	}
}

// Whatever comes, a value is either refused or has the form of its kind.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{"i-01234567", "eu-west-1", "10.0.0.1", "2001:db8::1", "0a:1b:2c:3d:4e:5f", "<html>", "\x00"} {
		f.Add(seed)
	}
	fields := []field{fieldID, fieldRegion, fieldZone, fieldZoneID, fieldPrivateIPv4, fieldPublicIPv4, fieldIPv6, fieldMAC, fieldInterface("m"), fieldAccount("m")}
	f.Fuzz(func(t *testing.T, s string) {
		for _, f := range fields {
			got, err := f.parse(s)
			if err != nil {
				if got != "" || strings.ContainsFunc(err.Error(), unicode.IsControl) {
					t.Errorf("%s: %q gives %q and the error %q", f.path, s, got, err)
				}
				continue
			}
			if got == "" || len(got) > 128 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
				t.Errorf("%s: %q is taken for %q", f.path, s, got)
			}
			if strings.Contains(f.path, "ipv") {
				if ip, err := netip.ParseAddr(got); err != nil || ip.String() != got {
					t.Errorf("%s: %q is not an address in canonical form", f.path, got)
				}
			}
		}
	})
}

func classOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}
