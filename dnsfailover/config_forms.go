package dnsfailover

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// faults are all that is wrong with a configuration.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// of adds an error about an option, if it is one.
func (f *faults) of(option string, err error) {
	if err != nil {
		f.add("%s: %w", option, err)
	}
}

// err is all of it on one line, since in a log line breaks are hard to read.
func (f faults) err() error {
	if len(f) == 0 {
		return nil
	}
	err := f[0]
	for _, e := range f[1:] {
		err = fmt.Errorf("%w; %w", err, e)
	}
	return err
}

// span is what a duration may be.
type span struct{ least, most time.Duration }

func (s span) check(d time.Duration) error {
	if d < s.least || d > s.most {
		return fmt.Errorf("%s is not between %s and %s", d, s.least, s.most)
	}
	return nil
}

func checkCount(n int) error {
	if n < 1 || n > maxCount {
		return fmt.Errorf("%d is not between 1 and %d", n, maxCount)
	}
	return nil
}

// checkTTL holds a TTL to what DNS can say: whole seconds.
func checkTTL(d time.Duration) error {
	if err := (span{minTTL, maxTTL}).check(d); err != nil {
		return err
	}
	if d%time.Second != 0 {
		return fmt.Errorf("%s is not in whole seconds, which is how DNS counts", d)
	}
	return nil
}

// oneOf holds a word to those that are known.
func oneOf(word string, known ...string) error {
	if !slices.Contains(known, word) {
		return fmt.Errorf("%q is none of %s", word, strings.Join(known, ", "))
	}
	return nil
}

// instancePlaceholder is one that has its value only when the node knows itself, long after the configuration was loaded.
var instancePlaceholder = regexp.MustCompile(`\{(node|ec2\.[^{}\\]*)\}`)

const knownPlaceholders = "{ec2.instance_id}, {ec2.region}, {ec2.zone}, {ec2.private_ipv4}, {ec2.public_ipv4} and {ec2.tag.NAME}"

// checkPlaceholders refuses instance placeholders that do not exist, or have no value where they stand: in a field as
// [expand.Strings] names it.
func checkPlaceholders(field, s string) error {
	for _, found := range instancePlaceholder.FindAllStringSubmatch(s, -1) {
		name := found[1]
		switch field {
		case "Config.Node", "Config.Instance", "OwnName.Name":
		default:
			return fmt.Errorf("%s in %q has no value there: {node} is for the names of register alone, {ec2.…} for those, node and instance", found[0], s)
		}
		if name == "node" && field != "OwnName.Name" {
			return fmt.Errorf("{node} in %q is for the names of register alone: here it would stand for what is only found out with this", s)
		}
		if tag, ok := strings.CutPrefix(name, "ec2.tag."); ok && tag != "" {
			continue
		}
		if _, ok := instanceValues[name]; !ok && name != "node" {
			return fmt.Errorf("there is no placeholder %s: of the instance there are %s", found[0], knownPlaceholders)
		}
	}
	return nil
}

// sampleName is a name as it may look once its instance placeholders have values.
func sampleName(s string) string { return instancePlaceholder.ReplaceAllLiteralString(s, "x") }

// secretPlaceholder is all that may stand for a secret in a configuration.
var secretPlaceholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// errLiteralSecret does not repeat what it is about.
var errLiteralSecret = errors.New("it is written into the configuration, which is shown by the admin API and kept on the disk: write {env.NAME} or " +
	"{file./path/of/file} in its place ({$NAME} is replaced before the configuration is read, and is the same as the secret itself)")

// hostForm is that of host names, as they are looked up. An underscore is no letter of a host name, but is found in some.
var hostForm = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$`)

func isHost(s string) bool {
	if ip, err := netip.ParseAddr(s); err == nil {
		return !ip.IsUnspecified() && !ip.IsMulticast()
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	last := labels[len(labels)-1] // all digits: an address with a mistake
	return len(s) <= 253 && hostForm.MatchString(s) && !slices.Contains(labels, "") && strings.Trim(last, "0123456789") != ""
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// checkHostPort holds an address to exactly one TCP host and port.
func checkHostPort(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || !isHost(host) || !isPort(port) {
		return fmt.Errorf("%q is not a host and a port, such as 127.0.0.1:443", s)
	}
	return nil
}

// peerAddress is the address of a peer with its port.
func peerAddress(s string) (string, error) {
	if checkHostPort(s) == nil {
		return s, nil
	}
	host := s
	if inner, ok := strings.CutPrefix(s, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	}
	if !isHost(host) {
		return "", fmt.Errorf("%q is not a host, such as lb2.internal, nor a host and a port, such as lb2.internal:%d", s, defaultPort)
	}
	return net.JoinHostPort(host, strconv.Itoa(defaultPort)), nil
}

// checkListen holds the listener of the heartbeat to an address that only peers reach, unless that is wanted.
func checkListen(s string, allowPublic bool) error {
	a, err := netip.ParseAddrPort(s)
	if err != nil || a.Port() == 0 {
		return fmt.Errorf("%q is not an IP address and a port, such as 10.0.1.4:%d, or 0.0.0.0:%[2]d for all addresses", s, defaultPort)
	}
	if _, public := sourceOf(net.TCPAddrFromAddrPort(a)); public && !allowPublic && !a.Addr().IsUnspecified() {
		return fmt.Errorf("%s is a public address, and heartbeats are not encrypted: take a private one, or add allow_public", s)
	}
	return nil
}

// checkURL holds what is asked to an absolute http or https URL. Its errors show no password.
func checkURL(s string) error {
	u, err := url.Parse(s)
	if strings.Contains(s, "@") && (err != nil || u.User != nil) {
		return errors.New("a URL with user and password shows them to everybody who sees the configuration: leave them out, and let the path answer without")
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Opaque != "" || !isHost(u.Hostname()) || u.Fragment != "" ||
		u.Port() != "" && !isPort(u.Port()) || strings.HasSuffix(u.Host, ":") {
		return fmt.Errorf("%q is not an http or https URL, such as https://www.example.com/healthz", s)
	}
	return nil
}

// shown is a URL for an error: without a password.
func shown(s string) string {
	if strings.Contains(s, "@") {
		return "URL"
	}
	return s
}

// checkCA reports whether there is a certificate to verify with the authorities of a file.
func checkCA(file, url string) error {
	if file != "" && !strings.HasPrefix(strings.ToLower(url), "https:") {
		return errors.New("only an https URL has a certificate to verify: remove tls_ca")
	}
	return nil
}

// checkForeign holds a foreign_check to its three forms.
func checkForeign(s string) error {
	if s == "ping" {
		return nil
	}
	if port, ok := strings.CutPrefix(s, "tcp "); ok {
		if port, ok = strings.CutPrefix(port, ":"); !ok || !isPort(port) {
			return fmt.Errorf("%q names no port, such as tcp :443: the address is the holder's", s)
		}
		return nil
	}
	if err := checkURL(s); err != nil {
		return fmt.Errorf("%w; or write tcp :443, or ping", err)
	}
	return nil
}

// checkNodeAddress holds one of a node's own addresses to its family.
func checkNodeAddress(kind, s string) error {
	if s == "" || s == addressNone {
		return nil
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" || ip.Is4In6() {
		return fmt.Errorf("%q is not an IP address, nor none for a node without one", s)
	}
	switch {
	case kind == addressPublic && !ip.Is4():
		return fmt.Errorf("%s is no IPv4 address: write it behind ipv6", s)
	case kind == "ipv6" && !ip.Is6():
		return fmt.Errorf("%s is no IPv6 address: write it behind public or private", s)
	}
	return nil
}
