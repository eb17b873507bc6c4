package dnsfailover

import (
	"context"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func TestDecisionsHaveNames(t *testing.T) {
	if n := int(engine.Dropped) + 1; len(decisionTexts) != n {
		t.Fatalf("%d kinds have a text, there are %d", len(decisionTexts), n)
	}
	seen := map[string]bool{}
	for kind, d := range decisionTexts {
		if !regexp.MustCompile(`^[a-z]+$`).MatchString(d.name) || d.text == "" || seen[d.name] {
			t.Errorf("kind %d has the name %q and the text %q", kind, d.name, d.text)
		}
		seen[d.name] = true
	}
}

func TestDecided(t *testing.T) {
	for _, tc := range []struct {
		name  string
		tell  engine.Tell
		level zapcore.Level
		want  map[string]any // what is logged
		event string
	}{
		{"a claim", engine.Tell{
			What: engine.Claimed, Target: "lb.example.com", From: "lb1", To: "lb2", Epoch: 7, Why: engine.Why{Code: engine.HolderSilent, Node: "lb1"},
		}, zapcore.InfoLevel, map[string]any{
			"decision": "claimed", "target": "lb.example.com", "from": "lb1", "to": "lb2", "epoch": uint64(7),
			"reason": "lb1 does not answer, and nothing speaks for it",
		}, "dnsfailover_claimed"},
		{"an operator's", engine.Tell{
			What: engine.Claimed, To: "lb2", Epoch: 8, Why: engine.Why{Code: engine.OperatorSays}, Order: "maintenance",
		}, zapcore.InfoLevel, map[string]any{
			"decision": "claimed", "to": "lb2", "epoch": uint64(8), "reason": "an operator said so", "order": "maintenance",
		}, "dnsfailover_claimed"},
		{"a loss", engine.Tell{What: engine.Lost, From: "lb1", To: "lb2", Epoch: 8}, zapcore.WarnLevel, map[string]any{
			"decision": "lost", "from": "lb1", "to": "lb2", "epoch": uint64(8),
		}, "dnsfailover_lost"},
		{"an offer at the exit", engine.Tell{What: engine.Offering, Why: engine.Why{Code: engine.Stopping}}, zapcore.InfoLevel, map[string]any{
			"decision": "offering", "reason": "it is stopping",
		}, "dnsfailover_offering"},
		{"an offer of the public path", engine.Tell{What: engine.Offering, Why: engine.Why{Code: engine.PublicPathFails}}, zapcore.WarnLevel, map[string]any{
			"decision": "offering", "reason": "its public path fails",
		}, "dnsfailover_offering"},
		{"waiting", engine.Tell{What: engine.Waiting, Why: engine.Why{Code: engine.IsPaused}}, zapcore.InfoLevel, map[string]any{
			"decision": "waiting", "reason": "this node is paused",
		}, "dnsfailover_waiting"},
		{"waiting for somebody to act", engine.Tell{What: engine.Waiting, Why: engine.Why{Code: engine.SameName, Node: "lb1"}}, zapcore.WarnLevel, map[string]any{
			"decision": "waiting", "reason": "another machine answers under the name lb1: give each node its own",
		}, "dnsfailover_waiting"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			core, logs := observer.New(zapcore.DebugLevel)
			events := make(chan queuedEvent, 1)
			a := &App{log: zap.New(core)}
			a.emitter = runEmitter(context.Background(), a.log, func(name string, data map[string]any) { events <- queuedEvent{name, data} })
			before := decisions.get("decided test")[tc.tell.What]
			a.decided("decided test", tc.tell)
			a.emitter.stop()

			lines := logs.All()
			if len(lines) != 1 || lines[0].Level != tc.level {
				t.Fatalf("the log is %+v", lines)
			}
			tc.want["service"] = "decided test"
			if diff := cmp.Diff(tc.want, lines[0].ContextMap()); diff != "" {
				t.Errorf("- was to be logged, + was:\n%s", diff)
			}
			ev := <-events
			delete(tc.want, "decision")
			if diff := cmp.Diff(tc.want, ev.data); diff != "" || ev.name != tc.event {
				t.Errorf("the event %s; - is expected, + came:\n%s", ev.name, diff)
			}
			if n := decisions.get("decided test")[tc.tell.What]; n != before+1 {
				t.Errorf("%d are counted, and %d were before", n, before)
			}
		})
	}
}
