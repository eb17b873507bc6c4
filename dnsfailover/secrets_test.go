package dnsfailover

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSecretsOfAConfiguration(t *testing.T) {
	const first, second = "first-secret-0123456789", "second-secret-0123456789"
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(first+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_SECRET", second)
	t.Setenv("TEST_SHORT", "short")
	for name, c := range map[string]struct {
		h    HeartbeatConfig
		n    int
		want string // in the error
	}{
		"files and placeholders":  {HeartbeatConfig{SecretFiles: []string{file}, Secrets: []string{"{env.TEST_SECRET}"}}, 2, ""},
		"a file as a placeholder": {HeartbeatConfig{Secrets: []string{"{file." + file + "}"}}, 1, ""},
		"one twice":               {HeartbeatConfig{SecretFiles: []string{file}, Secrets: []string{"{file." + file + "}"}}, 0, "twice"},
		"too short":               {HeartbeatConfig{Secrets: []string{"{env.TEST_SHORT}"}}, 0, "{env.TEST_SHORT}: a secret of 5 bytes"},
		"without a value":         {HeartbeatConfig{Secrets: []string{"{env.TEST_MISSING}"}}, 0, "no value"},
		"no such file":            {HeartbeatConfig{SecretFiles: []string{file + "2"}}, 0, "create it"},
	} {
		t.Run(name, func(t *testing.T) {
			secrets, err := c.h.readSecrets()
			if len(secrets) != c.n || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%d secrets, error %v", len(secrets), err)
			}
			for _, text := range []string{first, second} {
				if err != nil && strings.Contains(err.Error(), text) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}
