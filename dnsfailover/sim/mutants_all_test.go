package sim

// mutantsOfAll are deliberate breakages of the rules of mode all. Those of what
// both modes share are among [mutants].
var mutantsOfAll = []mutant{
	{"it writes before it has heard everybody", "A1", []edit{
		{"engine/all.go", "\tcase !s.resumed:\n\t\treturn Why{Code: PeersUnheard}\n", ""},
	}},
	{"who joins writes itself alone", "A2 R5", []edit{
		{"engine/all.go", "\t\tif o == own || o.kind == emptySeat ||", "\t\tif o == own || own == nil || o.kind == emptySeat ||"},
	}},
	{"who joins writes back what somebody has edited away", "A2", []edit{
		{"engine/all.go", "\t\taddrs = append(addrs, o.here)", "\t\taddrs = append(addrs, o.Addrs)"},
		{"engine/all.go", " || o.kind == emptySeat ||", " ||"},
	}},
	{"a node joins though its control probe fails", "A2", []edit{
		{"engine/all.go", "\tcase s.Control.Armed && !s.Control.OK:\n\t\treturn Why{Code: ControlFails}\n", ""},
	}},
	{"who joins takes an epoch that was there", "R2", []edit{
		{"engine/all.go", "max(s.Epoch, t.Reading.Lease.Epoch) + 1", "max(t.Reading.Lease.Epoch, 1)"},
	}},
	{"the public path is the word of any peer", "A3", []edit{
		{"engine/probe.go", "\t\treturn f.failed >= s.cfg.Fall\n", "\t\treturn true\n"},
	}},
	{"it is back at once after its public path has failed", "A3", []edit{
		{"engine/all_learn.go", "\t\t\ts.rejoinAt = s.now + s.cfg.HoldDown\n", ""},
	}},
	{"the last one leaves", "A6", []edit{
		{"engine/all_quit.go", "why.Code != NoReason && s.relief(why, seats)", "why.Code != NoReason"},
	}},
	{"it leaves to one that may be ill of the same", "A6", []edit{
		{"engine/all_quit.go", "\t\tcase why.Code == CheckFails && p.asked-p.Body.Checked <= s.Health.Failed:\n", ""},
	}},
	{"one that answers is taken out when the witness fails", "R5", []edit{
		{"engine/all_seats.go", "\t\t\to.cause, o.why = s.judgeDeath(s.claimedBy(i, o.Node))\n",
			"\t\t\to.cause, o.why = s.judgeDeath(s.claimedBy(i, o.Node))\n\t\t\tif p := s.sees(o.Node); p != nil && p.fails() {\n\t\t\t\to.cause, o.why = DeadGone, Why{HolderGone, o.Node}\n\t\t\t}\n"},
	}},
	{"one miss takes a node out", "R4", []edit{
		{"engine/holder.go", "\tif misses < need {", "\tif misses < need && !(s.all() && misses == 1) {"},
	}},
	{"nobody's witness is heard in mode all", "R4", []edit{
		{"engine/holder.go", "\t\tcase c.witness.OK:", "\t\tcase c.witness.OK && !s.all():"},
	}},
	{"everybody takes the dead out at once", "R6", []edit{
		{"engine/all.go", "\treturn t.purge.at + time.Duration(before)*Stagger, before > 0", "\treturn t.purge.at + 0*time.Duration(before), false"},
	}},
	{"an ill node takes others out", "I7", []edit{
		{"engine/all.go", "\tif len(gone) > 0 && (s.fit() || s.lastResort()) {", "\tif len(gone) > 0 {"},
	}},
	{"silence counts right after a joining", "R9", []edit{
		{"engine/holder.go", "\tif !s.due(s.cfg.settleTime(c.at, need)) {", "\tif !s.all() && !s.due(s.cfg.settleTime(c.at, need)) {"},
	}},
	{"silence counts against one that has joined and was never heard", "I6", []edit{
		{"engine/holder.go", "\tif c.isNew && s.answersOf", "\tif !s.all() && c.isNew && s.answersOf"},
	}},
	{"a node that was taken out strikes back", "I6", []edit{
		{"engine/all_learn.go", "\t\t\tm.at, m.isNew, m.answersAt = s.now, true, s.answersOf(m.node)\n", "\t\t\t_ = m\n"},
	}},
	{"an ill node joins", "I7", []edit{
		{"engine/all.go", "\tcase !s.fit() && (living > 0 || !s.lastResort()):\n\t\treturn Why{Code: IsUnhealthy}\n", ""},
	}},
	{"what is none of ours is taken out unasked", "A7", []edit{
		{"engine/all_seats.go", "\t\t\to.cause, o.why = s.causeStranger(&o.foreign)\n", "\t\t\to.cause, o.why = Stranger, Why{Code: StrangerDown}\n"},
	}},
	{"what is none of ours alone is joined", "A7", []edit{
		{"engine/all.go", "\tcase strangers > 0 && !leased:\n", "\tcase false && !leased:\n"},
	}},
	{"another definition is written over", "A8", []edit{
		{"engine/all.go", "\t\tif hash != s.cfg.Hash {\n", "\t\tif hash == \"\" {\n"},
	}},
	{"a member writes its part at every look", "A9", []edit{
		{"engine/all.go", "\treturn t.converge\n", "\treturn true\n"},
	}},
	{"nobody is the last resort", "I5", []edit{
		{"engine/all.go", "return s.none && s.due(s.noneSince+LastResort)", "return s.none && s.due(s.noneSince+LastResort) && false"},
	}},
	{"a paused node joins", "pause", []edit{
		{"engine/all.go", "\tcase s.Paused:\n\t\treturn Why{Code: IsPaused}\n", ""},
	}},
	{"a stopping node joins", "R6", []edit{
		{"engine/all.go", "\tcase s.Leaving:\n\t\treturn Why{Code: IsLeaving}\n", ""},
	}},
	{"a released node is back at once", "A11", []edit{
		{"engine/all_quit.go", "\ts.Paused = s.Paused || out\n", ""},
	}},
	{"a denied node goes on", "R10", []edit{
		{"engine/all.go", "\tcase !s.able():\n\t\treturn Why{Code: IsDenied}\n", ""},
	}},
}
