package dnsfailover

import (
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

// decisionTexts are the kinds of decision: the name in events, metrics and the log, and what it says.
var decisionTexts = [...]struct {
	name, text string
	warn       bool // whatever the reason
}{
	engine.Claimed:   {"claimed", "this node has the target now", false},
	engine.Lost:      {"lost", "another node has the target that this node had", true},
	engine.Moved:     {"moved", "the target went from one other node to another, or one of them joined or left", false},
	engine.Resumed:   {"resumed", "this node has the service, as it had before it started", false},
	engine.Yielded:   {"yielded", "this node stands back: another one holds the service under a higher epoch", true},
	engine.Offering:  {"offering", "this node offers the service to a peer", false},
	engine.Accepted:  {"accepted", "a peer offers the service to this node", false},
	engine.Contested: {"contested", "a write was refused: the target held something else by then", true},
	engine.Unable:    {"unable", "this node can't hold the service: something is denied to it, and the status says what", true},
	engine.Able:      {"able", "nothing is denied to this node any more", false},
	engine.Waiting:   {"waiting", "this node does not take the service now", false},
	engine.Converged: {"converged", "what this node has was brought up to date", false},
	engine.Slept:     {"slept", "this process had not run for a while, and looks at everything anew", true},
	engine.Joined:    {"joined", "this node is in the record now", false},
	engine.Withdrew:  {"withdrew", "this node has taken itself out of the record", true},
	engine.Removed:   {"removed", "this node has taken another one out of the record", true},
	engine.Dropped:   {"dropped", "another node has taken this one out of the record", true},
}

// alarming reports whether somebody should have a look at a reason.
func alarming(c engine.WhyCode) bool {
	switch c {
	case engine.CheckFails, engine.PublicPathFails, engine.IsDenied, engine.SameName, engine.HolderMismatched,
		engine.OtherDefinition, engine.CannotWrite, engine.ControlFails, engine.StrangerDown, engine.StrangerWorks:
		return true
	}
	return false
}

// decided takes in what was decided about a service: it logs it, counts it, and makes it an event. The loop says one thing
// after another, so the order is that of the decisions.
func (a *App) decided(service string, t engine.Tell) {
	decisions.add(service, t.What)
	kind := decisionTexts[t.What]
	level := zapcore.InfoLevel
	if kind.warn || alarming(t.Why.Code) {
		level = zapcore.WarnLevel
	}
	data := decisionData(service, t)
	fields := []zap.Field{zap.String("decision", kind.name)}
	for _, key := range decisionKeys {
		if v, ok := data[key]; ok {
			fields = append(fields, zap.Any(key, v))
		}
	}
	a.log.Log(level, kind.text, fields...)
	a.emitter.add(kind.name, data)
}

// decisionKeys are what a decision says, in the order of the log.
var decisionKeys = []string{"service", "target", "epoch", "from", "to", "reason", "order"}

// decisionData is what a decision says, without what is empty.
func decisionData(service string, t engine.Tell) map[string]any {
	data := map[string]any{"service": service}
	if t.Epoch != 0 {
		data["epoch"] = t.Epoch
	}
	texts := map[string]string{"target": t.Target, "from": t.From, "to": t.To, "order": t.Order}
	if t.Why.Code != engine.NoReason {
		texts["reason"] = t.Why.String()
	}
	for key, text := range texts {
		if text != "" {
			data[key] = shorten(text)
		}
	}
	return data
}

// decisions counts those of this process.
var decisions decisionCounts

// decisionCounts are numbers of decisions by service and kind. They go on over reloads.
type decisionCounts struct {
	mu sync.Mutex
	of map[string]*[len(decisionTexts)]uint64
}

func (c *decisionCounts) add(service string, kind engine.What) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.of[service]
	if n == nil {
		if c.of == nil {
			c.of = map[string]*[len(decisionTexts)]uint64{}
		}
		n = new([len(decisionTexts)]uint64)
		c.of[service] = n
	}
	n[kind]++
}

// get returns the numbers of a service, by kind.
func (c *decisionCounts) get(service string) (n [len(decisionTexts)]uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.of[service]; p != nil {
		n = *p
	}
	return n
}
