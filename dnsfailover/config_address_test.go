package dnsfailover

import (
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func TestDefaultsOfAnElasticIP(t *testing.T) {
	const eip = `"elastic_ip": {"address": "203.0.113.10"}`
	for _, tc := range []struct {
		name, service string
		linger        time.Duration
	}{
		{"alone", eip, 5 * time.Second},
		{"with a record that stays at it", eip + `, "records": [{"name": "a.example.com", "ttl": "10m"}]`, 5 * time.Second},
		{"with a record that follows", eip + `, "records": [{"name": "a.example.com"}, {"name": "b.example.com", "address": "private", "ttl": "2m"}]`, 2 * time.Minute},
		{"none", eip + `, "linger": -1`, noLinger},
		{"its own", eip + `, "linger": "20s"`, 20 * time.Second},
	} {
		c, err := cfgPrepare(t, `"services": [{"name": "www", `+tc.service+`}]`)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if s := c.Services[0]; s.Linger != caddy.Duration(tc.linger) || s.ElasticIP.PrivateIP != privateAuto || s.Mode != modeOne {
			t.Errorf("%s: %+v, %+v", tc.name, s, s.ElasticIP)
		}
	}
}

// A service of an Elastic IP alone needs no DNS, but everything else does.
func TestWhoNeedsDNS(t *testing.T) {
	const eip = `"services": [{"name": "www", "elastic_ip": {"address": "203.0.113.10"}}]`
	if _, err := cfgPrepare(t, `"dns": null, `+eip); err != nil {
		t.Error(err)
	}
	for _, fields := range []string{
		`"dns": null, "register": [{"name": "a.example.com"}], ` + eip,
		`"dns": null, "services": [{"name": "www", "records": [{"name": "a.example.com"}], "elastic_ip": {"address": "203.0.113.10"}}]`,
		`"dns": "none", ` + eip,
	} {
		if _, err := cfgPrepare(t, fields); err == nil {
			t.Errorf("accepted: %s", fields)
		}
	}
}
