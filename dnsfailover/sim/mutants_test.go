package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

// mutant is one deliberate breakage of what is simulated. The simulator that
// does not find it is not strict enough, or the rule is not needed.
type mutant struct {
	name   string
	breaks string // the rule or invariant
	edits  []edit
}

// edit replaces a text that a file below dnsfailover holds exactly once.
type edit struct{ file, old, new string }

var mutants = []mutant{
	{"a verdict outlives its reading", "R1", []edit{
		{"engine/claim.go", "\tif s.forced(i, h) {", "\tif h.who == peer && t.verdict.on && s.peer(h.name) != nil {\n\t\treturn DeadSilent, Why{HolderSilent, h.name}\n\t}\n\tif s.forced(i, h) {"},
		{"engine/holder.go", "\t\tt.verdict, t.refused = verdict{}, 0\n", ""},
		{"engine/look.go", "\tt.failures++\n\tt.verdict = verdict{}\n", "\tt.failures++\n"},
	}},
	{"a write without an answer is repeated unread", "R1", []edit{
		{"engine/claim.go", "\tcase t.unsure, t.contrary != \"\":\n\t\ts.hint(t)\n\t\treturn false\n", ""},
	}},
	{"UPSERT instead of compare-and-swap", "I1", []edit{
		{"sim/core/core.go", "\t\taction := awstest.Create\n\t\tif b.Delete {\n\t\t\taction = awstest.Delete\n\t\t}\n", "\t\taction := awstest.Upsert\n\t\tif b.Delete {\n\t\t\tcontinue\n\t\t}\n"},
	}},
	{"an address is claimed before it is freed", "I2", []edit{
		{"engine/claim.go", "if c.Kind == Address && t.Reading.Exists {", "if false {"},
	}},
	{"a record is taken away and put back in two requests", "I3", []edit{
		{"sim/core/core.go", "\tvar changes []awstest.Change\n\tfor _, b := range batch {\n", "\tvar changes []awstest.Change\n\tfor _, b := range batch {\n\t\tif !b.Delete && len(changes) > 0 && changes[0].Action == awstest.Delete {\n\t\t\tif _, err := r.Cloud.ChangeResourceRecordSets(awstest.Caller{}, awstest.ChangeRecordsInput{ZoneID: r.Zone, Changes: changes}); err != nil {\n\t\t\t\treturn engine.Reading{}, outcomeOf(err)\n\t\t\t}\n\t\t\tchanges = nil\n\t\t}\n"},
	}},
	{"the holder writes its record at every look", "I4", []edit{
		{"engine/claim.go", "\treturn t.converge\n", "\treturn true\n"},
	}},
	{"the holder looks every five seconds", "I4", []edit{
		{"engine/settings.go", "LookActive  = 31 * time.Second", "LookActive  = 5 * time.Second"},
	}},
	{"a dead holder is given up after three attempts", "R8 I5", []edit{
		{"engine/claim.go", "\tcase !s.due(t.retryAt):", "\tcase t.failures > 3 || !s.due(t.retryAt):"},
	}},
	{"a process resumes at once", "R2", []edit{
		{"engine/role.go", "if !s.resumed && s.heardAll() {", "if !s.resumed {"},
	}},
	{"a higher epoch is not heeded", "R2", []edit{
		{"engine/role.go", "if p.Body.Active && p.Body.Epoch > s.home().Reading.Lease.Epoch && !p.Gone", "if p.Body.Active && p.Body.Epoch > 1<<40 && !p.Gone"},
	}},
	{"an offer goes to a peer that has not passed since", "R3", []edit{
		{"engine/offer.go", "case why.Code == CheckFails && p.asked-p.Body.Checked <= s.Health.Failed:", "case false:"},
	}},
	{"an offer is good for any later claim", "R3", []edit{
		{"engine/claim.go", "\tif s.holder(s.cfg, 0).who == me {\n\t\treturn epoch", "\tif true {\n\t\treturn true || epoch"},
	}},
	{"one missed heartbeat is a death", "R4", []edit{
		{"engine/holder.go", "\tif misses < need {", "\tif misses < 1 {"},
	}},
	{"one refusal is a death", "R4", []edit{
		{"engine/peers.go", "if p.refused == len(p.refusals) && s.now-p.refusals[0] <= RefusalWindow {", "if true {"},
	}},
	{"the witness is not heard", "R4", []edit{
		{"engine/holder.go", "\t\tcase c.witness.OK:", "\t\tcase false:"},
	}},
	{"the control probe is not heard", "R4", []edit{
		{"engine/holder.go", "\tif s.Control.Armed {", "\tif false {"},
	}},
	{"third peers are not heard", "R4", []edit{
		{"engine/holder.go", "q.answers(s.cfg) && q.Body.Name != h && slices.Contains(q.Body.Hears, h)", "false && slices.Contains(q.Body.Hears, h)"},
	}},
	{"another secret is a death", "R4", []edit{
		{"engine/peers.go", "p.Up, p.Known, p.Gone, p.Alien, p.Misses, p.refused = false, true, false, true, 0, 0", "p.Gone, p.Up = true, false"},
	}},
	{"a holder that answers is displaced when the witness fails", "R5", []edit{
		{"engine/holder.go", "\t\tif p.Up {\n\t\t\treturn NoCause", "\t\tif p.Up && s.unseen() {\n\t\t\treturn DeadGone, Why{HolderGone, h}\n\t\t}\n\t\tif p.Up {\n\t\t\treturn NoCause"},
	}},
	{"nobody waits for its turn", "R6", []edit{
		{"engine/settings.go", "Stagger = 300 * time.Millisecond", "Stagger = 0 * time.Millisecond"},
	}},
	{"an unhealthy node claims", "R6 I7", []edit{
		{"engine/claim.go", "\tfit := s.Health.Known && s.Health.OK", "\tfit := true"},
	}},
	{"silence counts against a claimer never heard", "R7 I6", []edit{
		{"engine/holder.go", "if c.isNew && s.answersOf", "if false && s.answersOf"},
	}},
	{"failback as often as one likes", "R8", []edit{
		{"engine/offer.go", " ||\n\t\ts.home().claimNew && !s.due(s.home().claimSeen+s.cfg.HoldDown)", ""},
	}},
	{"no settling time", "R9", []edit{
		{"engine/settings.go", "\treturn seen + Settle + time.Duration(misses-1)*c.Interval", "\treturn 0"},
	}},
	{"an error is read as absent", "R10 I1", []edit{
		{"engine/look.go", "\tif e.Outcome != Done && !only {\n\t\tt.Failing = true", "\tif e.Outcome == Unknown {\n\t\ts.learn(i, Reading{Token: \"absent\"}, t.busySince)\n\t\treturn\n\t}\n\tif e.Outcome != Done {\n\t\tt.Failing = true"},
	}},
	{"what is denied is tried again and again", "R10", []edit{
		{"engine/look.go", "\tt.Denied, t.DeniedAt = true, s.now", "\tt.DeniedAt = s.now"},
	}},
	{"a sleep is not noticed", "R1 R2", []edit{
		{"engine/step.go", "\tif latest == Never || s.now <= latest+2*s.cfg.Interval {", "\tif true {"},
	}},
	{"a stopping node claims", "R6", []edit{
		{"engine/claim.go", "\tcase s.Leaving:\n\t\treturn Never, false, Why{Code: IsLeaving}\n", ""},
	}},
	{"a paused node claims", "R6", []edit{
		{"engine/claim.go", "\tcase s.Paused:\n\t\treturn Never, false, Why{Code: IsPaused}\n", ""},
	}},
	{"a definition that differs does not matter", "R6 R3", []edit{
		{"engine/peers.go", " && p.Body.Hash == s.cfg.Hash", ""},
		{"engine/claim.go", "s.offers(name) && p.Body.Hash == s.cfg.Hash:", "s.offers(name):"},
		{"engine/claim.go", "\t\tcase p.Body.Hash != s.cfg.Hash:\n\t\t\treturn NoCause, Why{OtherDefinition, p.Body.Name}\n", ""},
	}},
}

