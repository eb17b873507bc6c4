package dnsfailover

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func TestReadPeerSecrets(t *testing.T) {
	tests := []struct {
		name  string
		files []string
		mode  os.FileMode
		want  int
		says  string
	}{
		{"one", []string{secretA + "\n"}, 0o600, 1, ""},
		{"no line break", []string{secretA}, 0o640, 1, ""},
		{"lines", []string{"\n" + secretA + "\r\n\n" + secretB + "\n"}, 0o400, 2, ""},
		{"files", []string{secretA, secretB, secretC}, 0o600, 3, ""},
		{"none", nil, 0o600, 0, "no secret"},
		{"empty", []string{"\n\n"}, 0o600, 0, "no secret"},
		{"short", []string{secretA + "\n0123456789abcde\n"}, 0o600, 0, "line 2: a secret of 15 bytes"},
		{"long", []string{strings.Repeat("x", MaxPeerSecret+1)}, 0o600, 0, "longer than 256"},
		{"space", []string{secretA + " "}, 0o600, 0, "white space"},
		{"twice", []string{secretA, secretA}, 0o600, 0, "line 1: this secret is there twice"},
		{"too many", []string{"1" + secretA + "\n2" + secretA + "\n3" + secretA + "\n4" + secretA + "\n5" + secretA}, 0o600, 0, "4 are the most"},
		{"no file of secrets", []string{strings.Repeat(strings.Repeat("x", 63)+"\n", 65)}, 0o600, 0, "longer than 4096 bytes"},
		{"world-readable", []string{secretA}, 0o644, 0, "chmod o-rwx"},
		{"world-writable", []string{secretA}, 0o602, 0, "chmod o-rwx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.mode&0o007 != 0 && runtime.GOOS == "windows" {
				t.Skip("Windows has no such file modes")
			}
			var names []string
			for i, text := range tt.files {
				name := filepath.Join(t.TempDir(), fmt.Sprintf("secret%d", i))
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(name, tt.mode); err != nil {
					t.Fatal(err)
				}
				names = append(names, name)
			}
			secrets, err := ReadPeerSecrets(names...)
			switch {
			case tt.says == "" && (err != nil || len(secrets) != tt.want):
				t.Fatalf("got %d secrets, error %v, want %d", len(secrets), err, tt.want)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says) || secrets != nil):
				t.Fatalf("got %d secrets, error %v, want one that says %q", len(secrets), err, tt.says)
			case err != nil && (strings.Contains(err.Error(), secretA) || strings.Contains(err.Error(), "0123456789abcde")):
				t.Fatalf("the error tells a secret: %v", err)
			}
		})
	}
	if _, err := ReadPeerSecrets(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "create it") {
		t.Errorf("got %v for a file that is not there", err)
	}
}

// However a secret, or what has one, is printed or encoded, it does not show.
func TestPeerSecretHidden(t *testing.T) {
	self := selfOf(t, "lb-a", secretA)
	s := self.Secrets[0]
	client := clientOf(t, "lb-b:2020", self, PeerClientOptions{})
	server, err := NewPeerServer(self, PeerServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hidden := struct{ secret *PeerSecret }{&s}
	var out strings.Builder
	for _, v := range []any{s, &s, self, &self, self.Secrets, hidden, client, server, client.self.Load()} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{s, self} {
		for _, encode := range []func(any) ([]byte, error){json.Marshal, xml.Marshal} {
			text, err := encode(v)
			if err != nil {
				t.Fatal(err)
			}
			out.Write(text)
		}
	}
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zap.DebugLevel)
	zap.New(core).Info("x", zap.Any("secret", s), zap.Any("self", self), zap.Stringer("string", s), zap.Reflect("reflect", hidden))
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "secret", s, "self", self)
	for _, part := range []string{secretA, fmt.Sprintf("%x", secretA), fmt.Sprintf("%X", secretA), strings.Trim(fmt.Sprintf("%d", []byte(secretA)), "[]")} {
		if strings.Contains(out.String(), part) {
			t.Errorf("it shows as %q", part)
		}
	}
	if !strings.Contains(out.String(), redacted) {
		t.Error("it does not show that there is a secret")
	}
}
