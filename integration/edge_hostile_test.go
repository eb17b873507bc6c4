//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/logtest"
)

// edgeLines is how long the log of hostile traffic is to be at least.
const edgeLines = 100_000

// edgeLine is a line as readers of Apache's logs take it apart, with the fields that these tests add at its end.
var edgeLine = regexp.MustCompile(`^(\S+) - \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-) "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*" node="lb1" bytes_read="(\d+)"\n$`)

// TestHostileTraffic has the server write a long log of requests in which clients choose badly all that they can choose, and has
// programs read it that many people use.
func TestHostileTraffic(t *testing.T) {
	h := newEdgeHostile(t)
	began := time.Now()
	sent := h.traffic()
	t.Logf("%d requests in %s", sent, time.Since(began).Round(time.Millisecond))
	if sent < edgeLines {
		t.Errorf("only %d requests", sent)
	}
	h.eventually("all lines", func() bool { return h.logged() >= sent })
	h.stop()

	text, err := os.Open(h.log)
	h.must(err)
	defer text.Close()
	lines, ipv6 := 0, 0
	statuses, versions := map[string]int{}, map[string]int{}
	var large, uploads, cut int
	r := bufio.NewReader(text)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		h.must(err)
		lines++
		if len(line) > 4096 {
			t.Fatalf("%d bytes: %.200q", len(line), line)
		}
		m := edgeLine.FindStringSubmatch(line)
		if m == nil || strings.ContainsFunc(line[:len(line)-1], func(c rune) bool { return c < ' ' || c > '~' }) {
			t.Fatalf("line %d: %.400q", lines, line)
		}
		statuses[m[3]]++
		versions[m[2][strings.LastIndexByte(m[2], ' ')+1:]]++
		switch {
		case strings.Contains(m[2], " /hundred") && m[4] == fmt.Sprint(edgeHundred):
			large++
		case strings.Contains(m[2], " /hundred"):
			cut++
		case m[5] == fmt.Sprint(edgeHundred):
			uploads++
		}
		if m[1] == "::1" {
			ipv6++
		}
	}
	t.Logf("statuses %v, versions %v, %d of IPv6, %d whole and %d broken large answers", statuses, versions, ipv6, large, cut)
	if lines != sent {
		t.Errorf("%d lines for %d requests", lines, sent)
	}
	if large != edgeLarge || cut != edgeBroken || uploads != 1 {
		t.Errorf("%d large answers, %d broken ones, and %d large bodies, want %d, %d, 1", large, cut, uploads, edgeLarge, edgeBroken)
	}
	for status, want := range map[string]int{"499": edgeAway, "101": edgeSockets, "444": edgeAborts} {
		if statuses[status] != want {
			t.Errorf("status %s in %d lines, want %d", status, statuses[status], want)
		}
	}
	if versions["HTTP/2.0"] < edgeOthers || versions["HTTP/3.0"] < edgeOthers || ipv6 == 0 && edgeHasIPv6() {
		t.Error("a version of HTTP or of IP is missing")
	}
	t.Run("GoAccess", func(t *testing.T) { logtest.GoAccess(t, h.log, "COMBINED", lines) })
	t.Run("AWStats", func(t *testing.T) { logtest.AWStats(t, h.log, 1, lines) })
}
