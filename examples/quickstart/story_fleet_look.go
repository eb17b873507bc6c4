package main

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// act carries out what the story needs. What was done is not worth a line, the title of the step says it.
func (f *fleetStory) act(_ string, err error) { f.do("this can be done", err) }

// backend returns a backend by name. A story that was broken off may lack one, and gets one that nobody asks.
func (f *fleetStory) backend(name string) *backend {
	b, err := f.world.find(name)
	if err != nil {
		f.do("there is "+name, err)
		return newBackend(name, "", "")
	}
	return b
}

// lookAt asks the admin endpoint, and lets an expectation judge the answer.
func (f *fleetStory) lookAt(judge func(pools) (string, bool)) func() (string, bool) {
	return func() (string, bool) {
		p, err := f.caddy.pools()
		if err != nil {
			return err.Error(), false
		}
		return judge(p)
	}
}

func (f *fleetStory) awaitUsable(n int) {
	f.await(fmt.Sprintf("%d backends are usable", n), f.lookAt(func(p pools) (string, bool) {
		summary := p.of(roleWeb).Summary
		return summary, summary == fmt.Sprintf("%d found: %d usable", n, n)
	}))
}

func (f *fleetStory) awaitIn(name string) {
	b := f.backend(name)
	f.await(name+" is in", f.lookAt(func(p pools) (string, bool) {
		r, listed := p.find(b.id)
		if !listed {
			return "not found", false
		}
		return r.Why, r.In
	}))
}

func (f *fleetStory) awaitOut(name, why string) {
	b := f.backend(name)
	f.await(name+" is out", f.lookAt(func(p pools) (string, bool) {
		r, listed := p.find(b.id)
		return r.Why, listed && !r.In && strings.Contains(r.Why, why)
	}))
}

func (f *fleetStory) awaitServing(serving string) {
	f.await("the pool that serves is "+serving, f.lookAt(func(p pools) (string, bool) {
		return p.serving(), p.serving() == serving
	}))
}

// awaitOrigin waits until what both pools know comes from there.
func (f *fleetStory) awaitOrigin(origin string) {
	f.await("both pools have their fleet from the "+origin, f.lookAt(func(p pools) (string, bool) {
		var seen []string
		all := len(p.Pools) == 2
		for _, q := range p.ordered() {
			seen = append(seen, q.Origin)
			all = all && q.Origin == origin
		}
		return strings.Join(seen, ", "), all
	}))
}

// failedPolls is how many polls for the web role have failed in a row.
func (f *fleetStory) failedPolls() int {
	p, err := f.caddy.pools()
	f.do("the admin endpoint answers", err)
	return p.of(roleWeb).Poll.FailuresInARow
}

func (f *fleetStory) awaitFailedPolls(want string, least int) {
	f.await(want, f.lookAt(func(p pools) (string, bool) {
		q := p.of(roleWeb).Poll
		return q.Error, q.FailuresInARow >= least
	}))
}

// awaitServedBy waits until these, and nobody else, answer a good number of requests.
func (f *fleetStory) awaitServedBy(names ...string) {
	enough := 25 * len(names)
	before := f.traffic.now()
	f.await(strings.Join(names, ", ")+" answer", func() (string, bool) {
		got := f.traffic.now().since(before)
		if got.sent < enough {
			return shares(got), false
		}
		if same(got, names) {
			return shares(got), true
		}
		before = f.traffic.now() // and once more
		return shares(got), false
	})
}

// expectServed says that since then nobody but these has answered.
func (f *fleetStory) expectServed(before tally, names ...string) {
	f.traffic.settle()
	got := f.traffic.now().since(before)
	f.expect(strings.Join(names, ", ")+" answer", fmt.Sprintf("%s of %d", shares(got), got.sent), same(got, names))
}

func same(t tally, names []string) bool {
	return slices.Equal(slices.Sorted(maps.Keys(t.by)), slices.Sorted(slices.Values(names)))
}

// expectNoNew says that the backend gets none of the next n requests.
func (f *fleetStory) expectNoNew(b *backend, n int) {
	f.traffic.settle()
	had, before := b.requests.Load(), f.traffic.now()
	f.awaitRequests(before, n)
	got := b.requests.Load() - had
	f.expect(b.name+" gets no request", fmt.Sprintf("%d of %d", got, f.traffic.now().since(before).sent), got == 0)
}

