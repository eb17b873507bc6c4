//go:build linux

package knottest

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/libdns/libdns"
	"go.uber.org/goleak"
)

// TestServer updates the zone, kills the server, and finds what it was given when it runs again.
func TestServer(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("", func(t *testing.T) { // the server ends with it
		s := New(t)
		record := []libdns.Record{libdns.Address{Name: "lb", TTL: time.Minute, IP: netip.MustParseAddr("192.0.2.1")}}
		for _, tc := range []struct {
			key, secret string
			ok          bool
		}{
			{Reader, Secret(Reader), false}, {Writer, Secret(Reader), false}, {Writer, Secret(Writer), true}, {Writer, Secret(Writer), true},
		} {
			if _, err := s.Provider(tc.key, tc.secret).SetRecords(t.Context(), Zone, record); (err == nil) != tc.ok {
				t.Errorf("the key %s with the secret %s: %v", tc.key, tc.secret, err)
			}
		}
		s.Kill()
		if n := s.Updates(); n != 2 {
			t.Errorf("%d updates, want 2: the first one, and one that changes nothing", n)
		}
		if c, err := net.Dial("tcp", s.Addr()); err == nil {
			c.Close()
			t.Error("a killed server answers")
		}
		s.Start()
		all, err := s.Provider(Reader, Secret(Reader)).GetRecords(t.Context(), Zone)
		found := false
		for _, r := range all {
			found = found || r == record[0]
		}
		if err != nil || !found {
			t.Errorf("what was written is not there: %v, %v", all, err)
		}
		s.Stop()
	})
}
