package dnsfailover

import (
	"bufio"
	"bytes"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// Every field of a body arrives, those that the engine may get one day included: alone, so that none is taken for another, and
// all together.
func TestAnswerRoundTrip(t *testing.T) {
	services := map[string]engine.Body{"größe": {}}
	var full engine.Body
	fields := reflect.TypeFor[engine.Body]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		if name == "Name" || name == "Instance" {
			continue // they are those of the node
		}
		var alone engine.Body
		for _, b := range []*engine.Body{&alone, &full} {
			switch v := reflect.ValueOf(b).Elem().Field(i).Addr().Interface().(type) {
			case *bool:
				*v = true
			case *uint64:
				*v = 1<<64 - 1 - uint64(i) // what JavaScript's numbers would round
			case *time.Duration:
				*v = time.Duration(1<<63 - 1 - i)
			case *string:
				*v = "a <text> of " + name
			case *[]string:
				*v = []string{name, "lb-c"}
			default:
				t.Fatalf("the test can't fill %s, a %T", name, v)
			}
		}
		services["only "+name] = alone
	}
	services["all"] = full
	for name, b := range services {
		b.Name, b.Instance = "lb-b", "i-1"
		services[name] = b
	}
	text, err := encodeAnswer("i-1", services)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeAnswer("lb-b", text)
	if diff := cmp.Diff(PeerAnswer{"lb-b", "i-1", services}, got); err != nil || diff != "" {
		t.Fatal(err, diff)
	}
}

func TestOfferRoundTrip(t *testing.T) {
	for code := engine.NoReason; code <= engine.Preferred; code++ {
		o := engine.Offer{From: "lb-a", Epoch: 1<<64 - 1, Why: engine.Why{Code: code, Node: "lb-b"}}
		text, err := encodeOffer("www", o)
		if err != nil {
			t.Fatal(err)
		}
		if offerReasons[code] == "" {
			o.Why.Code = engine.NoReason
		}
		service, got, err := decodeOffer("lb-a", text)
		if err != nil || service != "www" || got != o {
			t.Errorf("got %q %+v, error %v, want %+v", service, got, err, o)
		}
	}
	for _, why := range []string{`"what is not known"`, `""`} {
		_, o, err := decodeOffer("lb-a", []byte(`{"service":"www","epoch":1,"why":`+why+`}`))
		if err != nil || o.Why != (engine.Why{}) {
			t.Errorf("%s: got %+v, error %v, want no reason", why, o, err)
		}
	}
}

func TestDecodeAnswer(t *testing.T) {
	long := strings.Repeat("x", MaxPeerService+1)
	tests := []struct{ name, text, says string }{
		{"the least", `{"instance":"i-1"}`, ""},
		{"what is not known is ignored", `{"instance":"i-1","new":[1],"services":{"www":{"new":{"a":1},"epoch":3}}}`, ""},
		{"nothing", ``, "not understood"},
		{"truncated", `{"instance":"i-1","services":{"www":{`, "not understood"},
		{"two", `{"instance":"i-1"}{}`, "not understood"},
		{"no instance", `{}`, "instance"},
		{"odd instance", `{"instance":"i\n1"}`, "instance"},
		{"another type", `{"instance":"i-1","services":{"www":{"epoch":"3"}}}`, "not understood"},
		{"negative epoch", `{"instance":"i-1","services":{"www":{"epoch":-3}}}`, "not understood"},
		{"checked in the future", `{"instance":"i-1","services":{"www":{"checked_ns":-1}}}`, "future"},
		{"nameless service", `{"instance":"i-1","services":{"":{}}}`, "service"},
		{"long service", `{"instance":"i-1","services":{"` + long + `":{}}}`, "service"},
		{"odd service", `{"instance":"i-1","services":{"w\u0000w":{}}}`, "service"},
		{"oversized", `{"instance":"i-1"` + strings.Repeat(" ", MaxPeerAnswer) + `}`, "65536"},
		{"deep", strings.Repeat("[", 60000), "not understood"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, err := decodeAnswer("lb-b", []byte(tt.text))
			if tt.says == "" && (err != nil || a.Node != "lb-b" || a.Instance != "i-1") {
				t.Errorf("got %+v, error %v", a, err)
			}
			if tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || a.Services != nil) {
				t.Errorf("got %+v, error %v, want one that says %q", a, err, tt.says)
			}
		})
	}
}

