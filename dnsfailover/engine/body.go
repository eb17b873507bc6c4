package engine

import "time"

// Body is what a node says of one service when it answers a heartbeat.
type Body struct {
	Name, Instance string

	// Active: it holds the service. Epoch is the highest one it knows;
	// Provisional says that it holds followers under it while the home can't be
	// read.
	Active, Provisional bool
	Epoch               uint64

	// Writes counts what it has written since it started: whoever sees it change
	// reads the targets again.
	Writes uint64

	// Healthy: its own checks pass. Checked is how long ago the last round that
	// passed had begun.
	Healthy bool
	Checked time.Duration

	// Able: nothing that it would have to write is denied to it. Doubtful:
	// something was, of late, and has not been allowed since; such a node is
	// able if it has to be. Leaving and Paused are as in [Stop] and [Pause].
	Able, Doubtful, Leaving, Paused bool

	// Hears are the names of the peers that answer it: a single heartbeat that
	// was missed does not end that, unless two are silence already.
	Hears []string

	// Hash is that of the definition it was told.
	Hash string

	// Addrs is what the home record holds when the node has it.
	Addrs string

	// Unseen: the witness fails for it, though it had passed since the holder's
	// claim. The holder, who answers heartbeats, is told in this way.
	Unseen bool

	// UnseenOf is Unseen in [ModeAll]: the names of the nodes in the home record
	// for which the witness fails, though it had passed since they joined.
	UnseenOf []string

	// Missing: it has read the home, and there is none.
	Missing bool
}

// answers reports whether a peer answers, as far as its latest heartbeats tell.
func (p *PeerState) answers(cfg *Settings) bool {
	return p.Known && !p.Gone && !p.Alien && p.Misses < max(1, cfg.Fall-1)
}

// Body is what the node says now. It shares nothing with the state that a later
// step changes.
func (st *State) Body(now time.Duration, cfg *Settings) Body {
	b := Body{
		Name: cfg.Node, Instance: cfg.Instance,
		Active: st.Role == Active, Provisional: st.Provisional != 0, Epoch: st.Epoch, Writes: st.writes,
		Healthy: st.Health.OK, Checked: now - st.Health.Started,
		Able: st.able(), Doubtful: st.doubtful(now, cfg), Leaving: st.Leaving, Paused: st.Paused,
		Hash: cfg.Hash,
	}
	if len(cfg.Targets) > 0 {
		b.Addrs = cfg.Targets[0].Addrs
	}
	n := 0
	for i := range st.Peers {
		if st.Peers[i].answers(cfg) {
			n++
		}
	}
	if n > 0 {
		b.Hears = make([]string, 0, n)
		for i := range st.Peers {
			if p := &st.Peers[i]; p.answers(cfg) {
				b.Hears = append(b.Hears, p.Body.Name)
			}
		}
	}
	if cfg.Mode == ModeAll {
		for i := range st.Members {
			if m := &st.Members[i]; m.fails() {
				b.UnseenOf = append(b.UnseenOf, m.Node)
			}
		}
	} else {
		b.Unseen = st.unseen()
	}
	b.Missing = len(st.Targets) > 0 && st.Targets[0].Known && !st.Targets[0].Reading.Exists
	return b
}
