package dnsfailover

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// readSecrets reads the files and replaces the placeholders that hold the secrets. No error holds any of one.
func (h *HeartbeatConfig) readSecrets() ([]PeerSecret, error) {
	var secrets []PeerSecret
	if len(h.SecretFiles) > 0 {
		var err error
		if secrets, err = ReadPeerSecrets(h.SecretFiles...); err != nil {
			return nil, err
		}
	}
	repl := caddy.NewReplacer()
	for _, placeholder := range h.Secrets {
		text, err := repl.ReplaceOrErr(placeholder, true, true)
		if err != nil {
			return nil, fmt.Errorf("the secret %s: it has no value on this machine: %w", placeholder, err)
		}
		s, err := NewPeerSecret([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("the secret %s: %w", placeholder, err)
		}
		for _, other := range secrets {
			if other.equal([]byte(text)) {
				return nil, fmt.Errorf("the secret %s is there twice: remove one", placeholder)
			}
		}
		secrets = append(secrets, s)
	}
	if err := checkSecrets(secrets); err != nil {
		return nil, err
	}
	return secrets, nil
}
