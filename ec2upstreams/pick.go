package ec2upstreams

import (
	"math/rand/v2"
	"slices"

	"github.com/cespare/xxhash/v2"
)

// maxSubset is the largest subset: choosing costs the same for every fleet, and grows with the subset alone.
const maxSubset = 16

// choice is a backend that a picker may choose.
type choice struct {
	dial   string
	weight int // 1 or more
}

// picker chooses among a fixed list of backends. It is never changed after it was made, so requests share it without
// a lock.
type picker struct {
	dials []string // in the order of the fleet
	alias aliasTable
	ring  hashRing
}

// newPicker prepares the tables that mode needs.
func newPicker(choices []choice, mode pickMode) *picker {
	p := &picker{dials: make([]string, len(choices))}
	for i, c := range choices {
		p.dials[i] = c.dial
	}
	switch mode {
	case pickRandom:
		p.alias = newAliasTable(choices)
	case pickHash:
		p.ring = newHashRing(choices)
	}
	return p
}

func (p *picker) len() int {
	if p == nil {
		return 0
	}
	return len(p.dials)
}

// random fills out with distinct backends, drawn by weight without replacement, and returns how many there are. A
// backend that failed this request before (avoid, may be empty) comes last, and only if there is room.
func (p *picker) random(out []string, avoid string) int {
	n := min(len(out), len(p.dials))
	var chosen [maxSubset]int
	k := 0
	take := func(i int) {
		for _, c := range chosen[:k] {
			if c == i {
				return
			}
		}
		if avoid != "" && p.dials[i] == avoid {
			return
		}
		chosen[k] = i
		out[k] = p.dials[i]
		k++
	}
	// Drawing again on a double keeps the odds of drawing without replacement. Very uneven weights could make that
	// long, so the rest is filled from a random place after a bounded number of draws.
	for tries := 0; k < n && tries < 8*maxSubset; tries++ {
		take(p.alias.draw(len(p.dials)))
	}
	if k < n {
		from := rand.IntN(len(p.dials))
		for i := 0; k < n && i < len(p.dials); i++ {
			take((from + i) % len(p.dials))
		}
	}
	if k < n { // all the others are in
		out[k] = avoid
		k++
	}
	return k
}

// byKey fills out with the backends that a key belongs to, best first. The same key gives the same backends on
// every load balancer, and a backend that comes or goes moves only the keys it wins or held.
func (p *picker) byKey(out []string, key, avoid string) int {
	var best [maxSubset]int
	k := p.ring.nearest(xxhash.Sum64String(key), best[:min(len(out), len(p.dials))])
	for i, c := range best[:k] {
		out[i] = p.dials[c]
	}
	if i := slices.Index(out[:k], avoid); i >= 0 {
		copy(out[i:k], out[i+1:k])
		out[k-1] = avoid
	}
	return k
}

// aliasTable draws an index by weight in constant time: Vose, "A linear algorithm for generating random numbers with a
// given distribution", IEEE Transactions on Software Engineering 17(9), 1991. Empty means equal weights.
type aliasTable struct {
	keep  []uint32 // odds, of 2^32, that a slot keeps its own index
	other []int32  // what it gives otherwise
}

func newAliasTable(choices []choice) aliasTable {
	n, sum, equal := len(choices), 0, true
	for _, c := range choices {
		sum += c.weight
		equal = equal && c.weight == choices[0].weight
	}
	if n == 0 || equal {
		return aliasTable{}
	}
	t := aliasTable{make([]uint32, n), make([]int32, n)}
	scaled := make([]float64, n)
	var small, large []int32
	for i, c := range choices {
		scaled[i] = float64(c.weight) * float64(n) / float64(sum)
		if scaled[i] < 1 {
			small = append(small, int32(i))
		} else {
			large = append(large, int32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		t.keep[s], t.other[s] = uint32(scaled[s]*(1<<32)), l
		scaled[l] -= 1 - scaled[s]
		if scaled[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) { // what rounding left over keeps its own index
		t.keep[i], t.other[i] = ^uint32(0), i
	}
	return t
}

func (t aliasTable) draw(n int) int {
	i := rand.IntN(n)
	if t.keep != nil && rand.Uint32() >= t.keep[i] {
		return int(t.other[i])
	}
	return i
}
