package dnsfailover

import (
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A witness asks for the service as its clients do, at the address of its holder, and so meets the holder's certificate.
// One of an authority that the witness does not know, or of none, shows that somebody answers, but not who. So a witness
// puts a question into the header of its request, which `failover_health` answers in the header of its own answer.
// PROTOCOL.md has the bytes, and what each of them prevents.
const (
	fieldService = "Dnsfailover-Service"

	kindCheck  kind = "check"
	kindHealth kind = "health"
)

// healthQuestion is what a witness asks.
type healthQuestion struct{ service, nonce string }

// newHealthQuestion makes a question about a service.
func newHealthQuestion(random io.Reader, service string) (healthQuestion, error) {
	nonce, err := newNonce(random)
	return healthQuestion{service, nonce}, err
}

func (q *healthQuestion) signed() []byte {
	return fmt.Appendf(nil, "dnsfailover %d %s\n%s\n%s\n", PeerVersion, kindCheck, q.service, q.nonce)
}

// answer is what is signed in the answer of a node, which has a status.
func (q *healthQuestion) answer(node string, status int) []byte {
	return fmt.Appendf(nil, "dnsfailover %d %s\n%s\n%s\n%s\n%d\n", PeerVersion, kindHealth, q.service, q.nonce, node, status)
}

// ask puts the question into the header of a request.
func (q *healthQuestion) ask(secrets []PeerSecret, h http.Header) {
	h.Set(fieldVersion, strconv.Itoa(PeerVersion))
	h.Set(fieldService, url.QueryEscape(q.service))
	h.Set(fieldNonce, q.nonce)
	h.Set(fieldMAC, macsOf(secrets, q.signed()))
}

// healthQuestionIn finds the question in the header of a request. It returns false if there is none that is authentic.
func healthQuestionIn(secrets []PeerSecret, h http.Header) (healthQuestion, bool) {
	if h.Get(fieldMAC) == "" {
		return healthQuestion{}, false // any other client
	}
	var q healthQuestion
	text, err := field(h, fieldService)
	if err == nil {
		q.service, err = url.QueryUnescape(text)
	}
	if err != nil || checkService(q.service) != nil {
		return healthQuestion{}, false
	}
	if q.nonce, err = nonceIn(h, fieldNonce, false); err != nil {
		return healthQuestion{}, false
	}
	return q, authenticIn(secrets, h, q.signed()) == nil
}

// signHealth puts the answer of a node to a question into the header of an answer that has a status.
func signHealth(secrets []PeerSecret, q healthQuestion, node string, status int, h http.Header) {
	h.Set(fieldVersion, strconv.Itoa(PeerVersion))
	h.Set(fieldFrom, node)
	h.Set(fieldMAC, macsOf(secrets, q.answer(node, status)))
}

// verifyHealth returns the name of the node that has answered a question, with a status. It is an error if the header has no
// answer to this question and of this status under one of the secrets.
func verifyHealth(secrets []PeerSecret, q healthQuestion, status int, h http.Header) (node string, err error) {
	if h.Get(fieldMAC) == "" {
		return "", errors.New("the answer is not signed")
	}
	if node, err = nameIn(h, fieldFrom, false); err != nil {
		return "", err
	}
	return node, authenticIn(secrets, h, q.answer(node, status))
}

func macsOf(secrets []PeerSecret, text []byte) string {
	macs := make([]string, len(secrets))
	for i, s := range secrets {
		sum := s.sign(text)
		macs[i] = hex.EncodeToString(sum[:])
	}
	return strings.Join(macs, ",")
}

// authenticIn reports whether a header has a MAC of a text under one of the secrets.
func authenticIn(secrets []PeerSecret, h http.Header, text []byte) error {
	if version, err := versionIn(h); err != nil || version != PeerVersion {
		return errors.Join(fmt.Errorf("it is signed in another version than %d", PeerVersion), err)
	}
	macs, err := macsIn(h)
	if err != nil {
		return err
	}
	for _, s := range secrets {
		sum := s.sign(text)
		if slices.ContainsFunc(macs, func(m mac) bool { return hmac.Equal(sum[:], m[:]) }) {
			return nil
		}
	}
	return errors.New("it is signed with none of this node's secrets, or was an answer to something else")
}
