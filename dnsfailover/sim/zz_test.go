package sim

import (
	"os"
	"strings"
	"testing"
)

func TestZZ(t *testing.T) {
	want := os.Getenv("ZZ")
	if want == "" {
		t.Skip()
	}
	n := 0
	for i := uint64(1); i < 3000 && n < 2; i++ {
		s := Plan(i)
		if s.Regime != HomeLost || s.Faults[1].Kind != Kill || s.Faults[1].For != 0 {
			continue
		}
		n++
		r := Run(s, Options{Step: real.Step, Trace: true})
		t.Log(strings.Join(r.Trace, "\n"))
	}
}
