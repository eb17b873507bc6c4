package sim

import "testing"

// TestPlanDrawsAll: every shape with every number of nodes, in the modes that it
// has, and every start and regime with each of them.
func TestPlanDrawsAll(t *testing.T) {
	type kind struct {
		all   bool
		shape Shape
	}
	nodes, starts, regimes := map[kind]map[int]int{}, map[kind]map[Start]int{}, map[kind]map[Regime]int{}
	var all int
	const drawn = 20_000
	for seed := range uint64(drawn) {
		s := Plan(seed)
		k := kind{s.All, s.Shape}
		if nodes[k] == nil {
			nodes[k], starts[k], regimes[k] = map[int]int{}, map[Start]int{}, map[Regime]int{}
		}
		nodes[k][s.Nodes]++
		starts[k][s.Start]++
		regimes[k][s.Regime]++
		if !s.All {
			continue
		}
		all++
		if len(s.Prefer) > 0 || s.Failback > 0 || !s.Shape.records() {
			t.Fatalf("seed %d: mode all with %s, prefer %v, failback %s", seed, s.Shape, s.Prefer, s.Failback)
		}
	}
	if all < drawn/5 || all > drawn/3 {
		t.Errorf("%d of %d schedules are of mode all", all, drawn)
	}
	for shape := range numShapes {
		for _, mode := range []bool{false, true} {
			k := kind{mode, shape}
			if mode && !shape.records() {
				continue
			}
			if len(nodes[k]) != MaxNodes-1 {
				t.Errorf("mode all %t, %s: numbers of nodes %v", mode, shape, nodes[k])
			}
			want := int(numRegimes)
			if shape.targets() == 1 || shape == TwoRecords {
				want-- // the home can't be lost where nothing follows it
			}
			if len(regimes[k]) != want {
				t.Errorf("mode all %t, %s: regimes %v", mode, shape, regimes[k])
			}
			if want = 3; mode {
				want = 4
			}
			if len(starts[k]) != want {
				t.Errorf("mode all %t, %s: starts %v", mode, shape, starts[k])
			}
		}
	}
}
