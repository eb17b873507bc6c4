package fleet

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"
)

// memory is a store. A failing one refuses, a slow one answers when its caller gives up.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	saves int
	fails error
	slow  bool
}

func (m *memory) Load(ctx context.Context, key string) ([]byte, error) {
	if m.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.files[key]; ok {
		return v, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memory) Store(ctx context.Context, key string, value []byte) error {
	if m.slow {
		<-ctx.Done()
		return ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.fails != nil {
		return m.fails
	}
	if m.files == nil {
		m.files = make(map[string][]byte)
	}
	m.files[key] = value
	return nil
}

func nodes(context.Context) []string { return []string{"i-self", "host-self"} }

func TestRestartDuringAnOutageServesTheStoredFleet(t *testing.T) {
	store := &memory{}
	up := &cloud{ids: []string{"i-1", "i-2"}}
	polling(t, up, Options{Store: store, Nodes: nodes}, func(h *Handle, _ *observer.ObservedLogs) {
		pass(time.Minute)
		if store.saves != 2 {
			t.Errorf("%d saves of an unchanged fleet in a minute, want one under each name", store.saves)
		}
	})
	for key := range store.files {
		if !strings.HasPrefix(key, "fleet/i-self/") && !strings.HasPrefix(key, "fleet/host-self/") {
			t.Errorf("key %s does not name the node", key)
		}
		if strings.HasPrefix(key, "fleet/i-self/") {
			delete(store.files, key) // the metadata service does not answer at the restart: the host's name is left
		}
	}

	down := &cloud{err: errAPI}
	polling(t, down, Options{Store: store, Nodes: nodes}, func(h *Handle, logs *observer.ObservedLogs) {
		wantIDs(t, h, "i-1 i-2")
		s := h.State()
		if s.Origin != Snapshot || s.Err == nil || !s.Loaded {
			t.Errorf("state is %+v", s)
		}
		if n := logs.FilterMessageSnippet("serving from the stored fleet").Len(); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		// The API comes back without i-2: as ever, only the second answer drops it.
		down.set(nil, "i-1", "i-3")
		n := down.polls()
		for down.polls() == n {
			pass(time.Second / 10)
		}
		wantIDs(t, h, "i-1 i-2 i-3")
		pass(2 * time.Second)
		wantIDs(t, h, "i-1 i-3")
	})
}

func TestAnEmptyFleetIsNotStored(t *testing.T) {
	store := &memory{}
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{Store: store, Nodes: nodes}, func(h *Handle, _ *observer.ObservedLogs) {
		cl.set(nil)
		pass(time.Hour)
		wantIDs(t, h, "")
		if store.saves != 2 {
			t.Errorf("%d saves, want those of the fleet that worked", store.saves)
		}
	})
}

func TestStoredFleetIsKeptFresh(t *testing.T) {
	store := &memory{}
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{Store: store, Nodes: nodes}, func(h *Handle, _ *observer.ObservedLogs) {
		pass(time.Hour)
		if store.saves < 10 || store.saves > 14 {
			t.Errorf("%d saves in an hour, want one in ten minutes", store.saves)
		}
	})
}

// odd is a store of a type that cannot be compared.
type odd struct {
	*memory
	_ []string
}

func TestStoreThatCannotBeCompared(t *testing.T) {
	store := odd{memory: &memory{}}
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{Store: store, Nodes: nodes}, func(h *Handle, _ *observer.ObservedLogs) {
		pass(time.Minute)
		if store.saves == 0 {
			t.Error("nothing was saved")
		}
	})
}

func TestFullStoreIsSaidOnceAndDelaysNothing(t *testing.T) {
	store := &memory{fails: errors.New("no space left on device")}
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{Store: store, Nodes: nodes}, func(h *Handle, logs *observer.ObservedLogs) {
		pass(5 * time.Minute)
		if n := logs.FilterMessageSnippet("storing the fleet failed").Len(); n != 1 {
			t.Errorf("said %d times, want once", n)
		}
		if n := cl.polls(); n < 28 {
			t.Errorf("%d polls in 5 minutes, want about 30", n)
		}
		if store.saves < 10 {
			t.Errorf("%d tries, want one at every poll", store.saves)
		}
	})
}

func TestSlowStoreDelaysNothing(t *testing.T) {
	store := &memory{slow: true}
	cl := &cloud{ids: []string{"i-1"}}
	polling(t, cl, Options{Store: store, Nodes: nodes}, func(h *Handle, _ *observer.ObservedLogs) {
		pass(storeHeadStart)
		wantIDs(t, h, "i-1")
		pass(5 * time.Minute)
		if n := cl.polls(); n < 28 {
			t.Errorf("%d polls in 5 minutes, want about 30", n)
		}
	})
}

func TestUnusableSnapshots(t *testing.T) {
	q := testQuery(t)
	good := `{"version":1,"query":` + quoted(q.ID()) + `,"as_of":"2026-01-02T03:04:05Z","instances":[{"id":"i-2"},{"id":"i-1","private_ipv4":"10.0.0.1"}]}`
	s, err := decodeSnapshot([]byte(good), q)
	if err != nil {
		t.Fatal(err)
	}
	if s.Instances[0].ID != "i-1" || s.Instances[0].PrivateIPv4.String() != "10.0.0.1" || s.AsOf.Year() != 2026 {
		t.Errorf("decoded %+v", s)
	}
	for name, c := range map[string]struct{ raw, want string }{
		"garbage":       {"\x00\x01", "decoding"},
		"half a file":   {good[:len(good)/2], "decoding"},
		"other version": {strings.Replace(good, `"version":1`, `"version":9`, 1), "version 9"},
		"other query":   {strings.Replace(good, q.ID(), "0123", 1), "another query"},
		"bad address":   {strings.Replace(good, "10.0.0.1", "10.0.0.1/evil", 1), "decoding"},
		"no id":         {strings.Replace(good, "i-1", "", 1), "no id"},
		"null":          {strings.Replace(good, `{"id":"i-2"}`, "null", 1), "no id"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decodeSnapshot([]byte(c.raw), q); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			store := &memory{files: map[string][]byte{snapshotKey("i-self", q): []byte(c.raw)}}
			polling(t, &cloud{err: errAPI}, Options{Store: store, Nodes: nodes}, func(h *Handle, _ *observer.ObservedLogs) {
				if s := h.State(); s.Origin != Unknown || !s.Loaded {
					t.Errorf("state is %+v", s)
				}
			})
		})
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
