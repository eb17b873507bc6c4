package record

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// version is that of the format, and always the first of its pairs.
const version = "v=1"

// maxText is how many octets one string of a TXT can hold (RFC 1035).
const maxText = 255

// maxEpoch leaves room to count on from what somebody has edited.
const maxEpoch = 1 << 62

// The keys of a lease.
const (
	keyEpoch    = "epoch"
	keyHolder   = "holder"
	keyInstance = "instance"
	keyNonce    = "nonce"
	keyMode     = "mode"
	keyHash     = "hash"
	keyAddrs    = "addr"
)

var keys = []string{keyEpoch, keyHolder, keyInstance, keyNonce, keyMode, keyHash, keyAddrs}

// Encode writes a lease as the one value of its TXT set: pairs of key and value in quotation marks, such as
//
//	"v=1 epoch=7 holder=lb1 instance=i-0abc nonce=b1-9 mode=one hash=5f3a addr=203.0.113.7,2001:db8::7"
//
// The epoch, from 1, the holder and the nonce must be there; the others are left out if they are empty. The
// addresses are in the form of [Addrs]. In the other values everything but letters, digits and - _ . ~ $ & + = : @ is a
// percent sign and two hexadecimal digits, so that nothing needs an escape of the zone file's. It is an error if that is
// longer than the 255 octets that one string of a TXT holds.
func Encode(l engine.Lease) (string, error) {
	switch {
	case l.Epoch == 0:
		return "", errors.New("a lease without an epoch")
	case l.Epoch > maxEpoch:
		return "", fmt.Errorf("the epoch %d is beyond %d", l.Epoch, uint64(maxEpoch))
	case l.Holder == "":
		return "", errors.New("a lease without a holder")
	case l.Nonce == "":
		return "", errors.New("a lease without a nonce")
	}
	if err := checkAddrs(l.Addrs); err != nil {
		return "", err
	}
	pairs, longest := []string{version}, ""
	for _, pair := range [][2]string{
		{keyEpoch, strconv.FormatUint(l.Epoch, 10)},
		{keyHolder, url.PathEscape(l.Holder)},
		{keyInstance, url.PathEscape(l.Instance)},
		{keyNonce, url.PathEscape(l.Nonce)},
		{keyMode, url.PathEscape(l.Mode)},
		{keyHash, url.PathEscape(l.Hash)},
		{keyAddrs, l.Addrs},
	} {
		if pair[1] == "" {
			continue
		}
		text := pair[0] + "=" + pair[1]
		pairs = append(pairs, text)
		if len(text) > len(longest) {
			longest = text
		}
	}
	text := strings.Join(pairs, " ")
	if len(text) > maxText {
		key, value, _ := strings.Cut(longest, "=")
		return "", fmt.Errorf("the lease takes %d octets, and a TXT string holds %d: "+
			"the longest part is the %s with %d; shorten it", len(text), maxText, named[key], len(value))
	}
	return `"` + text + `"`, nil
}

// named says in errors what a key stands for.
var named = map[string]string{
	keyEpoch: "epoch", keyHolder: "name of the node", keyInstance: "instance", keyNonce: "nonce", keyMode: "mode", keyHash: "hash", keyAddrs: "list of addresses",
}

// checkAddrs refuses addresses that are not in their canonical form.
func checkAddrs(s string) error {
	if s == "" {
		return nil
	}
	canonical, err := Addrs(strings.Split(s, ",")...)
	if err != nil {
		return err
	}
	if canonical != s {
		return fmt.Errorf("the addresses %q are not in their canonical form, %q", s, canonical)
	}
	return nil
}

// Decode reads a value of a TXT set that [Encode] has written. Pairs with other keys are passed over, so that later
// releases can add some; what would change the meaning of the known ones has another version, and is refused like
// everything else that is not a lease.
func Decode(value string) (engine.Lease, error) {
	text, ok := strings.CutPrefix(value, `"`)
	if ok {
		text, ok = strings.CutSuffix(text, `"`)
	}
	if !ok || strings.ContainsAny(text, `"\`) {
		return engine.Lease{}, errors.New("it is not one plain string in quotation marks")
	}
	pairs := strings.Split(text, " ")
	if pairs[0] != version {
		if strings.HasPrefix(pairs[0], "v=") {
			return engine.Lease{}, fmt.Errorf("it begins with %.20q, and this release knows %s alone; "+
				"was it written by a later release?", pairs[0], version)
		}
		return engine.Lease{}, fmt.Errorf("it does not begin with %s", version)
	}
	known := make(map[string]string, len(keys))
	for _, pair := range pairs[1:] {
		key, escaped, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return engine.Lease{}, fmt.Errorf("%.20q is no key with a value", pair)
		}
		if !slices.Contains(keys, key) {
			continue
		}
		if _, again := known[key]; again {
			return engine.Lease{}, fmt.Errorf("it has %s twice", key)
		}
		value, err := url.PathUnescape(escaped)
		if err != nil {
			return engine.Lease{}, fmt.Errorf("%s: %w", key, err)
		}
		known[key] = value
	}
	return leaseOf(known)
}

// leaseOf makes a lease out of the pairs that are known.
func leaseOf(known map[string]string) (engine.Lease, error) {
	epoch, err := strconv.ParseUint(known[keyEpoch], 10, 64)
	if err != nil || epoch == 0 || epoch > maxEpoch {
		return engine.Lease{}, fmt.Errorf("%.20q is not an epoch", known[keyEpoch])
	}
	for _, key := range []string{keyHolder, keyNonce} {
		if known[key] == "" {
			return engine.Lease{}, fmt.Errorf("it has no %s", key)
		}
	}
	if err := checkAddrs(known[keyAddrs]); err != nil {
		return engine.Lease{}, err
	}
	return engine.Lease{
		Epoch: epoch, Holder: known[keyHolder], Instance: known[keyInstance], Nonce: known[keyNonce],
		Addrs: known[keyAddrs], Hash: known[keyHash], Mode: known[keyMode],
	}, nil
}