func TestEncodeTooMuch(t *testing.T) {
	if _, err := encodeAnswer("i-1", map[string]engine.Body{"www": {Addrs: strings.Repeat("1", MaxPeerAnswer)}}); err == nil {
		t.Error("an oversized answer was made")
	}
	if _, err := encodeAnswer("i-1", map[string]engine.Body{"w\nw": {}}); err == nil {
		t.Error("an answer about a service of an odd name was made")
	}
	if _, err := encodeOffer("www", engine.Offer{Why: engine.Why{Node: strings.Repeat("n", MaxPeerOffer)}}); err == nil {
		t.Error("an oversized offer was made")
	}
}

// FuzzPeerBodies: what is understood is understood in the same way when it is said again.
func FuzzPeerBodies(f *testing.F) {
	f.Add([]byte(`{"instance":"i-1","services":{"www":{"active":true,"epoch":3,"hears":["lb-a"],"checked_ns":5}}}`))
	f.Add([]byte(goodOffer))
	f.Fuzz(func(t *testing.T, text []byte) {
		if a, err := decodeAnswer("lb-b", text); err == nil {
			again, err := encodeAnswer(a.Instance, a.Services)
			if err != nil {
				if len(text) < MaxPeerAnswer/8 { // what JSON escapes may grow sixfold
					t.Fatal(err)
				}
				return
			}
			b, err := decodeAnswer("lb-b", again)
			for name, body := range a.Services {
				if len(body.Hears) == 0 {
					body.Hears = nil
					a.Services[name] = body
				}
			}
			if diff := cmp.Diff(a, b); err != nil || diff != "" {
				t.Fatal(err, diff)
			}
		}
		if service, o, err := decodeOffer("lb-a", text); err == nil {
			again, err := encodeOffer(service, o)
			if err != nil {
				return
			}
			if s, p, err := decodeOffer("lb-a", again); err != nil || s != service || p != o {
				t.Fatalf("%q %+v became %q %+v, error %v", service, o, s, p, err)
			}
		}
	})
}

// FuzzPeerMessages: no bytes are taken for an authentic message, nor for more than the bounds allow.
func FuzzPeerMessages(f *testing.F) {
	forged := newForger(f, secretB)
	f.Add(forged.ask(nonce1))
	f.Add(forged.offer("lb-b", nonce1, goodOffer))
	f.Add([]byte("HTTP/1.1 200 OK\r\nDnsfailover-Version: 1\r\nDnsfailover-From: lb-b\r\nDnsfailover-Nonce: " + nonce1 +
		"\r\nDnsfailover-Mac: " + strings.Repeat("0", 64) + "\r\nContent-Length: 2\r\n\r\n{}"))
	secrets := secretsOf(f, secretA)
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text))); err == nil {
			for _, k := range []kind{kindAsk, kindOffer} {
				e, macs, err := readRequest(k, r.Header)
				if err != nil {
					continue
				}
				if e.authentic(secrets, macs, nil) || len(macs) > MaxPeerSecrets || len(e.from) > MaxPeerName {
					t.Fatalf("taken: %+v", e)
				}
				if lines := bytes.Count(e.signed(), []byte("\n")); lines != 5 {
					t.Fatalf("%d lines are signed: %q", lines, e.signed())
				}
			}
		}
		raw, err := readRaw(bufio.NewReader(bytes.NewReader(text)))
		if err != nil {
			return
		}
		request := envelope{kind: kindAsk, from: "lb-a", asked: nonce2}
		if e, err := verify(&request, secrets, raw); err == nil || len(raw.body) > MaxPeerAnswer {
			t.Fatalf("taken: %+v", e)
		}
	})
}

// No two envelopes are signed alike.
func TestSigned(t *testing.T) {
	var seen []string
	for _, e := range []envelope{
		{kindAsk, "a", "b", nonce1, nonce2}, {kindAnswer, "a", "b", nonce1, nonce2}, {kindAsk, "b", "a", nonce1, nonce2},
		{kindAsk, "a", "b", nonce2, nonce1}, {kindAsk, "a", "", nonce1, nonce2}, {kindAsk, "a", "b", nonce1, ""},
		{kindAsk, "ab", "", nonce1, nonce2}, {kindOffer, "a", "b", nonce1, nonce2}, {kindTaken, "a", "b", nonce1, nonce2},
	} {
		text := string(e.signed())
		if slices.Contains(seen, text) {
			t.Errorf("%q is signed twice", text)
		}
		seen = append(seen, text)
	}
}
