package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// newTestWorld is a world that ends with the test.
func newTestWorld(t *testing.T) *world {
	t.Helper()
	w, err := newWorld("127.0.0.1:0", "127.0.0.1:0", newPort(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.close)
	return w
}

// tags are the instance's role, drain mark and state.
func tags(t *testing.T, w *world, name string) string {
	t.Helper()
	b, err := w.find(name)
	if err != nil {
		t.Fatal(err)
	}
	i, ok := w.cloud.Instance(b.id)
	if !ok {
		t.Fatalf("EC2 does not know %s", b.id)
	}
	return fmt.Sprintf("%s/%s/%s", i.Tag("Role"), i.Tag(drainTag), i.State)
}

func TestWorldCommands(t *testing.T) {
	w := newTestWorld(t)
	for _, tt := range []struct {
		name string
		do   func(string) (string, error)
		on   string
		want string // of tags
		err  string // a part of it
	}{
		{"at first", func(string) (string, error) { return "", nil }, "web-1", "web//running", ""},
		{"drain", w.drain, "web-1", "web/yes/running", ""},
		{"undrain", w.undrain, "web-1", "web//running", ""},
		{"the backup has its role", w.drain, "backup-1", "web-backup/yes/running", ""},
		{"launch with a name", w.launch, "web-7", "web//running", ""},
		{"a name that is taken", w.launch, "web-1", "", "exists already"},
		{"terminate", w.terminate, "web-7", "web//terminated", ""},
		{"drain what is gone", w.drain, "web-7", "", "was terminated"},
		{"drain what is no instance", w.drain, "static-1", "", "is not an instance"},
		{"an unknown name", w.kill, "web-9", "", "there are [web-1 web-2 web-3 backup-1 web-7 static-1]"},
		{"kill", w.kill, "web-2", "web//running", ""},
		{"kill a dead one", w.kill, "web-2", "", "is dead already"},
		{"heal", w.heal, "web-2", "web//running", ""},
		{"the API is not down", w.apiUp, "", "", errUp.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.do(tt.on)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got error %v, want one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := tags(t, w, tt.on); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLaunchTakesTheNextName(t *testing.T) {
	w := newTestWorld(t)
	for range 6 { // past the address of the static server
		if _, err := w.launch(""); err != nil {
			t.Fatal(err)
		}
	}
	b, err := w.find("web-9")
	if err != nil {
		t.Fatal(err)
	}
	if want := w.address(11); b.addr != want {
		t.Errorf("web-9 is at %s, want %s", b.addr, want)
	}
	seen := make(map[string]string)
	for _, b := range w.all() {
		if other := seen[b.addr]; other != "" {
			t.Errorf("%s and %s are both at %s", other, b.name, b.addr)
		}
		seen[b.addr] = b.name
		if status, body := ask(t, b, "/"); status != 200 || body != b.who()+"\n" {
			t.Errorf("%s answers %d %q", b.name, status, body)
		}
	}
	if byID, err := w.find(b.id); err != nil || byID != b {
		t.Errorf("by its id: %v %v", byID, err)
	}
}

func TestFailAndHeal(t *testing.T) {
	w := newTestWorld(t)
	b, err := w.find("web-3")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		do   func(string) (string, error)
		want int
	}{{w.fail, 503}, {w.heal, 200}} {
		if _, err := tt.do("web-3"); err != nil {
			t.Fatal(err)
		}
		if status, _ := ask(t, b, "/healthz"); status != tt.want {
			t.Errorf("/healthz answers %d, want %d", status, tt.want)
		}
	}
}

func TestAPIDownAndUp(t *testing.T) {
	w := newTestWorld(t)
	list := func() error {
		_, err := w.cloud.DescribeInstances(awstest.Caller{}, awstest.DescribeInstancesInput{})
		return err
	}
	zones := func() error {
		_, err := w.cloud.ListHostedZones(awstest.Caller{}, awstest.ListZonesInput{})
		return err
	}
	if _, err := w.apiDown(""); err != nil || list() == nil || zones() == nil {
		t.Errorf("%v; EC2 still answers: %v; Route 53: %v", err, list() == nil, zones() == nil)
	}
	if _, err := w.apiDown(""); err == nil {
		t.Error("it goes down twice")
	}
	if _, err := w.apiUp(""); err != nil || list() != nil || zones() != nil {
		t.Errorf("%v, %v, %v", err, list(), zones())
	}
}
