package combinedlog

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/logtest"
)

// httpd starts Apache httpd with the files of a folder, and returns its address and its log.
func httpd(t *testing.T, dir string) (addr, log string) {
	t.Helper()
	apache2 := logtest.Program(t, "apache2", "apache2-bin", "/usr/sbin/apache2")
	addr, log = free(t), filepath.Join(dir, "httpd.log")
	host, port, _ := net.SplitHostPort(addr)
	config := fmt.Sprintf(`ServerRoot %[1]q
DefaultRuntimeDir %[1]q
PidFile %[1]s/httpd.pid
ErrorLog %[1]s/httpd.err
Listen %[2]s
ServerName %[3]s:%[4]s
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
User nobody
Group nogroup
StartServers 1
LimitRequestLine 65536
LimitRequestFieldSize 65536
DocumentRoot %[1]s/www
<Directory %[1]s/www>
	Require all granted
</Directory>
LogFormat "%%v:%%p %%h %%l %%u %%t \"%%r\" %%>s %%b \"%%{Referer}i\" \"%%{User-Agent}i\"" vhost_combined
CustomLog %[5]s vhost_combined
`, dir, addr, host, port, log)
	if err := os.WriteFile(filepath.Join(dir, "httpd.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(apache2, "-f", filepath.Join(dir, "httpd.conf"), "-DFOREGROUND")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
	})
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr, log
		}
		select {
		case <-tick.C:
		case err := <-ended:
			ended <- err
			t.Fatalf("apache2 has ended: %v: %s", err, out.String())
		case <-deadline:
			t.Fatal("apache2 does not listen")
		}
	}
}

// answer is the part of a line that says how a request was answered.
var answer = regexp.MustCompile(` \d{3} (\d+|-) `)

// TestLikeHTTPD sends the same requests to Apache httpd and to Caddy, which have the same files, and compares their lines.
func TestLikeHTTPD(t *testing.T) {
	dir, err := os.MkdirTemp("", "httpd") // t.TempDir is closed to the user that httpd changes to
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	files := filepath.Join(dir, "www", "files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir, 0o755)
	for name, text := range map[string]string{"hello": "hello", "empty": "", "large": strings.Repeat("x", 1<<20)} {
		if err := os.WriteFile(filepath.Join(files, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	addr, log := httpd(t, dir)
	t.Setenv("WWW", filepath.Join(dir, "www"))
	s := newSite(t, "combined {\nstyle vhost_combined\n}", "")

	var everyByte strings.Builder
	for c := 0x20; c <= 0xff; c++ {
		if c != 0x7f { // which Go refuses
			everyByte.WriteByte(byte(c))
		}
	}
	all := everyByte.String()
	requests := []string{
		"GET /files/hello HTTP/1.1\r\n",
		"GET /files/hello HTTP/1.0\r\n",
		"HEAD /files/hello HTTP/1.1\r\n",
		"GET /files/empty HTTP/1.1\r\n",
		"GET /files/large HTTP/1.1\r\n",
		"GET /files/hello HTTP/1.1\r\nRange: bytes=1-3\r\n",
		"GET /files/hello HTTP/1.1\r\nIf-Modified-Since: " + time.Now().UTC().Format(http.TimeFormat) + "\r\n",
		"GET /files/hello HTTP/1.1\r\nReferer: https://example.com/\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n",
		"GET /files/hello HTTP/1.1\r\nReferer: \r\nUser-Agent: -\r\n",
		"GET /files/hello HTTP/1.1\r\nUser-Agent: a\r\nUser-Agent: b \"c\"\r\n",
		"GET /files/hello HTTP/1.1\r\nReferer: \" 200 1 \"-\" \"x\\\r\nUser-Agent: a\tb\r\n",
		"GET /files/hello HTTP/1.1\r\nUser-Agent: " + all + "x\r\n",
		"GET /files/hello?\"\\[x]|{}<>`^'é\xff%22%0a HTTP/1.1\r\n",
		"GET /files/%68ello?" + strings.NewReplacer(" ", "", "#", "").Replace(all) + " HTTP/1.1\r\n",
		"GET http://HOST/files/hello?x HTTP/1.1\r\n",
		"GET http://me:secret@HOST/files/hello?x HTTP/1.1\r\n",
		"GET http://me@HOST/files/hello?x:y@z HTTP/1.1\r\n",
		"GET /files/hello HTTP/1.1\r\nUser-Agent: " + strings.Repeat("\"é", 4000) + "\r\n",
	}
	var theirs, ours []string
	for _, r := range requests {
		for _, to := range []string{addr, s.plain} {
			c, err := net.Dial("tcp", to)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(c, strings.ReplaceAll(r, "HOST", to)+"Host: "+to+"\r\nConnection: close\r\n\r\n")
			if _, err := io.Copy(io.Discard, c); err != nil {
				t.Fatal(err)
			}
			c.Close()
		}
		ours = append(ours, s.lines(1)...)
	}
	theirLog := site{T: t, log: log}
	theirs = theirLog.lines(len(requests))
	for i := range requests {
		want := strings.ReplaceAll(moment.ReplaceAllString(theirs[i], "[]"), addr, "HOST")
		got := strings.ReplaceAll(moment.ReplaceAllString(ours[i], "[]"), s.plain, "HOST")
		if strings.Contains(requests[i], "@") && strings.Contains(want, `" 400 `) { // httpd refuses users in a target, and writes them
			got, want = answer.ReplaceAllString(got, " "), answer.ReplaceAllString(want, " ")
		}
		if got != want {
			t.Errorf("%.200q\ngot   %shttpd %s", requests[i], got, want)
		}
	}
}
