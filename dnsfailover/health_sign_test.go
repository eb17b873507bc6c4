package dnsfailover

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"testing"
)

// Secrets of these tests, none of which anybody uses.
const (
	healthA = "first-secret-of-a-test"
	healthB = "other-secret-of-a-test"
)

func healthSecrets(t testing.TB, texts ...string) (secrets []PeerSecret) {
	t.Helper()
	for _, text := range texts {
		s, err := NewPeerSecret([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, s)
	}
	return secrets
}

const healthNonce = "00112233445566778899aabbccddeeff"

// The bytes are those of the comment in health_sign.go, for whoever implements them anew.
func TestHealthBytes(t *testing.T) {
	by := func(text string) string {
		h := hmac.New(sha256.New, []byte(healthA))
		h.Write([]byte(text))
		return hex.EncodeToString(h.Sum(nil))
	}
	q := healthQuestion{"bücher.example.com", healthNonce}
	secrets := healthSecrets(t, healthA)
	h := http.Header{}
	q.ask(secrets, h)
	if h.Get("Dnsfailover-Version") != "1" || h.Get("Dnsfailover-Service") != "b%C3%BCcher.example.com" || h.Get("Dnsfailover-Nonce") != healthNonce ||
		h.Get("Dnsfailover-Mac") != by("dnsfailover 1 check\nbücher.example.com\n"+healthNonce+"\n") {
		t.Errorf("question %v", h)
	}
	h = http.Header{}
	signHealth(secrets, q, "lb1", 200, h)
	if h.Get("Dnsfailover-Version") != "1" || h.Get("Dnsfailover-From") != "lb1" ||
		h.Get("Dnsfailover-Mac") != by("dnsfailover 1 health\nbücher.example.com\n"+healthNonce+"\nlb1\n200\n") {
		t.Errorf("answer %v", h)
	}
	if len(h) != 3 {
		t.Errorf("there is more in the answer: %v", h)
	}
}

func TestHealthQuestion(t *testing.T) {
	good := healthQuestion{"www.example.com", healthNonce}
	for _, tc := range []struct {
		name   string
		asker  []PeerSecret
		asked  []PeerSecret
		change func(http.Header)
		want   bool
	}{
		{"as it is", healthSecrets(t, healthA), healthSecrets(t, healthA), nil, true},
		{"in rotation, the old one", healthSecrets(t, healthA), healthSecrets(t, healthB, healthA), nil, true},
		{"in rotation, the new one", healthSecrets(t, healthA, healthB), healthSecrets(t, healthB), nil, true},
		{"another secret", healthSecrets(t, healthA), healthSecrets(t, healthB), nil, false},
		{"no secret here", healthSecrets(t, healthA), nil, nil, false},
		{"none", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { clear(h) }, false},
		{"not signed", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Del(fieldMAC) }, false},
		{"another service", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Set(fieldService, "api.example.com") }, false},
		{"another nonce", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Set(fieldNonce, strings.Repeat("0", 32)) }, false},
		{"two nonces", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Add(fieldNonce, healthNonce) }, false},
		{"no nonce", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Del(fieldNonce) }, false},
		{"a line feed in the service", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Set(fieldService, "www%0A") }, false},
		{"bad service", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Set(fieldService, "%zz") }, false},
		{"another version", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) { h.Set(fieldVersion, "2") }, false},
		{"too many MACs", healthSecrets(t, healthA), healthSecrets(t, healthA), func(h http.Header) {
			h.Set(fieldMAC, strings.Repeat(h.Get(fieldMAC)+",", MaxPeerSecrets)+h.Get(fieldMAC))
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := http.Header{}
			good.ask(tc.asker, h)
			if tc.change != nil {
				tc.change(h)
			}
			q, ok := healthQuestionIn(tc.asked, h)
			if ok != tc.want || ok && q != good {
				t.Errorf("%+v, %v", q, ok)
			}
		})
	}
}

// No answer can be made, changed, or used again, without a secret.
func TestHealthAnswer(t *testing.T) {
	q := healthQuestion{"www.example.com", healthNonce}
	secrets := healthSecrets(t, healthA)
	good := http.Header{}
	signHealth(secrets, q, "lb1", 200, good)
	if node, err := verifyHealth(healthSecrets(t, healthB, healthA), q, 200, good); err != nil || node != "lb1" {
		t.Fatalf("node %q, %v", node, err)
	}
	question := http.Header{}
	q.ask(secrets, question)
	for name, tc := range map[string]struct {
		q      healthQuestion
		status int
		change func(http.Header)
	}{
		"for another nonce":   {healthQuestion{q.service, strings.Repeat("0", 32)}, 200, nil},
		"for another service": {healthQuestion{"api.example.com", q.nonce}, 200, nil},
		"of another status":   {q, 503, nil},
		"by another node":     {q, 200, func(h http.Header) { h.Set(fieldFrom, "lb2") }},
		"by two nodes":        {q, 200, func(h http.Header) { h.Add(fieldFrom, "lb2") }},
		"by nobody":           {q, 200, func(h http.Header) { h.Del(fieldFrom) }},
		"not signed":          {q, 200, func(h http.Header) { h.Del(fieldMAC) }},
		"under another secret": {q, 200, func(h http.Header) {
			signHealth(healthSecrets(t, healthB), q, "lb1", 200, h)
		}},
		"the question itself": {q, 200, func(h http.Header) { h.Set(fieldMAC, question.Get(fieldMAC)) }},
		"in another version":  {q, 200, func(h http.Header) { h.Set(fieldVersion, "2") }},
		"without a version":   {q, 200, func(h http.Header) { h.Del(fieldVersion) }},
		"garbage":             {q, 200, func(h http.Header) { h.Set(fieldMAC, "x") }},
		"lines in the node":   {q, 200, func(h http.Header) { h.Set(fieldFrom, "lb1\n200") }},
	} {
		t.Run(name, func(t *testing.T) {
			h := maps.Clone(good)
			for k, v := range h {
				h[k] = append([]string(nil), v...)
			}
			if tc.change != nil {
				tc.change(h)
			}
			if node, err := verifyHealth(secrets, tc.q, tc.status, h); err == nil {
				t.Errorf("it is believed to be of %s", node)
			}
		})
	}
	if _, err := verifyHealth(nil, q, 200, good); err == nil {
		t.Error("it is believed without a secret")
	}
}

// An answer to a heartbeat is no answer to a witness: the nodes sign both under the same secrets.
func TestHealthIsNoHeartbeat(t *testing.T) {
	secrets := healthSecrets(t, healthA)
	q := healthQuestion{"www", healthNonce}
	for _, k := range []kind{kindAsk, kindAnswer, kindOffer, kindTaken} {
		e := envelope{kind: k, from: q.service, to: healthNonce, asked: "lb1", answered: "200"}
		h := http.Header{fieldVersion: {"1"}, fieldFrom: {"lb1"}, fieldMAC: {e.sign(secrets, nil)}}
		if _, err := verifyHealth(secrets, q, 200, h); err == nil {
			t.Errorf("a message of the kind %s is taken for an answer", k)
		}
	}
}
