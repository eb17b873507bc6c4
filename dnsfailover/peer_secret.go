package dnsfailover

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

const (
	// MinPeerSecret is the least length of a secret, in bytes.
	MinPeerSecret = 16

	// MaxPeerSecret is the greatest.
	MaxPeerSecret = 256

	// MaxPeerSecrets is how many secrets a node may have at a time. Rotation needs two. Every message has a MAC under each.
	MaxPeerSecrets = 4

	maxSecretFile = 4 << 10
	redacted      = "[redacted]"
)

// mac authenticates a message.
type mac = [sha256.Size]byte

// PeerSecret is what the nodes of a service share, and nobody else knows. The zero value is none. However it is printed,
// encoded or reflected upon, it does not show: the bytes are in a closure, which fmt does not look into even where it can't
// call a method.
type PeerSecret struct {
	sign  func(parts ...[]byte) mac
	equal func(text []byte) bool
}

// NewPeerSecret makes a secret of its text. It is an error if the text is shorter than [MinPeerSecret] or longer than
// [MaxPeerSecret], or begins or ends with white space, which nobody sees in an editor.
func NewPeerSecret(text []byte) (PeerSecret, error) {
	const advice = "make one with: openssl rand -hex 32"
	switch {
	case len(text) < MinPeerSecret:
		return PeerSecret{}, fmt.Errorf("a secret of %d bytes can be guessed, %d are the least: %s", len(text), MinPeerSecret, advice)
	case len(text) > MaxPeerSecret:
		return PeerSecret{}, fmt.Errorf("a secret of %d bytes is longer than %d: %s", len(text), MaxPeerSecret, advice)
	case len(bytes.TrimSpace(text)) != len(text):
		return PeerSecret{}, errors.New("a secret begins or ends with white space: remove it on every node")
	}
	key := bytes.Clone(text)
	return PeerSecret{
		sign: func(parts ...[]byte) (sum mac) {
			h := hmac.New(sha256.New, key)
			for _, p := range parts {
				h.Write(p)
			}
			h.Sum(sum[:0])
			return sum
		},
		equal: func(text []byte) bool { return hmac.Equal(text, key) },
	}, nil
}

// ReadPeerSecrets reads files of secrets, one on each line; empty lines are skipped. All are valid at the same time, and
// their order means nothing: to rotate a secret, add the new one on every node, and then remove the old one from every node.
//
// A file that other users of the machine may read or write is an error, because whoever has the secret can make a holder look
// dead, or be offered the service. So are a secret that [NewPeerSecret] refuses, one that is there twice, none at all, and
// more than [MaxPeerSecrets].
func ReadPeerSecrets(files ...string) ([]PeerSecret, error) {
	var secrets []PeerSecret
	for _, name := range files {
		text, err := readSecretFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading the secrets of the peers: %w", err)
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			line = bytes.TrimSuffix(line, []byte("\r"))
			if len(line) == 0 {
				continue
			}
			s, err := NewPeerSecret(line)
			if err != nil {
				return nil, fmt.Errorf("reading the secrets of the peers: %s, line %d: %w", name, i+1, err)
			}
			for _, other := range secrets {
				if other.equal(line) {
					return nil, fmt.Errorf("reading the secrets of the peers: %s, line %d: this secret is there twice: remove one", name, i+1)
				}
			}
			secrets = append(secrets, s)
		}
	}
	if err := checkSecrets(secrets); err != nil {
		return nil, fmt.Errorf("reading the secrets of the peers: %s: %w", strings.Join(files, ", "), err)
	}
	return secrets, nil
}

func readSecretFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w: create it with the same content on every node, readable to the user that runs Caddy", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// Windows has no such bits: Go makes them up there.
	if info.Mode().Perm()&0o007 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s is open to every user of this machine (mode %#o): run chmod o-rwx on it", name, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxSecretFile {
		return nil, fmt.Errorf("%s is longer than %d bytes: it can't be a file of secrets", name, maxSecretFile)
	}
	return text, nil
}

func checkSecrets(secrets []PeerSecret) error {
	for _, s := range secrets {
		if s.sign == nil {
			return errors.New("a secret is empty")
		}
	}
	switch n := len(secrets); {
	case n == 0:
		return errors.New("there is no secret: make one with: openssl rand -hex 32")
	case n > MaxPeerSecrets:
		return fmt.Errorf("there are %d secrets, %d are the most: remove those that no node needs any more", n, MaxPeerSecrets)
	}
	return nil
}

// Format prints that there is a secret, whatever the verb.
func (PeerSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String says that there is a secret.
func (PeerSecret) String() string { return redacted }

// GoString says that there is a secret.
func (PeerSecret) GoString() string { return redacted }

// MarshalJSON says that there is a secret.
func (PeerSecret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText says that there is a secret.
func (PeerSecret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
