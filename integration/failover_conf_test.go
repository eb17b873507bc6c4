//go:build linux

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
)

const (
	recordName = "lb.example.com"
	otherName  = "www.example.com"
	insideName = "lb-int.example.internal"
	ownSuffix  = ".node.example.com"
	beatPort   = "8404"
	adminPort  = "2019"
)

// conf is what a test has in a node's Caddyfile. The rest is alike in all of them.
type conf struct {
	// Lines of the block of dnsfailover, without the service. "" leaves it out; so is the block, if all are empty.
	identity  string
	heartbeat string
	peers     string
	checks    string
	dns       string

	service, record string // names
	address         string // the block of elastic_ip; without it, and a record, there is no service
	ttl             string
	rest            string // lines of the service

	global string // lines of the global options
	site   string // lines of the site; "" is no site, and no listener
	whole  string // the whole Caddyfile of a test that has its own, instead of all above
}

// standard is the conf of a node as most tests have it: all is said, so the metadata service is not needed.
func (n *node) standard() conf {
	l := n.lab
	c := conf{
		identity:  fmt.Sprintf("node %s\ninstance %s\naddress {\nprivate %s\npublic %[3]s\nipv6 none\n}", n.name, n.id, n.addr),
		heartbeat: "interval 200ms",
		checks:    fmt.Sprintf("self_check https://%s:%s/healthz {\ndial %s:%[2]s\ntls_ca %[4]s\n}", recordName, l.port, n.addr, l.file(caFile)),
		dns:       "dns route53 {\nhosted_zone_id " + l.zone + "\n}",
		service:   "www",
		record:    recordName,
		ttl:       "1s",
		rest:      fmt.Sprintf("witness https://%s:%s/healthz {\ntls_ca %s\n}", recordName, l.port, l.file(caFile)),
		site:      "respond /healthz ok\nrespond " + n.name,
	}
	if peers := n.peers(); len(peers) > 0 {
		c.peers = "peers " + strings.Join(peers, " ")
	}
	return c
}

// text is the whole Caddyfile.
func (n *node) text() string {
	c, l := n.conf, n.lab
	if c.whole != "" {
		return c.whole
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{\nadmin %s:%s\npersist_config off\nauto_https off\ngrace_period 5s\nstorage file_system %s\n",
		n.addr, adminPort, filepath.Join(n.dir, "storage"))
	// Events that nobody subscribes to show in the debug log alone.
	fmt.Fprintf(&b, "log {\noutput stderr\nformat json\nexclude events http.handlers\n}\n"+
		"log events {\noutput stderr\nformat json\nlevel DEBUG\ninclude events\n}\n%s\n", c.global)
	if c.identity+c.service != "" {
		fmt.Fprintf(&b, "dnsfailover {\n%s\nheartbeat {\nlisten %s:%s\nsecret_file %s\n%s\n}\n%s\n%s\n%s\n",
			c.identity, n.addr, beatPort, n.secretFile(), c.heartbeat, c.peers, c.checks, c.dns)
		targets := c.address
		if c.record != "" {
			targets += fmt.Sprintf("\nrecord %s {\nttl %s\n}", c.record, c.ttl)
		}
		if targets != "" {
			fmt.Fprintf(&b, "service %s {\n%s\n%s\n}\n", c.service, targets, c.rest)
		}
		b.WriteString("}\n")
	}
	b.WriteString("}\n")
	if c.site != "" {
		fmt.Fprintf(&b, "https://*.example.com:%s {\nbind %s\ntls %s %s\n%s\n}\n", l.port, n.addr, l.file(certFile), l.file(keyFile), c.site)
	}
	return b.String()
}
