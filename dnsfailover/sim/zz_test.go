package sim

import (
	"os"
	"testing"
)

func TestZZ(t *testing.T) {
	want := os.Getenv("ZZ")
	if want == "" {
		t.Skip()
	}
	n := 0
	for i := uint64(1); i < 3000 && n < 40; i++ {
		s := Plan(i)
		r := Run(s, real)
		if r.Violation != nil && r.Violation.Name == want {
			n++
			t.Logf("%d %s %s: %s", i, s.Regime, s.Shape, r.Violation)
		}
	}
}
