package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// fleetStory is what the steps of the story share.
type fleetStory struct {
	*story
	world *world
	caddy *caddy
}

// playFleet tells how the backends of a site come and go.
func playFleet(s *story, bin string) (err error) {
	st, err := s.open(bin, scene{balancers: 1}, clients{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.close()) }()
	f := &fleetStory{s, st.world, st.lbs[0]}
	s.step("three backends serve", f.threeServe)
	s.step("a fourth is launched", f.launched)
	s.step("one is drained by tag", f.drained)
	s.step("one fails its health check", f.failed)
	s.step("one is killed", f.killed)
	s.step("one is terminated in EC2", f.terminated)
	s.step("EC2 answers wrong, then not at all", f.apiFails)
	s.step("Caddy restarts meanwhile", f.restarted)
	s.step("EC2 answers again", f.apiReturns)
	s.step("ten reloads, one with another refresh", f.reloaded)
	s.step("all of a pool fail, then of the next", f.fallsBack)
	if !s.held() {
		s.dump(st)
	}
	return nil
}

func (f *fleetStory) threeServe() {
	f.awaitUsable(3)
	f.traffic.settle()
	before := f.traffic.now()
	f.awaitRequests(before, 300)
	got := f.traffic.now().since(before)
	fair := len(got.by) == 3
	for _, n := range got.by {
		fair = fair && n*100 >= got.sent*28 && n*100 <= got.sent*39
	}
	f.expect("each answers 28 to 39 % of the requests", shares(got), fair)
}

func (f *fleetStory) launched() {
	hold := make(chan struct{})
	b, err := f.world.start("web-4", roleWeb, hold)
	if f.do("launch web-4", err); err != nil {
		return
	}
	f.awaitOut(b.name, "") // its first check is under way
	f.awaitRequests(f.traffic.now(), 100)
	n := b.requests.Load()
	f.expect("no request before the first check", fmt.Sprintf("%d requests", n), n == 0)
	close(hold)
	f.awaitIn(b.name)
	f.awaitServedBy("web-1", "web-2", "web-3", "web-4")
}

func (f *fleetStory) drained() {
	b := f.backend("web-2")
	slow := f.slowRequest(b)
	f.act(f.world.drain(b.name))
	f.awaitOut(b.name, "draining by tag Drain")
	f.expectNoNew(b, 200)
	f.expect("the slow request is still under way", fmt.Sprint(b.slow.Load()), b.slow.Load() > 0)
	close(b.release)
	f.await("it ends well", func() (string, bool) {
		select {
		case outcome := <-slow:
			return outcome, outcome == complete
		default:
			return "no end", false
		}
	})
	f.act(f.world.undrain(b.name))
	f.awaitIn(b.name)
}

func (f *fleetStory) failed() {
	b := f.backend("web-3")
	f.act(f.world.fail(b.name))
	f.awaitOut(b.name, "status 503")
	f.expectNoNew(b, 100)
	f.act(f.world.heal(b.name))
	f.awaitIn(b.name)
	f.awaitServedBy("web-1", "web-2", "web-3", "web-4")
}

func (f *fleetStory) killed() {
	b := f.backend("web-1")
	reset := b.kill()
	f.expect("connections are reset", fmt.Sprintf("%d were", reset), reset > 0)
	f.awaitOut(b.name, "connect")
	f.expectNoNew(b, 100)
	f.act(f.world.heal(b.name))
	f.awaitIn(b.name)
	f.awaitServedBy("web-1", "web-2", "web-3", "web-4")
}

