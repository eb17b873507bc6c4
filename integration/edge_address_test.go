//go:build linux

package integration

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Where requests come from in the tests of addresses: a client, a proxy that the server trusts, and one that it does not know.
const (
	edgeClient   = "127.0.0.7"
	edgeProxy    = "127.0.0.8"
	edgeStranger = "127.0.0.9"
)

// edgeSeen is what a backend and the log get to know of a client.
type edgeSeen struct {
	For, Proto, Host string // X-Forwarded-…
	Line             string // the address at the beginning of the log's line
}

// edgeAddresses is the server of these tests: sites that differ in whom they believe, before one backend.
type edgeAddresses struct {
	*edgeServer
	direct, secure, behind, loose, exact, wrapped, front, fronted string // ports

	mu   sync.Mutex
	seen map[string]edgeSeen // by case
}

func newEdgeAddresses(t *testing.T) *edgeAddresses {
	t.Helper()
	a := &edgeAddresses{edgeServer: newEdgeServer(t), seen: map[string]edgeSeen{}}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		all := func(name string) string { return strings.Join(r.Header.Values(name), " | ") }
		a.seen[r.Header.Get("X-Case")] = edgeSeen{For: all("X-Forwarded-For"), Proto: all("X-Forwarded-Proto"), Host: all("X-Forwarded-Host")}
	}))
	t.Cleanup(backend.Close)
	certs, err := theCerts()
	a.must(err)
	a.must(certs.write(a.dir))
	p := a.ports(8)
	a.direct, a.secure, a.behind, a.exact, a.wrapped, a.front, a.fronted, a.loose = p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
	a.run(fmt.Sprintf(`
	log {
		output stderr
		exclude http.log.access
	}
	servers :%[1]s {
		trusted_proxies static %[2]s/32 ::1/128
		trusted_proxies_strict
	}
	servers :%[3]s {
		trusted_proxies static %[2]s/32 ::1/128
		trusted_proxies_strict
	}
	servers :%[13]s {
		trusted_proxies static %[2]s/32
	}
	servers :%[4]s {
		listener_wrappers {
			proxy_protocol {
				timeout 5s
				allow %[2]s/32
			}
		}
	}
}
(site) {
	log {
		output file %[5]s {
			mode 0600
			roll_disabled
		}
		format combined {
			fields case
		}
	}
	log_append case {header.X-Case}
}
http://:%[6]s, http://:%[1]s, http://:%[4]s, http://:%[13]s {
	import site
	reverse_proxy %[7]s
}
https://:%[8]s {
	tls %[9]s %[10]s
	import site
	reverse_proxy %[7]s
}
http://:%[3]s {
	import site
	reverse_proxy %[7]s {
		header_up X-Forwarded-For {client_ip}
		header_up X-Forwarded-Proto {scheme}
		header_up X-Forwarded-Host {host}
	}
}
# The other proxies, which are Caddy as well: one speaks HTTP to us, and one the PROXY protocol.
http://:%[11]s {
	reverse_proxy 127.0.0.1:%[1]s {
		transport http {
			local_address %[2]s
		}
	}
}
http://:%[12]s {
	reverse_proxy 127.0.0.1:%[4]s {
		transport http {
			local_address %[2]s
			proxy_protocol v2
		}
	}
}
`, a.behind, edgeProxy, a.exact, a.wrapped, a.file("access.log"), a.direct, backend.Listener.Addr(), a.secure, a.file(certFile), a.file(keyFile), a.front, a.fronted, a.loose),
		edgeAt(p)...)
	return a
}

// ask sends a request from an address, after some bytes of its own, and returns what came of it.
func (a *edgeAddresses) ask(name, from, to, before string, headers ...string) edgeSeen {
	a.Helper()
	conn, err := (&net.Dialer{LocalAddr: edgeLocal(from)}).Dial("tcp", to)
	a.must(err)
	defer conn.Close()
	_, port, _ := net.SplitHostPort(to)
	if port == a.secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: recordName})
	}
	fmt.Fprintf(conn, "%sGET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nX-Case: %s\r\n%s\r\n", before, otherName, name, strings.Join(append(headers, ""), "\r\n"))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	a.must(err)
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		a.Fatalf("status %s", resp.Status)
	}
	var line string
	a.eventually("the line", func() bool {
		text, err := os.ReadFile(a.file("access.log"))
		for l := range strings.Lines(string(text)) {
			if strings.HasSuffix(l, ` case="`+name+`"`+"\n") {
				line = l
			}
		}
		return err == nil && line != ""
	})
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := a.seen[name]
	seen.Line, _, _ = strings.Cut(line, " ")
	return seen
}

// edgeLocal is the address that a connection is to come from. Of IPv6 there is only one.
func edgeLocal(ip string) net.Addr {
	if ip == "::1" {
		return nil
	}
	return &net.TCPAddr{IP: net.ParseIP(ip)}
}

