package dnsfailover

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

const exampleSecret = "an-example-and-thus-no-secret"

var exampleBodies = map[string]engine.Body{"www": {
	Name: "lb2", Instance: "i-0b2", Active: true, Epoch: 7, Writes: 1, Healthy: true, Checked: 412 * time.Millisecond, Able: true,
	Hears: []string{"lb1"}, Hash: "5f0c3a91", Addrs: "192.0.2.7",
}}

// protocolExample is what PROTOCOL.md shows: the four messages as they are sent, and what the second one's MAC is of.
func protocolExample(t *testing.T) (messages [4]string, signed string) {
	t.Helper()
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```([a-z]+)\n(.*?)\n```\n").FindAllSubmatch(page, -1)
	n := 0
	for _, b := range blocks {
		switch string(b[1]) {
		case "http":
			head, body, _ := strings.Cut(string(b[2]), "\n\n")
			messages[n] = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n" + body
			n++
		case "text":
			signed = string(b[2])
		}
	}
	if n != len(messages) || signed == "" {
		t.Fatalf("PROTOCOL.md shows %d messages, and %q as what is signed", n, signed)
	}
	return messages, signed
}

// nonces are the random bytes of some messages of the example.
func nonces(t *testing.T, messages ...string) io.Reader {
	t.Helper()
	var all []byte
	for _, m := range messages {
		text := regexp.MustCompile(fieldNonce + ": ([0-9a-f]+)").FindStringSubmatch(m)
		nonce, err := hex.DecodeString(text[1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, nonce...)
	}
	return bytes.NewReader(all)
}

// The messages of PROTOCOL.md are what a node sends and understands, to the byte.
func TestProtocolClient(t *testing.T) {
	messages, _ := protocolExample(t)
	address := fakePeer(t, func(c net.Conn) {
		for i := 0; i < len(messages); i += 2 {
			got := make([]byte, len(messages[i]))
			n, err := io.ReadFull(c, got)
			if err == io.EOF {
				return
			}
			if diff := cmp.Diff(messages[i], string(got[:n])); diff != "" {
				t.Errorf("message %d: %s", i, diff)
				return
			}
			io.WriteString(c, messages[i+1])
		}
	})
	c := clientOf(t, "lb2.internal:8404", selfOf(t, "lb1", exampleSecret), PeerClientOptions{})
	c.dialer.lookup = func(context.Context, string, string) ([]netip.Addr, error) {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	_, c.port, _ = net.SplitHostPort(address)
	c.random = nonces(t, messages[0])
	if diff := cmp.Diff(PeerAnswer{"lb2", "i-0b2", exampleBodies}, mustAsk(t, c)); diff != "" {
		t.Error(diff)
	}
	c.Close()
	c.random = nonces(t, messages[0], messages[2])
	if err := c.Offer(t.Context(), "www", engine.Offer{Epoch: 7, Why: engine.Why{Code: engine.Stopping}}); err != nil {
		t.Error(err)
	}
}

func TestProtocolServer(t *testing.T) {
	messages, _ := protocolExample(t)
	self := selfOf(t, "lb2", exampleSecret)
	self.Instance = "i-0b2"
	lab := newPeerLabOf(t, self, PeerServerOptions{}, func(s *PeerServer) { s.random = nonces(t, messages[1], messages[3]) })
	lab.mu.Lock()
	lab.bodies = exampleBodies
	lab.mu.Unlock()
	l := dialRaw(t, lab.address)
	for i := 0; i < len(messages); i += 2 {
		io.WriteString(l, messages[i])
		got := make([]byte, len(messages[i+1]))
		n, err := io.ReadFull(l.r, got)
		if diff := cmp.Diff(messages[i+1], string(got[:n])); diff != "" || l.r.Buffered() != 0 {
			t.Fatalf("message %d: %s, error %v, and %d bytes more", i+1, diff, err, l.r.Buffered())
		}
	}
	want := []engine.Offer{{From: "lb1", Epoch: 7, Why: engine.Why{Code: engine.Stopping}}}
	if diff := cmp.Diff(want, lab.taken()); diff != "" {
		t.Error(diff)
	}
}

func TestProtocolMAC(t *testing.T) {
	messages, signed := protocolExample(t)
	h := hmac.New(sha256.New, []byte(exampleSecret))
	io.WriteString(h, signed)
	if want := fieldMAC + ": " + hex.EncodeToString(h.Sum(nil)); !strings.Contains(messages[1], want) {
		t.Errorf("the answer has not %s, but is %s", want, messages[1])
	}
}

// The tables of PROTOCOL.md have every field, every reason and every status.
func TestProtocolTables(t *testing.T) {
	page, err := os.ReadFile("PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, of := range []reflect.Type{reflect.TypeFor[wireAnswer](), reflect.TypeFor[wireBody](), reflect.TypeFor[wireOffer]()} {
		for i := range of.NumField() {
			if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); !bytes.Contains(page, []byte("`"+name+"`")) {
				t.Errorf("PROTOCOL.md does not know the field %s", name)
			}
		}
	}
	for _, word := range offerReasons {
		if !bytes.Contains(page, []byte("`"+word+"`")) {
			t.Errorf("PROTOCOL.md does not know the reason %s", word)
		}
	}
	rows := strings.Split(string(page), "\n")
	for r := range rejections {
		status := "–"
		if s := rejectionTexts[r].status; s != 0 {
			status = strconv.Itoa(s)
		}
		if !slices.ContainsFunc(rows, func(row string) bool {
			return strings.HasPrefix(row, "| `"+r.String()+"` | "+status+" |")
		}) {
			t.Errorf("PROTOCOL.md does not say that %v has status %s", r, status)
		}
	}
}
