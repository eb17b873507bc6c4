package ec2upstreams

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"
)

const (
	// probes is how many places of the ring a key looks at. With 21 the busiest backend gets about 1.05 times the
	// mean: Appleton and O'Reilly, "Multi-probe consistent hashing", 2015, section 3.
	probes = 21
	// pointsPerWeight is how many points a backend of the default weight has. Many backends would do with one each; a
	// few would share the ring unevenly, and weights need something to differ in.
	pointsPerWeight = 10
)

type ringPoint struct {
	hash  uint64
	index int32
}

// hashRing is a multi-probe consistent-hash table: each backend has a few points on a ring of 2^64, a key probes
// several places, and the backends at the shortest distance after a probe are its own, in that order.
type hashRing struct {
	points []ringPoint // sorted by hash
	start  []int32     // for each value of the hash's top bits, the first point at or after it
	shift  uint
}

func newHashRing(choices []choice) hashRing {
	points := func(weight int) int { return max(1, (weight*pointsPerWeight+defaultWeight/2)/defaultWeight) }
	total := 0
	for _, c := range choices {
		total += points(c.weight)
	}
	r := hashRing{points: make([]ringPoint, 0, total)}
	for i, c := range choices {
		n := points(c.weight)
		h := xxhash.Sum64String(c.dial)
		for j := range n {
			// The j-th point depends on nothing but the address: points stay where they are when weights change.
			r.points = append(r.points, ringPoint{mix(h + uint64(j)), int32(i)})
		}
	}
	slices.SortFunc(r.points, func(a, b ringPoint) int {
		switch {
		case a.hash < b.hash:
			return -1
		case a.hash > b.hash:
			return 1
		}
		return cmp.Compare(a.index, b.index)
	})

	// About one point for each value of the top bits makes finding a place a look-up and a short walk.
	width := max(1, bits.Len(uint(len(r.points))))
	r.shift = uint(64 - width)
	r.start = make([]int32, 1<<width)
	p := 0
	for v := range r.start {
		for p < len(r.points) && r.points[p].hash>>r.shift < uint64(v) {
			p++
		}
		r.start[v] = int32(p)
	}
	return r
}

// successor is the index of the first point at or after h, around the ring.
func (r *hashRing) successor(h uint64) int {
	if len(r.points) == 0 {
		return 0
	}
	i := int(r.start[h>>r.shift])
	for i < len(r.points) && r.points[i].hash < h {
		i++
	}
	if i == len(r.points) {
		return 0
	}
	return i
}

// nearest fills best with distinct backends, nearest first by their shortest distance behind any probe, and returns how
// many there are. The order of the others stays the same when one of them goes.
func (r *hashRing) nearest(key uint64, best []int) int {
	var distance [maxSubset]uint64
	k := 0
	for j := range uint64(probes) {
		h := mix(key + j*0x9e3779b97f4a7c15) // odd multiples of the golden ratio spread the probes
		at := r.successor(h)
		for range r.points {
			p := r.points[at]
			d := p.hash - h
			if k == len(best) && (k == 0 || d >= distance[k-1]) {
				break
			}
			k = place(best, distance[:], k, int(p.index), d)
			if at++; at == len(r.points) {
				at = 0
			}
		}
	}
	return k
}

// place puts index where its distance belongs among the first k, once, and returns how many there are then.
func place(best []int, distance []uint64, k, index int, d uint64) int {
	i := slices.Index(best[:k], index)
	switch {
	case i >= 0 && distance[i] <= d:
		return k
	case i < 0 && k < len(best):
		i = k
		k++
	case i < 0:
		i = k - 1
	}
	for ; i > 0 && distance[i-1] > d; i-- {
		best[i], distance[i] = best[i-1], distance[i-1]
	}
	best[i], distance[i] = index, d
	return k
}

// mix spreads every bit of h over all 64: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
