package dnsfailover

import (
	"strings"
	"testing"
)

func TestPeerAddress(t *testing.T) {
	for in, want := range map[string]string{
		"lb2": "lb2:8404", "lb2.internal": "lb2.internal:8404", "lb2.internal.": "lb2.internal.:8404", "lb2:9": "lb2:9", "under_score": "under_score:8404",
		"10.0.3.7": "10.0.3.7:8404", "10.0.3.7:65535": "10.0.3.7:65535", "fd00::1": "[fd00::1]:8404", "[fd00::1]": "[fd00::1]:8404", "[fd00::1]:9": "[fd00::1]:9",
		"fe80::1%eth0": "[fe80::1%eth0]:8404",
		"":             "", ":8404": "", "lb2:": "", "lb2:0": "", "lb2:65536": "", "lb2:-1": "", "lb2:+1": "", "lb2:http": "", "lb 2": "", "lb2/": "", "http://lb2": "", "unix//run/s": "",
		"10.0.3": "", "10.0.3.256": "", "10.0.3.7:1:2": "", "0.0.0.0": "", "::": "", "224.0.0.1": "", "[fd00::1": "[fd00::1]:8404", "a..b": "", ".a": "", "-a": "", "a-": "", "ü": "", "42": "",
		strings.Repeat("a", 254): "",
	} {
		if got, err := peerAddress(in); got != want || (err == nil) != (want != "") {
			t.Errorf("%q becomes %q, error %v; want %q", in, got, err, want)
		}
	}
}

func TestCheckURL(t *testing.T) {
	for in, good := range map[string]bool{
		"https://www.example.com/healthz": true, "http://10.0.0.1:8080": true, "https://[2001:db8::1]:8443/a?b=c": true, "HTTPS://example.com/": true, "https://example.com/@home": true,
		"": false, "example.com": false, "//example.com/": false, "https:/example.com": false, "https:example.com": false, "ftp://example.com/": false, "https://": false,
		"https://:443/": false, "https://a:/": false, "https://a:0/": false, "https://a:65536/": false, "https://a b/": false, "https://a/#b": false, "https://ü.example.com/": false,
		"https://user@example.com/": false, "https://user:pw@example.com/": false, "https://a/%zz": false, "https://0.0.0.0/": false,
	} {
		if err := checkURL(in); (err == nil) != good {
			t.Errorf("%q: error %v", in, err)
		}
	}
}

func TestCheckNodeAddress(t *testing.T) {
	for _, c := range []struct {
		kind, in string
		good     bool
	}{
		{"private", "", true}, {"private", "none", true}, {"private", "10.0.1.4", true}, {"private", "fd00::1", true}, {"private", "127.0.0.1", true},
		{"private", "0.0.0.0", false}, {"private", "224.0.0.1", false}, {"private", "fe80::1%eth0", false}, {"private", "::ffff:10.0.0.1", false}, {"private", "lb1", false}, {"private", "10.0.1.4/24", false},
		{"public", "198.51.100.4", true}, {"public", "2001:db8::1", false}, {"ipv6", "2001:db8::1", true}, {"ipv6", "10.0.0.1", false},
	} {
		if err := checkNodeAddress(c.kind, c.in); (err == nil) != c.good {
			t.Errorf("%s %q: error %v", c.kind, c.in, err)
		}
	}
}

func TestCheckPlaceholders(t *testing.T) {
	for _, c := range []struct {
		field, in string
		good      bool
	}{
		{"Config.Node", "{ec2.tag.Name}-{ec2.zone}", true}, {"Config.Node", "{node}", false}, {"Config.Node", "{ec2.tag.}", false}, {"Config.Node", "{ec2.}", false},
		{"Config.Instance", "{ec2.instance_id}", true}, {"Config.Instance", "{node}", false}, {"Config.Instance", "{env.NODE}", true},
		{"OwnName.Name", "{node}.{ec2.region}.{ec2.private_ipv4}.{ec2.public_ipv4}", true}, {"OwnName.Name", "{node}{ec2.x}", false},
		{"OwnName.ZoneID", "{node}", false}, {"ServiceConfig.Name", "{ec2.zone}", false}, {"Config.Peers", "{env.PEER}", true}, {"Config.Peers", `\{node\}`, true},
	} {
		if err := checkPlaceholders(c.field, c.in); (err == nil) != c.good {
			t.Errorf("%s %q: error %v", c.field, c.in, err)
		}
	}
}