// TestClientAddresses is about who a backend and the log believe the client to be.
func TestClientAddresses(t *testing.T) {
	t.Parallel()
	a := newEdgeAddresses(t)
	at := func(port string) string { return "127.0.0.1:" + port }
	at6 := func(port string) string { return "[::1]:" + port }
	const spoofed, real6 = "X-Forwarded-For: 192.0.2.66", "2001:db8::7"
	spoof := []string{spoofed, "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Real-Ip: 192.0.2.66", "Forwarded: for=192.0.2.66"}
	tests := []struct {
		name, from, to, before string
		headers                []string
		want                   edgeSeen
	}{
		{"direct", edgeClient, at(a.direct), "", nil, edgeSeen{edgeClient, "http", otherName, edgeClient}},
		{"direct spoofs", edgeClient, at(a.direct), "", spoof, edgeSeen{edgeClient, "http", otherName, edgeClient}},
		{"direct spoofs twice", edgeClient, at(a.direct), "", []string{spoofed, spoofed + ", 127.0.0.1"}, edgeSeen{edgeClient, "http", otherName, edgeClient}},
		{"direct by IPv6", "::1", at6(a.direct), "", nil, edgeSeen{"::1", "http", otherName, "::1"}},
		{"direct by IPv6 spoofs", "::1", at6(a.direct), "", spoof, edgeSeen{"::1", "http", otherName, "::1"}},
		{"TLS spoofs", edgeClient, at(a.secure), "", []string{spoofed, "X-Forwarded-Proto: http"}, edgeSeen{edgeClient, "https", otherName, edgeClient}},

		{"behind, no header", edgeProxy, at(a.behind), "", nil, edgeSeen{edgeProxy, "http", otherName, edgeProxy}},
		{"behind", edgeProxy, at(a.behind), "", []string{"X-Forwarded-For: " + edgeClient, "X-Forwarded-Proto: https"},
			edgeSeen{edgeClient + ", " + edgeProxy, "https", otherName, edgeClient}},
		{"behind, spoofs", edgeProxy, at(a.behind), "", []string{"X-Forwarded-For: 192.0.2.66, " + edgeClient},
			edgeSeen{"192.0.2.66, " + edgeClient + ", " + edgeProxy, "http", otherName, edgeClient}},
		{"behind, spoofs the proxy", edgeProxy, at(a.behind), "", []string{"X-Forwarded-For: 192.0.2.66", "X-Forwarded-For: " + edgeClient + ", " + edgeProxy},
			edgeSeen{"192.0.2.66, " + edgeClient + ", " + edgeProxy + ", " + edgeProxy, "http", otherName, edgeClient}},
		{"behind, IPv6", edgeProxy, at(a.behind), "", []string{"X-Forwarded-For: 192.0.2.66, " + real6}, edgeSeen{"192.0.2.66, " + real6 + ", " + edgeProxy, "http", otherName, real6}},
		{"behind, IPv6 with port", edgeProxy, at(a.behind), "", []string{"X-Forwarded-For: [" + real6 + "]:4711"}, edgeSeen{"[" + real6 + "]:4711, " + edgeProxy, "http", otherName, real6}},
		{"behind, over IPv6", "::1", at6(a.behind), "", []string{"X-Forwarded-For: " + real6}, edgeSeen{real6 + ", ::1", "http", otherName, real6}},
		{"behind, garbage", edgeProxy, at(a.behind), "", []string{`X-Forwarded-For: "x\, ` + "\xff"}, edgeSeen{`"x\, ` + "\xff, " + edgeProxy, "http", otherName, edgeProxy}},
		{"behind, but a stranger", edgeStranger, at(a.behind), "", spoof, edgeSeen{edgeStranger, "http", otherName, edgeStranger}},
		{"behind, not strict", edgeProxy, at(a.loose), "", []string{"X-Forwarded-For: 192.0.2.66, " + edgeClient}, // as the manual warns
			edgeSeen{"192.0.2.66, " + edgeClient + ", " + edgeProxy, "http", otherName, "192.0.2.66"}},
		{"behind Caddy", edgeClient, at(a.front), "", spoof, edgeSeen{edgeClient + ", " + edgeProxy, "http", otherName, edgeClient}},

		{"exact", edgeProxy, at(a.exact), "", append(spoof[1:], "X-Forwarded-For: 192.0.2.66, "+real6), edgeSeen{real6, "http", otherName, real6}},
		{"exact, but a stranger", edgeStranger, at(a.exact), "", spoof, edgeSeen{edgeStranger, "http", otherName, edgeStranger}},

		{"PROXY", edgeProxy, at(a.wrapped), "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\n", spoof, edgeSeen{"192.0.2.7", "http", otherName, "192.0.2.7"}},
		{"PROXY, IPv6", edgeProxy, at(a.wrapped), "PROXY TCP6 " + real6 + " ::1 4711 80\r\n", spoof, edgeSeen{real6, "http", otherName, real6}},
		{"PROXY of its own", edgeProxy, at(a.wrapped), "PROXY UNKNOWN\r\n", nil, edgeSeen{edgeProxy, "http", otherName, edgeProxy}},
		{"PROXY by a stranger", edgeStranger, at(a.wrapped), "PROXY TCP4 192.0.2.66 127.0.0.1 4711 80\r\n", spoof, edgeSeen{edgeStranger, "http", otherName, edgeStranger}},
		{"PROXY not sent, but allowed", edgeProxy, at(a.wrapped), "", spoof, edgeSeen{edgeProxy, "http", otherName, edgeProxy}},
		{"PROXY not sent", edgeClient, at(a.wrapped), "", spoof, edgeSeen{edgeClient, "http", otherName, edgeClient}},
		{"PROXY by Caddy", edgeClient, at(a.fronted), "", spoof, edgeSeen{edgeClient, "http", otherName, edgeClient}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.from == "::1" && !edgeHasIPv6() {
				t.Skip("there is no IPv6 here")
			}
			defer func(whole *testing.T) { a.T = whole }(a.T)
			a.T = t
			if diff := cmp.Diff(tt.want, a.ask(tt.name, tt.from, tt.to, tt.before, tt.headers...)); diff != "" {
				t.Errorf("want (-), got (+): %s", diff)
			}
		})
	}
}

// edgeAt are the addresses of ports of this host.
func edgeAt(ports []string) (addrs []string) {
	for _, port := range ports {
		addrs = append(addrs, "127.0.0.1:"+port)
	}
	return addrs
}

// edgeHasIPv6 reports whether loopback has it.
func edgeHasIPv6() bool {
	ln, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	ln.Close()
	return true
}