// shares is who answered how much.
func shares(t tally) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(t.by)) {
		parts = append(parts, fmt.Sprintf("%s %d %%", name, (t.by[name]*100+t.sent/2)/max(1, t.sent)))
	}
	return strings.Join(parts, ", ")
}

// loggedMissing is what Caddy logs when an answer lacks instances for the first time.
const loggedMissing = "missing from an answer"

// emptyListing lets one poll of the web pool get an answer without any instance. Two pools poll, and which one an injected
// fault meets is known only if nothing comes late: it goes on, one fault at a time, until the web pool has had one.
func (f *fleetStory) emptyListing() {
	mark, injected := f.caddy.logSize(), 0
	f.await("an empty answer is doubted", f.lookAt(func(p pools) (string, bool) {
		log := f.caddy.log(mark)
		if matching(log, loggedMissing, `"`+query(roleWeb)+`"`) > 0 {
			return p.of(roleWeb).Summary, true
		}
		next, others := p.of(roleWeb).Poll.Next, p.of(roleBackup).Poll.Next
		ours := next.After(time.Now()) && others.Sub(next) > 20*time.Millisecond
		if ours && matching(log, loggedMissing) == injected && !p.doubted() {
			injected++
			f.world.cloud.Inject(awstest.Fault{Service: "ec2", Action: "DescribeInstances", Kind: awstest.Empty, Times: 1})
		}
		return fmt.Sprintf("%d empty answers, none to this pool", injected), false
	}))
	f.await("the next one is believed", f.lookAt(func(p pools) (string, bool) {
		return p.of(roleWeb).Summary, !p.doubted() && p.of(roleWeb).Poll.Error == ""
	}))
}

// doubted reports whether an instance is missing from the newest answer and kept until another confirms it.
func (p pools) doubted() bool {
	for _, q := range p.Pools {
		for _, r := range q.Backends {
			if strings.Contains(r.Why, "missing from the newest answer") {
				return true
			}
		}
	}
	return false
}

// calls is how often EC2 was asked for instances.
func (f *fleetStory) calls() int { return f.world.cloud.Count("ec2", "DescribeInstances") }

func errOrNot(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// get asks somebody once, over a connection of its own.
func (f *fleetStory) get(url string) (string, error) {
	resp, err := f.caddy.client.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

// version is the number of the configuration that answers.
func (f *fleetStory) version() (string, error) {
	resp, err := f.caddy.client.Get(f.traffic.url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	return resp.Header.Get("X-Config-Version"), nil
}

// edited is the Caddyfile with another version and refresh.
func edited(version, refresh string) string {
	return strings.NewReplacer("{$QUICKSTART_CONFIG_VERSION:1}", version, "refresh 1s", "refresh "+refresh).Replace(caddyfile)
}

// slowRequest has a request under way on the backend when it returns, and perhaps more. The channel gets the outcome of each one
// that was on it.
func (f *fleetStory) slowRequest(b *backend) <-chan string {
	outcomes := make(chan string, 100)
	tried := 0
	f.await("a slow request is under way on it", func() (string, bool) {
		if b.slow.Load() > 0 {
			return fmt.Sprintf("%d", b.slow.Load()), true
		}
		if tried < cap(outcomes) {
			tried++
			go f.askSlow(b, outcomes)
		}
		return fmt.Sprintf("none of %d", tried), false
	})
	return outcomes
}

// complete is the outcome of a slow request that got all of its answer.
const complete = "complete"

// askSlow sends a request to /slow and leaves it if another backend has it.
func (f *fleetStory) askSlow(b *backend, outcomes chan<- string) {
	resp, err := http.Get(f.traffic.url + "slow?seconds=60")
	if err != nil {
		outcomes <- err.Error()
		return
	}
	defer resp.Body.Close()
	first := make([]byte, len(b.who())+1)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != b.who()+"\n" {
		return
	}
	rest, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		outcomes <- err.Error()
	case string(rest) != "the end\n":
		outcomes <- fmt.Sprintf("cut short after %q", rest)
	default:
		outcomes <- complete
	}
}
