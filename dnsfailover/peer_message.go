package dnsfailover

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// The bounds of the messages between nodes, in bytes where nothing else is said. PROTOCOL.md says what each prevents.
const (
	// PeerVersion is the version of the protocol.
	PeerVersion = 1

	// MaxPeerAnswer and MaxPeerOffer bound a body, MaxPeerHeader all that comes before it.
	MaxPeerAnswer = 64 << 10
	MaxPeerOffer  = 4 << 10
	MaxPeerHeader = 4 << 10

	// MaxPeerName bounds the name of a node, and MaxPeerService that of a service: a domain name, and a hosted zone.
	MaxPeerName    = 128
	MaxPeerService = 320

	// PeerChallengeTime is how long after an answer an offer may refer to it.
	PeerChallengeTime = 5 * time.Second
)

// PeerSelf is what a node is to its peers.
type PeerSelf struct {
	// Node and Instance are as in [engine.Settings], of at most [MaxPeerName] bytes of visible ASCII.
	Node, Instance string

	// Secrets are 1 to [MaxPeerSecrets]. One in common makes two nodes peers.
	Secrets []PeerSecret
}

// Check says what is wrong with a node's names and secrets.
func (s *PeerSelf) Check() error {
	if err := checkName(s.Node); err != nil {
		return fmt.Errorf("this node: %w", err)
	}
	if err := checkName(s.Instance); err != nil {
		return fmt.Errorf("this node's instance: %w", err)
	}
	return checkSecrets(s.Secrets)
}

// PeerAnswer is what a node says when it is asked.
type PeerAnswer struct {
	// Node and Instance are its name and that of its machine. Another machine that answers under a name that is known
	// already is found by its instance.
	Node, Instance string

	// Services is what it says of each service that it was told, by name. One that is missing was not told to it.
	Services map[string]engine.Body
}

// wireAnswer is the body of an answer. Everything in it may be absent, and what is not known is ignored, so that nodes of
// different releases understand each other.
type wireAnswer struct {
	Instance string              `json:"instance"`
	Services map[string]wireBody `json:"services"`
}

type wireBody struct {
	Active      bool     `json:"active,omitempty"`
	Provisional bool     `json:"provisional,omitempty"`
	Epoch       uint64   `json:"epoch,omitempty"`
	Writes      uint64   `json:"writes,omitempty"`
	Healthy     bool     `json:"healthy,omitempty"`
	CheckedNS   int64    `json:"checked_ns,omitempty"`
	Able        bool     `json:"able,omitempty"`
	Doubtful    bool     `json:"doubtful,omitempty"`
	Leaving     bool     `json:"leaving,omitempty"`
	Paused      bool     `json:"paused,omitempty"`
	Hears       []string `json:"hears,omitempty"`
	Hash        string   `json:"hash,omitempty"`
	Addrs       string   `json:"addrs,omitempty"`
	Unseen      bool     `json:"unseen,omitempty"`
	UnseenOf    []string `json:"unseen_of,omitempty"`
	Missing     bool     `json:"missing,omitempty"`
}

// encodeAnswer is the body of an answer. It is an error if it is one that no peer would read.
func encodeAnswer(instance string, services map[string]engine.Body) ([]byte, error) {
	w := wireAnswer{Instance: instance, Services: make(map[string]wireBody, len(services))}
	for name, b := range services {
		if err := checkService(name); err != nil {
			return nil, fmt.Errorf("encoding an answer to a peer: %w", err)
		}
		w.Services[name] = wireBody{
			Active: b.Active, Provisional: b.Provisional, Epoch: b.Epoch, Writes: b.Writes,
			Healthy: b.Healthy, CheckedNS: int64(max(b.Checked, 0)),
			Able: b.Able, Doubtful: b.Doubtful, Leaving: b.Leaving, Paused: b.Paused,
			Hears: b.Hears, Hash: b.Hash, Addrs: b.Addrs, Unseen: b.Unseen, UnseenOf: b.UnseenOf, Missing: b.Missing,
		}
	}
	text, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encoding an answer to a peer: %w", err)
	}
	if len(text) > MaxPeerAnswer {
		return nil, fmt.Errorf("encoding an answer to a peer: %d bytes for %d services, %d are the most: use fewer services",
			len(text), len(services), MaxPeerAnswer)
	}
	return text, nil
}