func (f *fleetStory) terminated() {
	b, mark := f.backend("web-4"), f.caddy.logSize()
	f.act(f.world.terminate(b.name))
	f.await("it leaves the pool", func() (string, bool) {
		p, err := f.caddy.pools()
		_, listed := p.find(b.id)
		return p.of(roleWeb).Summary, err == nil && !listed
	})
	f.await("only after a second answer without it", func() (string, bool) {
		log := f.caddy.log(mark)
		first := matching(log, loggedMissing, b.id)
		left := matching(log, `"gone":["`+b.id)
		return fmt.Sprintf("logged: missing %d, gone %d", first, left), first == 1 && left == 1
	})
	f.expectNoNew(b, 100)
	body, err := f.get("http://" + b.addr + "/")
	f.expect("its process still answers", fmt.Sprintf("%q %v", body, errOrNot(err)), err == nil && body == b.who()+"\n")
	b.kill()
}

func (f *fleetStory) apiFails() {
	before := f.traffic.now()
	f.emptyListing()

	half := f.world.cloud.Inject(awstest.Fault{Service: "ec2", Action: "DescribeInstances", Kind: awstest.Truncate})
	f.awaitFailedPolls("half an answer is not taken", 1)
	failed := f.failedPolls()
	f.act(f.world.apiDown(""))
	half() // is over, and from now on connections are dropped
	f.awaitFailedPolls("the API is down", failed+1)
	f.expectServed(before, "web-1", "web-2", "web-3")
	f.awaitUsable(3)
}

func (f *fleetStory) restarted() {
	f.traffic.pause()
	began, before := time.Now(), f.traffic.now()
	err := f.caddy.stop()
	if err == nil {
		err = f.caddy.start(f.ctx)
	}
	paused, sent := time.Since(began), f.traffic.now().since(before).sent
	f.traffic.resume()
	f.do("Caddy stops on SIGTERM and starts again", err)
	f.expect("requests pause meanwhile", fmt.Sprintf("%d in %.2f s", sent, paused.Seconds()), sent == 0)
	f.awaitOrigin("snapshot")
	f.awaitRequests(before, 200)
	f.expectServed(before, "web-1", "web-2", "web-3")
	f.awaitFailedPolls("the API is still down", 1)
}

func (f *fleetStory) apiReturns() {
	f.act(f.world.apiUp(""))
	f.awaitOrigin("api")
	f.awaitUsable(3)
}

func (f *fleetStory) reloaded() {
	const perPool = 900 * time.Millisecond // the shortest time between two polls: refresh less a tenth
	began, calls := time.Now(), f.calls()
	done := 0
	for n := 1; n <= 11 && !f.broken; n++ {
		version := fmt.Sprint(100 + n)
		refresh := "1s"
		if n == 10 { // the eleventh sets it back
			refresh = "2s"
		}
		f.do(fmt.Sprintf("reload %d", n), f.caddy.reload(edited(version, refresh)))
		// The old listener may take a connection while it ends.
		f.until("its configuration answers", func() (string, bool) {
			got, err := f.version()
			return fmt.Sprintf("version %s %v, want %s", got, errOrNot(err), version), got == version
		})
		f.awaitRequests(f.traffic.now(), 60)
		done = n
	}
	took, more := time.Since(began), f.calls()-calls
	f.expect("each comes into force", fmt.Sprintf("%d of 11", done), done == 11)
	limit := 2 * (int(took/perPool) + 2)
	f.expect(fmt.Sprintf("at most %d calls of 2 pools in %.1f s", limit, took.Seconds()), fmt.Sprintf("%d DescribeInstances", more), more <= limit)
}

func (f *fleetStory) fallsBack() {
	for _, next := range []struct {
		fail    []string
		serving string
		by      string
	}{
		{[]string{"web-1", "web-2", "web-3"}, query(roleBackup), "backup-1"},
		{[]string{"backup-1"}, "static " + f.world.static.addr, "static-1"},
	} {
		for _, name := range next.fail {
			f.act(f.world.fail(name))
		}
		f.awaitServing(next.serving)
		f.awaitServedBy(next.by)
	}
	for _, name := range []string{"web-1", "web-2", "web-3", "backup-1"} {
		f.act(f.world.heal(name))
	}
	f.awaitServing(query(roleWeb))
	f.awaitUsable(3)
	f.awaitServedBy("web-1", "web-2", "web-3")
}
