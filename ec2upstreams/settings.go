package ec2upstreams

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/fleet"
)

// addressKind says which address of an instance is dialled.
type addressKind string

const (
	addressPrivate addressKind = "private"
	addressPublic  addressKind = "public"
	addressIPv6    addressKind = "ipv6"
	addressTag     addressKind = "tag"
)

// pickMode says how a request's upstreams are chosen; a pool keeps the tables that its mode needs.
type pickMode string

const (
	pickAll    pickMode = "all"    // every usable backend
	pickRandom pickMode = "random" // some, weighted random
	pickHash   pickMode = "hash"   // some, by consistent hash
)

// poolSettings is everything that makes a pool what it is, with defaults filled in. Two handlers with equal settings share
// a pool, its checks and its results; it stays over a reload that leaves them as they were. How often to poll is not
// part of it.
type poolSettings struct {
	Query fleet.Query `json:"query"`

	Port    int    `json:"port,omitempty"`     // 0: from the tag alone
	PortTag string `json:"port_tag,omitempty"` // Port is then the default

	Address    addressKind `json:"address"`
	AddressTag string      `json:"address_tag,omitempty"`

	PreferZone bool    `json:"prefer_zone,omitempty"`
	ZoneShare  float64 `json:"zone_share,omitempty"` // share of the own zone that must be healthy, 0 to 1
	OwnZone    string  `json:"own_zone,omitempty"`   // name or id; "" asks the instance metadata service

	DrainTag   string `json:"drain_tag,omitempty"`
	DrainValue string `json:"drain_value,omitempty"` // "": any value

	WeightTag     string        `json:"weight_tag,omitempty"`
	DefaultWeight int           `json:"default_weight,omitempty"`
	SlowStart     time.Duration `json:"slow_start,omitempty"`
	Mode          pickMode      `json:"mode"`

	Check checkSettings `json:"check"`
	// tls is the transport's, for https checks; TLSKey stands for it in the key.
	tls        *tls.Config
	plainPorts []string // that are spoken to without TLS all the same
	TLSKey     string   `json:"tls,omitempty"`
}

// checkSettings says how a backend is checked and what its results mean.
type checkSettings struct {
	TCP             bool                `json:"tcp,omitempty"`
	Scheme          string              `json:"scheme,omitempty"`
	URI             string              `json:"uri,omitempty"`
	Port            int                 `json:"port,omitempty"` // 0: the backend's
	Method          string              `json:"method,omitempty"`
	Headers         map[string][]string `json:"headers,omitempty"`
	RequestBody     string              `json:"request_body,omitempty"`
	Status          string              `json:"status,omitempty"`
	Body            string              `json:"body,omitempty"`
	FollowRedirects bool                `json:"follow_redirects,omitempty"`
	Interval        time.Duration       `json:"interval"`
	Timeout         time.Duration       `json:"timeout"`
	Passes          int                 `json:"passes"`
	Fails           int                 `json:"fails"`
}

// key tells pools apart.
func (s poolSettings) key() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("ec2upstreams: settings of strings and numbers did not marshal: " + err.Error())
	}
	return string(b)
}

// id is the key's short form, for people and metrics.
func (s poolSettings) id() string {
	sum := sha256.Sum256([]byte(s.key()))
	return hex.EncodeToString(sum[:4])
}
