package dnsfailover

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestEmitterKeepsOrderAndEndsWithTheLast(t *testing.T) {
	var got []string
	e := runEmitter(context.Background(), zap.NewNop(), func(name string, _ map[string]any) { got = append(got, name) })
	var want []string
	for i := range eventQueue / 2 {
		e.add(strconv.Itoa(i), nil)
		want = append(want, eventPrefix+strconv.Itoa(i))
	}
	e.stop()
	if !slices.Equal(got, want) {
		t.Errorf("%d events came, the first ones are %v", len(got), got[:min(3, len(got))])
	}
	e.stop()
	e.add("late", nil) // nobody hears it, and nobody is held up
}

func TestEmitterDropsWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		release := make(chan struct{})
		calls := 0
		e := runEmitter(context.Background(), zap.New(core), func(string, map[string]any) { calls++; <-release })
		e.add("first", nil)
		synctest.Wait() // the handler hangs
		for range eventQueue + 10 {
			e.add("more", nil)
		}
		if n := logs.Len(); n != 1 {
			t.Errorf("%d log lines about events that were dropped, want one", n)
		}
		began := time.Now()
		e.stop()
		if took := time.Since(began); took != eventsTime {
			t.Errorf("the end waited for %s, want %s", took, eventsTime)
		}
		close(release)
		<-e.done
		if calls != 1 {
			t.Errorf("%d handlers ran, also after the end", calls)
		}
	})
}

func TestEmitterEndsWithItsConfiguration(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	e := runEmitter(ctx, zap.NewNop(), func(string, map[string]any) { t.Error("an event was handed out") })
	cancel()
	<-e.done
	e.add("late", nil)
	e.stop()

	var none *emitter
	none.add("nobody", nil)
	none.stop()
}
