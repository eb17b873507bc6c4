//go:build linux

package integration

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"testing"
	"time"
)

// edgeLab is a lab whose nodes get their certificates from an authority, and keep them in a storage that they share.
type edgeLab struct {
	*lab
	authority *edgeAuthority
	shared    string
}

// edgeConf is what the Caddyfiles of its tests differ in.
type edgeConf struct {
	storage string // a folder; "" is the shared one
	global  string // more lines of the global options
	tls     string // lines of the site about TLS
	byName  bool   // the authority asks at the name itself, not in the DNS
}

func newEdgeLab(t *testing.T, nodes int, valid time.Duration) *edgeLab {
	t.Helper()
	l := newLab(t, nodes)
	e := &edgeLab{lab: l, shared: l.file("shared")}
	e.authority = newEdgeAuthority(t, l.dns.Addr(), l.port, l.file("authority.pem"), valid)
	// What the nodes and the clients trust is what this authority signs.
	l.certs = &certs{roots: e.authority.roots}
	l.must(os.WriteFile(l.file(caFile), e.authority.root, 0o600))
	for _, n := range l.nodes {
		e.set(n, edgeConf{})
	}
	return e
}

// set makes a node's Caddyfile. It has the form of those in examples/: one snippet with the provider of the DNS is imported for the
// record and for certificates alike.
func (e *edgeLab) set(n *node, o edgeConf) {
	e.Helper()
	c := n.standard()
	acme := "import route53\nacme_dns\ntls_resolvers " + e.dns.Addr()
	if o.byName {
		acme = ""
	}
	if o.storage == "" {
		o.storage = e.shared
	}
	n.conf.whole = fmt.Sprintf(`(route53) {
	%[1]s
}
{
	admin %[2]s:%[3]s
	persist_config off
	auto_https disable_redirects
	grace_period 5s
	storage file_system %[4]s
	renew_interval 1s
	log {
		output stderr
		format json
	}
	acme_ca %[5]s
	acme_ca_root %[6]s
	%[7]s
	%[8]s
	dnsfailover {
		%[9]s
		heartbeat {
			listen %[2]s:%[10]s
			secret_file %[11]s
			interval 200ms
		}
		%[12]s
		%[13]s
		import route53
		service www {
			record %[14]s {
				ttl 1s
			}
			%[15]s
		}
	}
}
https://%[14]s:%[16]s {
	bind %[2]s
	%[17]s
	%[18]s
}
`, c.dns, n.addr, adminPort, o.storage, e.authority.url, e.authority.file, acme, o.global, c.identity, beatPort, n.secretFile(), c.peers, c.checks, recordName, c.rest, e.port, o.tls, c.site)
}

// certificate is what a node shows to who asks for the service at it; nil if that is nothing that a client trusts now.
func (e *edgeLab) certificate(n *node) *x509.Certificate {
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{RootCAs: e.authority.roots, ServerName: recordName}}
	conn, err := dialer.Dial("tcp", net.JoinHostPort(n.addr, e.port))
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// same waits until two nodes show the same certificate, which they have not shown before, and returns its number.
func (e *edgeLab) same(before string, nodes ...*node) (serial string) {
	e.Helper()
	e.eventually("all to show one certificate", func() bool {
		serial = ""
		for _, n := range nodes {
			c := e.certificate(n)
			if c == nil || serial != "" && c.SerialNumber.String() != serial {
				return false
			}
			serial = c.SerialNumber.String()
		}
		return serial != before
	})
	return serial
}

// begin runs all nodes at once, which have nothing, and returns when they have the certificate and agree on who has the service.
func (e *edgeLab) begin() (holder, standby *node) {
	e.Helper()
	for _, n := range e.nodes {
		n.spawn()
	}
	e.same("", e.nodes...)
	return e.settled()
}

// settled waits until the nodes agree on who has the service.
func (e *edgeLab) settled() (holder, standby *node) {
	e.Helper()
	holder, standby = e.nodes[0], e.nodes[1]
	e.eventually("all to agree on who has the service", func() bool {
		if e.lease().Holder == standby.name { // it may yet move
			holder, standby = standby, holder
		}
		return e.agree(holder)
	})
	e.hear()
	return holder, standby
}

// challenges are the answers to challenges that are in the zone.
func (e *edgeLab) challenges() []string {
	set, _ := e.cloud.Record(e.zone, "_acme-challenge."+recordName, "TXT")
	return set.Values
}
