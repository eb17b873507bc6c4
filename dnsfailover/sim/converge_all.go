package sim

import "slices"

// allIn reports whether every record of mode all holds whom it should; why says
// what is wrong.
func (w *world) allIn() (ok bool, why string) {
	for _, t := range w.targets {
		if why := w.isIn(t); why != "" {
			return false, why
		}
	}
	return true, ""
}

// isIn says what is wrong with a record of mode all.
func (w *world) isIn(t *target) string {
	r, x := t.now(), t.last().roll
	leases := entries(&r.Lease)
	var able, healthy, candidates, living uint8 // as bits; candidates are healthy if somebody is
	for id, n := range w.nodes {
		if !n.up || n.frozen > 0 || n.leaving {
			continue
		}
		living |= 1 << id
		if !w.able(id) || n.opPaused {
			continue
		}
		able |= 1 << id
		if n.well() {
			healthy |= 1 << id
		}
	}
	if candidates = healthy; healthy == 0 {
		candidates = able
	}
	ours, foreign := 0, []string{}
	for _, a := range split(r.Addrs) {
		id := t.known(indexOf(nodeAddrs[:], a))
		if id < 0 || w.nobodyKnows(id, t) {
			foreign = append(foreign, a)
		} else {
			ours++
		}
	}
	works := !w.plan.Foreign || w.anyWorks(join(foreign))
	switch {
	case able == 0, r.Refuse != "", len(foreign) > 0 && ours == 0 && works:
		return "" // hands off
	case !r.Exists:
		return "nobody is in " + t.id
	case x.others != "" && !works:
		return t.id + " leads to somebody else who does not work"
	case healthy == 0 && x.in&living == 0:
		return "nobody who lives is in " + t.id
	}
	for id, n := range w.nodes {
		name := nodeNames[id]
		bit := uint8(1) << id
		m := entry(leases, name)
		switch {
		case healthy&bit != 0 && !x.has(id):
			return name + " is not in " + t.id
		case healthy&bit != 0 && (m == nil || x.leased&bit == 0 || r.Lease.Members == ""):
			return name + " is in " + t.id + " without a lease"
		case healthy&bit != 0 && (m.Hash != n.cfg.Hash || m.Instance != n.cfg.Instance):
			return name + " is in " + t.id + " with a lease that is not what it would write"
		case candidates&^bit == 0 || !x.has(id): // it is the last, or out
		case living&bit == 0 && (!w.nobodyKnows(id, t) || w.plan.Foreign) && (healthy|able&x.in) != 0: // else nobody may
			return name + " is in " + t.id + " and does not run"
		case healthy != 0 && living&bit != 0 && !n.well() && w.able(id) && !n.opPaused:
			return name + " is in " + t.id + " and is not healthy"
		}
	}
	return ""
}

// nobodyKnows reports whether nobody who could act has a way to know that an
// address without a lease is one of ours. Peers say what they have in the home;
// elsewhere a node knows its own address alone.
func (w *world) nobodyKnows(id int, t *target) bool {
	r := t.now()
	n := w.nodes[id]
	switch {
	case entry(entries(&r.Lease), nodeNames[id]) != nil:
		return false
	case t.index > 0:
		return !n.up || n.frozen > 0 || n.leaving || n.opPaused || !w.able(id)
	case n.up:
		return false
	}
	return !slices.ContainsFunc(w.nodes, func(n *node) bool { return n.up && w.able(n.id) && !n.opPaused && n.told[id].heard })
}