// decodeAnswer reads the body of a node's answer.
func decodeAnswer(node string, text []byte) (PeerAnswer, error) {
	if len(text) > MaxPeerAnswer {
		return PeerAnswer{}, fmt.Errorf("the answer has more than %d bytes", MaxPeerAnswer)
	}
	var w wireAnswer
	if err := json.Unmarshal(text, &w); err != nil {
		return PeerAnswer{}, fmt.Errorf("the answer is not understood: %w", err)
	}
	if err := checkName(w.Instance); err != nil {
		return PeerAnswer{}, fmt.Errorf("the answer's instance: %w", err)
	}
	a := PeerAnswer{Node: node, Instance: w.Instance, Services: make(map[string]engine.Body, len(w.Services))}
	for name, b := range w.Services {
		if err := checkService(name); err != nil {
			return PeerAnswer{}, fmt.Errorf("the answer: %w", err)
		}
		if b.CheckedNS < 0 {
			return PeerAnswer{}, fmt.Errorf("the answer: service %q was checked in the future", name)
		}
		a.Services[name] = engine.Body{
			Name: node, Instance: w.Instance,
			Active: b.Active, Provisional: b.Provisional, Epoch: b.Epoch, Writes: b.Writes,
			Healthy: b.Healthy, Checked: time.Duration(b.CheckedNS),
			Able: b.Able, Doubtful: b.Doubtful, Leaving: b.Leaving, Paused: b.Paused,
			Hears: b.Hears, Hash: b.Hash, Addrs: b.Addrs, Unseen: b.Unseen, UnseenOf: b.UnseenOf, Missing: b.Missing,
		}
	}
	return a, nil
}

// wireOffer is the body of an offer.
type wireOffer struct {
	Service string `json:"service"`
	Epoch   uint64 `json:"epoch"`
	Why     string `json:"why,omitempty"`
	Node    string `json:"node,omitempty"`
}

// offerReasons are the words for why a holder offers. The numbers of the engine's reasons differ from release to release.
var offerReasons = map[engine.WhyCode]string{
	engine.CheckFails:      "check_fails",
	engine.PublicPathFails: "public_path_fails",
	engine.Stopping:        "stopping",
	engine.Preferred:       "preferred",
	engine.OperatorSays:    "operator",
	engine.IsDenied:        "denied",
}

func encodeOffer(service string, o engine.Offer) ([]byte, error) {
	if err := checkService(service); err != nil {
		return nil, fmt.Errorf("encoding an offer to a peer: %w", err)
	}
	text, err := json.Marshal(wireOffer{service, o.Epoch, offerReasons[o.Why.Code], o.Why.Node})
	if err != nil {
		return nil, fmt.Errorf("encoding an offer to a peer: %w", err)
	}
	if len(text) > MaxPeerOffer {
		return nil, fmt.Errorf("encoding an offer to a peer: it has %d bytes, %d are the most", len(text), MaxPeerOffer)
	}
	return text, nil
}

// decodeOffer reads the body of a node's offer. A reason that is not known is none: it is for people.
func decodeOffer(from string, text []byte) (service string, o engine.Offer, err error) {
	var w wireOffer
	if err := json.Unmarshal(text, &w); err != nil {
		return "", engine.Offer{}, fmt.Errorf("the offer is not understood: %w", err)
	}
	if err := checkService(w.Service); err != nil {
		return "", engine.Offer{}, fmt.Errorf("the offer: %w", err)
	}
	o = engine.Offer{From: from, Epoch: w.Epoch, Why: engine.Why{Node: w.Node}}
	for code, word := range offerReasons {
		if word == w.Why {
			o.Why.Code = code
		}
	}
	return w.Service, o, nil
}

// checkName reports whether a node's or machine's name can be sent: in a header and on a line of its own.
func checkName(name string) error {
	if name == "" || len(name) > MaxPeerName {
		return fmt.Errorf("a name has 1 to %d bytes, not %d", MaxPeerName, len(name))
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' {
			return fmt.Errorf("the name %q has something else than visible ASCII", name)
		}
	}
	return nil
}

func checkService(name string) error {
	if name == "" || len(name) > MaxPeerService || !utf8.ValidString(name) {
		return fmt.Errorf("the name of a service has 1 to %d bytes of UTF-8, not %d", MaxPeerService, len(name))
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return errors.New("the name of a service has a control character")
		}
	}
	return nil
}
