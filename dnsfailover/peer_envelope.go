package dnsfailover

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The paths and header fields of the protocol. The fields are in Go's canonical form.
const (
	pathHeartbeat = "/heartbeat"
	pathOffer     = "/offer"

	fieldVersion   = "Dnsfailover-Version"
	fieldFrom      = "Dnsfailover-From"
	fieldTo        = "Dnsfailover-To"
	fieldNonce     = "Dnsfailover-Nonce"
	fieldChallenge = "Dnsfailover-Challenge"
	fieldMAC       = "Dnsfailover-Mac"

	nonceBytes = 16
)

// kind is what a message is. It is part of what is signed, so that none can be taken for another.
type kind string

const (
	kindAsk    kind = "ask"
	kindAnswer kind = "answer"
	kindOffer  kind = "offer"
	kindTaken  kind = "taken"
)

// envelope is all of a message but its body: who says it to whom, in reply to what, and why to believe it.
type envelope struct {
	kind     kind
	from, to string // to is empty as long as the requester knows no name

	// asked is the nonce of the requester, answered that of the responder: in an answer its own, in a request that of the
	// answer before it on the connection, or empty.
	asked, answered string
}

// signed is what comes before the body in what is signed. No field has a line break, so no two envelopes have the same.
func (e *envelope) signed() []byte {
	return fmt.Appendf(nil, "dnsfailover %d %s\n%s\n%s\n%s\n%s\n", PeerVersion, e.kind, e.from, e.to, e.asked, e.answered)
}

// sign is the header field of the MACs of a message under every secret.
func (e *envelope) sign(secrets []PeerSecret, body []byte) string {
	head := e.signed()
	var b strings.Builder
	for i, s := range secrets {
		if i > 0 {
			b.WriteByte(',')
		}
		sum := s.sign(head, body)
		b.WriteString(hex.EncodeToString(sum[:]))
	}
	return b.String()
}

// authentic reports whether one of the MACs is one under one of the secrets.
func (e *envelope) authentic(secrets []PeerSecret, macs []mac, body []byte) bool {
	head := e.signed()
	ok := false
	for _, s := range secrets {
		sum := s.sign(head, body)
		for i := range macs {
			ok = hmac.Equal(sum[:], macs[i][:]) || ok
		}
	}
	return ok
}

// newNonce is 16 random bytes in hexadecimal.
func newNonce(random io.Reader) (string, error) {
	var b [nonceBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("making a nonce: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// field is the value of a header field that may be there once.
func field(h http.Header, name string) (string, error) {
	v := h[name]
	if len(v) > 1 {
		return "", fmt.Errorf("%s is there %d times", name, len(v))
	}
	if len(v) == 0 {
		return "", nil
	}
	return v[0], nil
}

// versionIn is the version of a message, or an error if the header is none of this protocol.
func versionIn(h http.Header) (int, error) {
	text, err := field(h, fieldVersion)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(text, 10, 16)
	if err != nil || v == 0 {
		return 0, fmt.Errorf("%s is no positive number", fieldVersion)
	}
	return int(v), nil
}

// nameIn, nonceIn and macsIn are fields in their only form.
func nameIn(h http.Header, name string, optional bool) (string, error) {
	v, err := field(h, name)
	if err != nil || v == "" && optional {
		return v, err
	}
	if err := checkName(v); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

func nonceIn(h http.Header, name string, optional bool) (string, error) {
	v, err := field(h, name)
	if err != nil || v == "" && optional {
		return v, err
	}
	if len(v) != 2*nonceBytes || strings.Trim(v, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%s is not %d bytes in lower-case hexadecimal", name, nonceBytes)
	}
	return v, nil
}

func macsIn(h http.Header) ([]mac, error) {
	v, err := field(h, fieldMAC)
	if err != nil {
		return nil, err
	}
	const size = 2*sha256.Size + 1 // with a comma
	n := (len(v) + 1) / size
	if n < 1 || n > MaxPeerSecrets || len(v)+1 != n*size {
		return nil, fmt.Errorf("%s has not 1 to %d MACs", fieldMAC, MaxPeerSecrets)
	}
	macs := make([]mac, n)
	for i := range macs {
		text := v[i*size : i*size+size-1]
		if i > 0 && v[i*size-1] != ',' {
			return nil, fmt.Errorf("%s has no comma between two MACs", fieldMAC)
		}
		if _, err := hex.Decode(macs[i][:], []byte(text)); err != nil {
			return nil, fmt.Errorf("%s is not hexadecimal", fieldMAC)
		}
	}
	return macs, nil
}

// readRequest reads the header of a request of this version.
func readRequest(k kind, h http.Header) (e envelope, macs []mac, err error) {
	e.kind = k
	var errs [5]error
	e.from, errs[0] = nameIn(h, fieldFrom, false)
	e.to, errs[1] = nameIn(h, fieldTo, true)
	e.asked, errs[2] = nonceIn(h, fieldNonce, false)
	e.answered, errs[3] = nonceIn(h, fieldChallenge, true)
	macs, errs[4] = macsIn(h)
	return e, macs, errors.Join(errs[:]...)
}

// readAnswer reads the header of an answer of this version to a request.
func readAnswer(request *envelope, h http.Header) (e envelope, macs []mac, err error) {
	e = envelope{kind: kindAnswer, to: request.from, asked: request.asked}
	if request.kind == kindOffer {
		e.kind = kindTaken
	}
	var errs [3]error
	e.from, errs[0] = nameIn(h, fieldFrom, false)
	e.answered, errs[1] = nonceIn(h, fieldNonce, false)
	macs, errs[2] = macsIn(h)
	return e, macs, errors.Join(errs[:]...)
}
