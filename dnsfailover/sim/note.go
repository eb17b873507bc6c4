package sim

import "github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"

// noteStep counts what changed in a node.
func (w *world) noteStep(n *node, st *engine.State) {
	if w.plan.All && n.release.on && st.Paused {
		n.opPaused = true // a release in mode all lasts until somebody resumes it
	}
	if st.Waiting.Code != n.st.Waiting.Code {
		w.cover.Whys[st.Waiting.Code]++
		if st.Waiting.Code != engine.NoReason {
			w.tracef(n.id, "waits: %s", st.Waiting)
		}
	}
}

// noteTell counts a decision.
func (w *world) noteTell(n *node, a *engine.Tell) {
	w.cover.Tells[a.What]++
	w.cover.Whys[a.Why.Code]++
	w.mix(uint64(a.What)<<8 | uint64(a.Why.Code))
	w.tracef(n.id, "tells: %s %s from %q to %q, epoch %d: %s", whatNames[a.What], a.Target, a.From, a.To, a.Epoch, a.Why)
}
