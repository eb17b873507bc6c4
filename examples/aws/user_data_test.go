package aws

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// read is the text of a file.
func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// caddyfiles are the files of this directory that are complete: those with dnsfailover.
func caddyfiles(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("Caddyfile*")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range names {
		if text := read(t, name); strings.Contains(text, "\tdnsfailover {") {
			files[name] = text
		}
	}
	if len(files) < 5 {
		t.Fatalf("only %d files have dnsfailover", len(files))
	}
	return files
}

// TestUserData holds the script to what EC2 takes, to what the shell takes, and to what the other files here and the unit say.
func TestUserData(t *testing.T) {
	const file = "user-data.sh"
	script := read(t, file)
	if len(script) > 16<<10 {
		t.Errorf("%d bytes, and EC2 takes 16 KiB", len(script))
	}
	if bash, err := exec.LookPath("bash"); err != nil {
		t.Log("without bash the syntax of the script is not checked")
	} else if out, err := exec.CommandContext(t.Context(), bash, "-n", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	unit := read(t, "../systemd/caddy-ec2.service")
	binary := regexp.MustCompile(`(?m)^ExecStart=(\S+) run --config (\S+)$`).FindStringSubmatch(unit)
	if binary == nil {
		t.Fatal("the unit does not say what it starts")
	}
	for _, used := range binary[1:] {
		if !strings.Contains(script, " "+used+"\n") {
			t.Errorf("the unit uses %s, which is not installed", used)
		}
	}

	variable := regexp.MustCompile(`\{\$([A-Z_]+)\}`)
	made := regexp.MustCompile(`(?m)^\t+(?:secret_file|storage file_system) (\S+)$`)
	for name, text := range caddyfiles(t) {
		for _, p := range made.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(script, " "+p[1]) {
				t.Errorf("%s uses %s, which the script does not make", name, p[1])
			}
		}
		if name != "Caddyfile.by-tag" {
			continue // what others need beyond this one, such as the Elastic IP, is not for many instances from one image
		}
		for _, v := range variable.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(script, "\t"+v[1]+"=") {
				t.Errorf("%s uses %s, which the script does not set", name, v[1])
			}
		}
	}
}

// TestStorageAway: without the storage nothing can be written at its place but by root, so that no node has certificates of its own.
func TestStorageAway(t *testing.T) {
	const place = "/mnt/caddy"
	script := read(t, "user-data.sh")
	made := regexp.MustCompile(`(?m)^[^#\n]*\b(?:install|mkdir|chmod|chown)\b.*`+place+`$`).FindAllString(script, -1)
	want := []string{"mountpoint -q " + place + " || install -d -m 555 -o root -g root " + place}
	if !slices.Equal(made, want) {
		t.Errorf("the script makes the place of the storage by %q, want %q", made, want)
	}
	if user := regexp.MustCompile(`(?m)^User=(\S+)$`).FindStringSubmatch(read(t, "../systemd/caddy-ec2.service")); user == nil || user[1] == "root" {
		t.Errorf("the unit runs Caddy as root, who may write everywhere: %q", user)
	}
	if access := read(t, "../systemd/caddy-ec2.service"); strings.Contains(access, "CAP_DAC_OVERRIDE") {
		t.Error("the unit lets Caddy write everywhere")
	}
}

// TestUserDataPolicy holds the policy to what the script fetches.
func TestUserDataPolicy(t *testing.T) {
	policy, script := read(t, "user-data.json"), read(t, "user-data.sh")
	if !json.Valid([]byte(policy)) {
		t.Error("the policy is no JSON")
	}
	value := func(name string) string {
		found := regexp.MustCompile(`(?m)^` + name + `=(\S+)$`).FindStringSubmatch(script)
		if found == nil {
			t.Fatalf("the script sets no %s", name)
		}
		return found[1]
	}
	bucket := path.Dir(strings.TrimPrefix(value("release"), "s3://"))
	for _, want := range []string{":::" + bucket + "/*", ":parameter" + value("secret"), "/" + value("files"), "/" + value("access_point")} {
		if !strings.Contains(policy, want+`"`) {
			t.Errorf("the policy does not allow what the script does with %s", want)
		}
	}
}

// TestOneProvider: what gives names away and what gets certificates have one provider, written once, so that neither can be left behind
// when the zone, the role or the region changes.
func TestOneProvider(t *testing.T) {
	for name, text := range caddyfiles(t) {
		if n := strings.Count(text, "hosted_zone_id {$HOSTED_ZONE_ID}"); n != 1 {
			t.Errorf("%s has the provider %d times", name, n)
		}
		if strings.Contains(text, "(route53) {") && strings.Count(text, "import route53\n") != 2 {
			t.Errorf("%s does not import the provider for both", name)
		}
	}
}
