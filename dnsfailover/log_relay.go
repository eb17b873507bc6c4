package dnsfailover

import (
	"slices"

	"go.uber.org/zap/zapcore"
)

// logRelay is a log core that writes to another one, which can change: loaded configurations have logs of their own.
type logRelay struct {
	to     func() zapcore.Core
	fields []zapcore.Field
}

// Enabled implements [zapcore.Core].
func (r logRelay) Enabled(level zapcore.Level) bool { return r.to().Enabled(level) }

// With implements [zapcore.Core].
func (r logRelay) With(fields []zapcore.Field) zapcore.Core {
	return logRelay{r.to, append(slices.Clip(r.fields), fields...)}
}

// Check implements [zapcore.Core]: the other core judges the entry, and writes it.
func (r logRelay) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return r.to().With(r.fields).Check(e, c)
}

// Write implements [zapcore.Core].
func (r logRelay) Write(e zapcore.Entry, fields []zapcore.Field) error {
	return r.to().With(r.fields).Write(e, fields)
}

// Sync implements [zapcore.Core].
func (r logRelay) Sync() error { return r.to().Sync() }
