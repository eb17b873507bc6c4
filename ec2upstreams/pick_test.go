package ec2upstreams

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func choices(weights ...int) []choice {
	var out []choice
	for i, w := range weights {
		out = append(out, choice{fmt.Sprintf("10.0.%d.%d:80", i/250, i%250), w})
	}
	return out
}

func sameWeight(n int) []choice { return choices(slices.Repeat([]int{defaultWeight}, n)...) }

// share draws many times and returns how often each backend came first.
func share(draws int, draw func(out []string) int) map[string]float64 {
	got := make(map[string]float64)
	var out [maxSubset]string
	for range draws {
		draw(out[:])
		got[out[0]] += 1 / float64(draws)
	}
	return got
}

func TestRandomFollowsTheWeights(t *testing.T) {
	for _, weights := range [][]int{{100, 100}, {100, 300}, {1, 1000}, {10, 20, 30, 40}, {1000, 1, 1, 1}} {
		t.Run(fmt.Sprint(weights), func(t *testing.T) {
			c := choices(weights...)
			p := newPicker(c, pickRandom)
			sum := 0
			for _, w := range weights {
				sum += w
			}
			const draws = 200_000
			got := share(draws, func(out []string) int { return p.random(out[:1], "") })
			for i, w := range weights {
				want := float64(w) / float64(sum)
				// Five standard deviations: one false alarm in millions of runs.
				if off := math.Abs(got[c[i].dial] - want); off > 5*math.Sqrt(want*(1-want)/draws) {
					t.Errorf("weight %d got a share of %.4f, want %.4f", w, got[c[i].dial], want)
				}
			}
		})
	}
}

// Without replacement: the second of two is drawn by weight among the others.
func TestRandomSecondDraw(t *testing.T) {
	c := choices(100, 200, 700)
	p := newPicker(c, pickRandom)
	const draws = 200_000
	second := make(map[[2]string]float64)
	var out [2]string
	for range draws {
		p.random(out[:], "")
		second[out] += 1 / float64(draws)
	}
	for i, a := range c {
		for j, b := range c {
			if i == j {
				continue
			}
			want := float64(a.weight) / 1000 * float64(b.weight) / float64(1000-a.weight)
			if off := math.Abs(second[[2]string{a.dial, b.dial}] - want); off > 5*math.Sqrt(want*(1-want)/draws) {
				t.Errorf("%d then %d: share %.4f, want %.4f", i, j, second[[2]string{a.dial, b.dial}], want)
			}
		}
	}
}

func TestPickersGiveDistinctKnownBackends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, maxWeight), 1, 60).Draw(t, "weights")
		n := rapid.IntRange(1, maxSubset).Draw(t, "subset")
		key := rapid.String().Draw(t, "key")
		c := choices(weights...)
		avoid := ""
		if rapid.Bool().Draw(t, "retry") {
			avoid = c[rapid.IntRange(0, len(c)-1).Draw(t, "avoid")].dial
		}
		for mode, draw := range map[pickMode]func(p *picker, out []string) int{
			pickRandom: func(p *picker, out []string) int { return p.random(out, avoid) },
			pickHash:   func(p *picker, out []string) int { return p.byKey(out, key, avoid) },
		} {
			var out [maxSubset]string
			k := draw(newPicker(c, mode), out[:n])
			if want := min(n, len(c)); k != want {
				t.Fatalf("%s: %d backends, want %d", mode, k, want)
			}
			seen := make(map[string]bool)
			for i, d := range out[:k] {
				if seen[d] || !slices.ContainsFunc(c, func(c choice) bool { return c.dial == d }) {
					t.Fatalf("%s: %q is unknown or there twice in %q", mode, d, out[:k])
				}
				if d == avoid && i != k-1 {
					t.Fatalf("%s: the backend to avoid is not the last of %q", mode, out[:k])
				}
				seen[d] = true
			}
		}
	})
}

