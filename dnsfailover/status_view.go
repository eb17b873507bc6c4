package dnsfailover

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// maxStatusText bounds a text that comes from outside, in bytes.
const maxStatusText = 500

// What holds for every move of a target.
const (
	guaranteeRoute53  = "compare-and-swap: a write lands only on the value that was judged, and the name is absent at no moment"
	guaranteeAdvisory = "advisory: the DNS provider can't compare and swap, so nodes that reach it, and not each other, may both move the record, " +
		"one after the other"
	guaranteeAddress = "Elastic IP: only the association that was judged is ended, the first who claims the free address has it, " +
		"and in between nobody has it"
)

// guarantee is what holds for every move of a service.
func (v *view) guarantee(c *ServiceConfig) string {
	var all []string
	switch {
	case len(c.Records) == 0:
	case v.wanted.share.other != nil:
		all = append(all, guaranteeAdvisory)
	default:
		all = append(all, guaranteeRoute53)
	}
	if c.ElasticIP != nil {
		all = append(all, guaranteeAddress)
	}
	return strings.Join(all, "; ")
}

// status makes a view readable.
func (v *view) status() Status {
	out := Status{
		AsConfigured: v.wanted != nil && v.wanted.share.cfg == v.snapshot.cfg && v.snapshot.problem == nil,
		Leaving:      v.snapshot.leaving, LingersUntil: v.snapshot.lingers,
		Problems: []StatusProblem{}, Services: []StatusService{}, Peers: []StatusPeer{}, SelfChecks: []SelfCheckStatus{}, OwnNames: []ownStatus{},
	}
	if p := v.snapshot.problem; p != nil {
		out.Problems = append(out.Problems, StatusProblem{About: p.About, Error: shorten(p.Error), Since: p.Since})
	}
	w := v.wanted
	if w == nil {
		return out
	}
	out.Node, out.Instance = w.self.Node, w.self.Instance
	out.Addresses = StatusAddresses{Private: textOf(w.self.Private), Public: textOf(w.self.Public), IPv6: textOf(w.self.IPv6)}
	for i := range w.share.cfg.Services {
		out.Services = append(out.Services, v.service(&w.share.cfg.Services[i]))
	}
	for _, address := range slices.Concat(w.peers, w.notRunning()) {
		out.Peers = append(out.Peers, v.peer(address))
	}
	for _, c := range v.checks {
		c.Error = shorten(c.Error)
		out.SelfChecks = append(out.SelfChecks, c)
	}
	for _, o := range v.own {
		o.Addresses, o.Error = shorten(o.Addresses), shorten(o.Error)
		out.OwnNames = append(out.OwnNames, o)
	}
	if v.rejected != nil {
		out.Rejected = map[string]uint64{}
		for why, n := range v.rejected {
			out.Rejected[why.String()] = n
		}
	}
	out.Dropped = v.loop.Dropped
	out.Problems = append(out.Problems, v.problems(&out)...)
	return out
}

func (v *view) service(c *ServiceConfig) StatusService {
	s, runs := v.loop.Services[c.key()]
	st := &s.State
	out := StatusService{
		Name: c.Name, Mode: c.Mode, Role: st.Role.String(), Holder: shorten(s.Holder), Epoch: st.Epoch, Provisional: st.Provisional,
		Healthy: st.Health.Known && st.Health.OK, Paused: st.Paused, Leaving: st.Leaving,
		HoldDown: seconds(time.Duration(c.HoldDown)), HoldingDown: st.Waiting.Code == engine.HoldingDown,
		Guarantee: v.guarantee(c), Detection: detection(&s, c.Witness != ""),
		Witness: v.probe(st.Witness, c.Witness != "", v.ended(c, "witness")),
		Control: v.probe(st.Control, v.wanted.share.cfg.Reference != "", v.ended(c, "reference")),
		Targets: []StatusTarget{}, Peers: []StatusPeerService{},
	}
	switch {
	case !runs:
		out.Waiting = "it does not run yet"
	case st.Waiting.Code != engine.NoReason:
		out.Waiting = shorten(st.Waiting.String())
	}
	for i := range s.Targets {
		out.Targets = append(out.Targets, v.target(c, &s, &s.Targets[i]))
	}
	for i := range st.Peers {
		p := &st.Peers[i]
		b := &p.Body
		out.Peers = append(out.Peers, StatusPeerService{
			Address: p.ID, Name: shorten(b.Name), Active: b.Active, Epoch: b.Epoch, Healthy: b.Healthy, Able: b.Able, Doubtful: b.Doubtful,
			Leaving: b.Leaving, Paused: b.Paused, SameDefinition: b.Hash == s.Settings.Hash, Unseen: b.Unseen, UnseenOf: b.UnseenOf, Hears: b.Hears,
		})
	}
	return out
}

