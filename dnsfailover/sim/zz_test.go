package sim

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func TestZZ(t *testing.T) {
	var seed uint64
	fmt.Sscan(os.Getenv("ZZ"), &seed)
	var from, to float64
	fmt.Sscan(os.Getenv("ZZT"), &from, &to)
	Run(Plan(seed), Options{Step: func(now time.Duration, cfg *engine.Settings, st engine.State, e engine.Event) (engine.State, []engine.Action) {
		s, a := engine.Step(now, cfg, st, e)
		if cfg.Node == os.Getenv("ZZN") && (now-st.Began).Seconds() > from && (now-st.Began).Seconds() < to {
			fmt.Printf("%.3f %T %+v\n   -> %T %+v\n", (now - st.Began).Seconds(), e, e, a, a)
			fmt.Printf("   role %v wait %v home %+v\n", s.Role, s.Waiting, s.Targets[0])
		}
		return s, a
	}})
}