func TestEmptyPicker(t *testing.T) {
	var none *picker
	if none.len() != 0 || newPicker(nil, pickHash).byKey(make([]string, 2), "x", "") != 0 || newPicker(nil, pickRandom).random(make([]string, 2), "") != 0 {
		t.Error("an empty picker gives something")
	}
}

func TestHashSpreadsKeys(t *testing.T) {
	for _, n := range []int{3, 10, 100, 1000} {
		p := newPicker(sameWeight(n), pickHash)
		keys := n * 2000
		load := make(map[string]int)
		var out [1]string
		for k := range keys {
			p.byKey(out[:], fmt.Sprint("session-", k), "")
			load[out[0]]++
		}
		mean := float64(keys) / float64(n)
		busiest := 0.0
		for _, l := range load {
			busiest = max(busiest, float64(l)/mean)
		}
		// 21 probes promise about 1.05; the sample of keys adds its own noise.
		if len(load) != n || busiest > 1.2 {
			t.Errorf("%d backends: %d got keys, the busiest %.3f times the mean", n, len(load), busiest)
		}
	}
}

func TestHashFollowsTheWeights(t *testing.T) {
	weights := append(slices.Repeat([]int{100}, 20), slices.Repeat([]int{300}, 20)...)
	c := choices(weights...)
	p := newPicker(c, pickHash)
	light, heavy := 0, 0
	var out [1]string
	for k := range 80_000 {
		p.byKey(out[:], fmt.Sprint(k), "")
		if slices.ContainsFunc(c[:20], func(c choice) bool { return c.dial == out[0] }) {
			light++
		} else {
			heavy++
		}
	}
	if r := float64(heavy) / float64(light); r < 2.7 || r > 3.3 {
		t.Errorf("three times the weight got %.2f times the keys", r)
	}
}

// A backend that goes moves only its own keys, each to the one that was its second; when it returns, all is as before.
func TestHashMovesOnlyWhatItMust(t *testing.T) {
	all := sameWeight(50)
	gone := all[17].dial
	rest := slices.Concat(all[:17], all[18:])
	before, after := newPicker(all, pickHash), newPicker(rest, pickHash)
	moved := 0
	for k := range 20_000 {
		key := fmt.Sprint("k", k)
		var was, is [2]string
		before.byKey(was[:], key, "")
		after.byKey(is[:], key, "")
		want := was[0]
		if want == gone {
			moved++
			want = was[1]
		}
		if is[0] != want {
			t.Fatalf("key %s: %q before, %q after %s is gone", key, was, is, gone)
		}
	}
	if moved == 0 {
		t.Error("no key belonged to the backend that went")
	}
}

// The table must be the same on every load balancer and in every release: sessions live longer than processes.
func TestHashIsTheSameEverywhere(t *testing.T) {
	p := newPicker(sameWeight(10), pickHash)
	var out [3]string
	p.byKey(out[:], "session-1", "")
	if want := [3]string{"10.0.0.0:80", "10.0.0.1:80", "10.0.0.3:80"}; out != want {
		t.Errorf("session-1 belongs to %q, want %q", out, want)
	}
}

func TestAvoidedBackendComesBackWhenAlone(t *testing.T) {
	c := sameWeight(1)
	var out [2]string
	if n := newPicker(c, pickRandom).random(out[:], c[0].dial); n != 1 || out[0] != c[0].dial {
		t.Errorf("got %q", out[:n])
	}
}

// A fleet that is not larger than the subset is drawn in weighted order all the same: lb_policy first takes the first.
func TestWeightsOfASmallFleet(t *testing.T) {
	c := choices(100, 900)
	p := newPicker(c, pickRandom)
	got := share(50_000, func(out []string) int { return p.random(out[:2], "") })
	if s := got[c[1].dial]; s < 0.88 || s > 0.92 {
		t.Errorf("nine times the weight came first in %.3f of the draws, want 0.9", s)
	}
}