// detection says when a silent holder is taken for dead (R4).
func detection(s *ServiceStatus, witness bool) string {
	cfg := &s.Settings
	if cfg.Mode == modeAll && len(cfg.Peers) > 0 {
		return detectionOfMembers(cfg, witness)
	}
	if s.State.Role == engine.Active || len(cfg.Peers) == 0 {
		return ""
	}
	holder := "a holder"
	if s.Holder != "" {
		holder = shorten(s.Holder)
	}
	const text = "%s is taken for dead after %d missed heartbeats (%s)%s"
	n, why := cfg.Fall, " if the witness fails, too"
	if !s.State.Witness.Armed {
		n, why = 2*cfg.Fall, ", which is twice fall, because there is no witness"
		if witness {
			why = ", which is twice fall, because the witness has not passed since the holder's claim"
		}
	}
	return fmt.Sprintf(text, holder, n, time.Duration(n)*cfg.Interval, why)
}

// detectionOfMembers says when a silent node is taken out of a record of mode all.
func detectionOfMembers(cfg *engine.Settings, witness bool) string {
	n := 2 * cfg.Fall
	late := fmt.Sprintf("after %d missed heartbeats (%s)", n, time.Duration(n)*cfg.Interval)
	if !witness {
		return "another node is taken out " + late + ", which is twice fall, because there is no witness"
	}
	return fmt.Sprintf("another node is taken out after %d missed heartbeats (%s) if its witness fails, too, and %s if that has not passed since it joined",
		cfg.Fall, time.Duration(cfg.Fall)*cfg.Interval, late)
}

// probe is what the engine makes of a probe, and why the last one of its kind did not pass.
func (v *view) probe(p engine.Probe, configured bool, last *ProbeStatus) StatusProbe {
	out := StatusProbe{Configured: configured, Armed: p.Armed, OK: p.Ended && p.OK, Age: -1}
	if p.Ended {
		out.Age = seconds(v.loop.Now - p.Started)
	}
	if last != nil && p.Ended && !p.OK {
		out.Error = last.Error
	}
	return out
}

// ended is how the last probe of a kind ended, or nil if there was none.
func (v *view) ended(c *ServiceConfig, what string) *ProbeStatus {
	all := v.probes[c.key()]
	i := slices.IndexFunc(all, func(p ProbeStatus) bool { return p.What == what })
	if i < 0 {
		return nil
	}
	p := all[i]
	p.Error = shorten(p.Error)
	return &p
}

// peer is a peer as the heartbeats show it, which are the same for all services.
func (v *view) peer(address string) StatusPeer {
	p := v.loop.Peers[address]
	out := StatusPeer{Address: address, Name: shorten(p.Node), Instance: shorten(p.Instance), Reply: "it has not been asked yet"}
	if p.Asked {
		out.Up, out.Reply = p.Reply == engine.Answered, replyTexts[p.Reply]
	}
	if p.Err != nil {
		out.Error = shorten(p.Err.Error())
	}
	for _, s := range v.loop.Services {
		for i := range s.State.Peers {
			if s.State.Peers[i].ID == address {
				out.Misses = max(out.Misses, s.State.Peers[i].Misses)
			}
		}
	}
	return out
}

func textOf(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// seconds are those of a duration, to the millisecond.
func seconds(d time.Duration) float64 { return math.Round(max(0, d.Seconds())*1000) / 1000 }

// shorten bounds a text that comes from outside.
func shorten(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= maxStatusText {
		return s
	}
	n := maxStatusText
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
