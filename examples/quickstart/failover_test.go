package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// adminOf is a load balancer whose admin endpoint is this.
func adminOf(t *testing.T, h http.HandlerFunc) *caddy {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return &caddy{balancer: balancer{name: "lb2", address: "127.0.0.2", port: port}, client: srv.Client(), is: running}
}

const aStanding = `{"node": "lb2", "problems": [], "services": [{"role": "standby", "holder": "lb1", "epoch": 3, "healthy": true,
	"waiting": "lb1 answers", "witness": {"armed": true}}], "peers": [{"up": true, "reply": "it answers"}]}`

func TestStanding(t *testing.T) {
	answer, status := aStanding, http.StatusOK
	c := adminOf(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/dnsfailover/status" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		io.WriteString(w, answer)
	})
	st, err := c.standing()
	if err != nil {
		t.Fatal(err)
	}
	const want = `lb2: standby (lb1 answers), holder "lb1", epoch 3, healthy true, witness armed true, the other one: it answers`
	if got := st.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !st.hears() || st.reply() != "it answers" {
		t.Errorf("it hears: %v, %s", st.hears(), st.reply())
	}

	answer = `{"node": "", "problems": [{"about": "identity", "error": "no answer"}], "services": []}`
	if st, err = c.standing(); err != nil {
		t.Fatal(err)
	}
	if role, why := st.role(); role != "not set up" || why != "identity: no answer" || st.hears() || st.healthy() || st.armed() || st.holder() != "" {
		t.Errorf("before it is set up: %s", st)
	}
	answer, status = "no such thing", http.StatusNotFound
	if _, err := c.standing(); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("%v", err)
	}
}

func TestOrder(t *testing.T) {
	var asked string
	c := adminOf(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.Path + " " + r.FormValue("reason")
		if r.URL.Path == "/dnsfailover/release" {
			http.Error(w, "this node is not active", http.StatusConflict)
		}
	})
	if err := c.order("takeover", "a test & more"); err != nil || asked != "POST /dnsfailover/takeover a test & more" {
		t.Errorf("%v; %s", err, asked)
	}
	if err := c.order("release", ""); err == nil || !strings.Contains(err.Error(), "this node is not active") {
		t.Errorf("%v", err)
	}
}

func TestStandingInALine(t *testing.T) {
	lb := func(is condition) *caddy {
		return &caddy{balancer: balancer{name: "lb2", address: "127.0.0.2"}, is: is}
	}
	looks := func(role, waiting string) map[string]standing {
		var st standing
		st.Services = append(st.Services, struct {
			Role    string `json:"role"`
			Holder  string `json:"holder"`
			Epoch   uint64 `json:"epoch"`
			Healthy bool   `json:"healthy"`
			Waiting string `json:"waiting"`
			Witness struct {
				Armed bool `json:"armed"`
			} `json:"witness"`
		}{Role: role, Waiting: waiting})
		return map[string]standing{"lb2": st}
	}
	has, hasNot := held{"127.0.0.2", "lb2", 3, "lb2"}, held{"127.0.0.1", "lb1", 3, "lb1"}
	tests := []struct {
		name  string
		lb    *caddy
		looks map[string]standing
		held  held
		want  string
	}{
		{"active", lb(running), looks("active", ""), has, "has lb.example.com, epoch 3"},
		{"standby", lb(running), looks("standby", "lb1 answers"), hasNot, "standby: lb1 answers"},
		{"killed", lb(killed), nil, hasNot, "killed"},
		{"frozen with the name", lb(frozen), nil, has, "has lb.example.com, epoch 3, but frozen"},
		{"deaf", lb(deaf), looks("active", ""), has, "has lb.example.com, epoch 3, but its site is closed"},
		{"deaf without the name", lb(deaf), looks("standby", "not healthy"), hasNot, "its site is closed, standby: not healthy"},
		{"it knows better", lb(running), looks("standby", "lb1 answers"), has, "has lb.example.com, epoch 3, but standby: lb1 answers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := inALine(tt.lb, tt.looks, tt.held); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
