package ec2upstreams

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// Limits of a weight, from the configuration or a tag. A weight of 0 means no new requests.
const (
	maxWeight     = 1000
	defaultWeight = 100
)

// target is what an instance offers to a pool.
type target struct {
	dial     string // host:port; "" if the instance can't be used
	weight   int
	draining bool
	reason   string // why it can't be used, or a value that was not taken; "" if all is well
}

// resolve reads an instance's address, port, weight and drain mark. Tags are written by people: one that can't be
// read costs this instance its place, never the pool.
func resolve(in *fleet.Instance, s *poolSettings) target {
	host, reason := addressOf(in, s)
	if reason != "" {
		return target{reason: reason}
	}
	port, reason := portOf(in, s)
	if reason != "" {
		return target{reason: reason}
	}
	t := target{dial: net.JoinHostPort(host, strconv.Itoa(port)), weight: s.DefaultWeight}
	if s.DrainTag != "" {
		if v, ok := in.Tags[s.DrainTag]; ok && (s.DrainValue == "" || v == s.DrainValue) {
			t.draining = true
		}
	}
	if s.WeightTag != "" {
		if v, ok := in.Tags[s.WeightTag]; ok {
			w, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil || w < 0 || w > maxWeight {
				t.reason = fmt.Sprintf("tag %s is %s, not a weight from 0 to %d; using %d", s.WeightTag, quote(v), maxWeight, s.DefaultWeight)
			} else {
				t.weight = w
			}
		}
	}
	return t
}

func addressOf(in *fleet.Instance, s *poolSettings) (host, reason string) {
	var ip netip.Addr
	switch s.Address {
	case addressPublic:
		ip = in.PublicIPv4
	case addressIPv6:
		ip = in.IPv6
	case addressTag:
		v, ok := in.Tags[s.AddressTag]
		if !ok {
			return "", fmt.Sprintf("no tag %s for the address", s.AddressTag)
		}
		return hostFromTag(s.AddressTag, v)
	default:
		ip = in.PrivateIPv4
	}
	if !ip.IsValid() {
		return "", fmt.Sprintf("no %s address", s.Address)
	}
	return ip.String(), ""
}

// hostFromTag takes an IP address or a host name. Anything else is refused, so that no tag can name a socket
// path, a port range or a placeholder.
func hostFromTag(tag, v string) (host, reason string) {
	v = strings.TrimSpace(v)
	if ip, err := netip.ParseAddr(v); err == nil && ip.Zone() == "" {
		return ip.String(), ""
	}
	ok := v != "" && len(v) <= 253 && v[0] != '-' && v[0] != '.'
	for _, c := range v {
		ok = ok && (c == '-' || c == '.' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z')
	}
	if !ok {
		return "", fmt.Sprintf("tag %s is %s, neither an IP address nor a host name", tag, quote(v))
	}
	return v, ""
}

func portOf(in *fleet.Instance, s *poolSettings) (port int, reason string) {
	if s.PortTag == "" {
		return s.Port, ""
	}
	v, ok := in.Tags[s.PortTag]
	if !ok {
		if s.Port == 0 {
			return 0, fmt.Sprintf("no tag %s for the port, and no default", s.PortTag)
		}
		return s.Port, ""
	}
	port, err := strconv.Atoi(strings.TrimSpace(v))
	if err != nil || port < 1 || port > 65535 {
		return 0, fmt.Sprintf("tag %s is %s, not a port from 1 to 65535", s.PortTag, quote(v))
	}
	return port, ""
}

// quote shows a tag's value without letting it break or flood a line.
func quote(v string) string {
	const most = 64
	if len(v) > most {
		v = v[:most] + "…"
	}
	return strconv.QuoteToASCII(v)
}