// most is the number of schedules within which a mutant must be found.
const most = 10_000

// found is what a run prints of a violation.
var found = regexp.MustCompile(`(?m)VIOLATION (\S+) schedule (\d+)`)

// TestMutants breaks the engine in every way of the table and sees the simulator
// find each of them. It compiles the broken sources beside the real ones, which
// stay as they are.
func TestMutants(t *testing.T) {
	if info, ok := debug.ReadBuildInfo(); ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the broken engines are built without the race detector anyway: run this without it, as the stage simulation of .ci/run does")
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range slices.Concat(mutants, mutantsOfAll) {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			bin := compile(t, root, m)
			all := slices.ContainsFunc(mutantsOfAll, func(o mutant) bool { return o.name == m.name })
			cmd := exec.CommandContext(t.Context(), bin, "-test.run", "^TestSimulation$", "-schedules", fmt.Sprint(most), "-first", fmt.Sprintf("-all=%t", all), "-test.timeout", "5m")
			out, err := cmd.CombinedOutput()
			v := found.FindSubmatch(out)
			if err == nil || v == nil {
				t.Fatalf("not found in %d schedules: it breaks %s, and nothing notices: %v\n%s", most, m.breaks, err, tail(out))
			}
			t.Logf("%-55s breaks %-6s found by %s after %s schedules", m.name, m.breaks, v[1], v[2])
		})
	}
}

// compile builds the simulator's tests with a mutant's edits laid over the
// sources.
func compile(t *testing.T, root string, m mutant) string {
	dir := t.TempDir()
	replace := map[string]string{}
	for i, e := range m.edits {
		file := filepath.Join(root, e.file)
		from := file
		if earlier, ok := replace[file]; ok {
			from = earlier
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), e.old); n != 1 {
			t.Fatalf("%s holds the text of edit %d %d times, not once: %q", e.file, i+1, n, e.old)
		}
		to := filepath.Join(dir, fmt.Sprintf("%d.go", i))
		if err := os.WriteFile(to, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file] = to
	}
	overlay := filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "sim.test")
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", bin, "./sim")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling: %v\n%s", err, out)
	}
	return bin
}

func tail(out []byte) []byte {
	return out[max(0, len(out)-2000):]
}
