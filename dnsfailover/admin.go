package dnsfailover

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddy-ec2/caddy-ec2/dnsfailover/engine"
)

func init() {
	caddy.RegisterModule(Admin{})
}

const (
	// maxOrder bounds the body of an order, in bytes, and maxReason its reason.
	maxOrder  = 4 << 10
	maxReason = 256

	noReason = "no reason given"
)

// Admin is the admin endpoint of failover:
//
//   - GET /dnsfailover/status answers a [Status];
//   - POST /dnsfailover/takeover has this node take a service, whoever has it; /dnsfailover/release has it offer what it has to the
//     best peer; /dnsfailover/pause ends its own moves until /dnsfailover/resume.
//
// The fields of an order are service, which may be left out if there is only one, and reason, for the log. They are in the query, in a
// form, or in a JSON object. The answer is a [StatusService]: what the node knows when it has understood the order, which may not
// have been carried out by then.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.dnsfailover",
		New: func() caddy.Module { return new(Admin) },
	}
}

// orders are those that an operator can give.
var orders = []struct {
	name  string
	order engine.Order
}{{"takeover", engine.Takeover}, {"release", engine.Release}, {"pause", engine.Pause}, {"resume", engine.Resume}}

// Routes returns the endpoint's routes.
func (Admin) Routes() []caddy.AdminRoute {
	routes := []caddy.AdminRoute{{Pattern: "/dnsfailover/status", Handler: caddy.AdminHandlerFunc(serveStatus)}}
	for _, o := range orders {
		routes = append(routes, caddy.AdminRoute{Pattern: "/dnsfailover/" + o.name, Handler: orderHandler(o.name, o.order)})
	}
	return routes
}

// currentNode is the node of this process, or nil. Caddy's active context would not do: during the exit there is none, and
// then the status is needed most.
func currentNode() (n *node) {
	nodes.Range(func(_, v any) bool {
		n, _ = v.(*node)
		return false
	})
	return n
}

// currentStatus is that of the node of this process, and an error if there is none.
func currentStatus() (*node, Status, error) {
	if n := currentNode(); n != nil {
		if s, ok := n.status(); ok {
			return n, s, nil
		}
	}
	return nil, Status{}, apiError(http.StatusNotFound, "failover is not configured here: add the global option dnsfailover { }")
}

func serveStatus(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(w, r, http.MethodGet); err != nil {
		return err
	}
	_, s, err := currentStatus()
	if err != nil {
		return err
	}
	return writeJSON(w, s)
}

// orderHandler takes orders of one kind.
func orderHandler(name string, order engine.Order) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := checkMethod(w, r, http.MethodPost); err != nil {
			return err
		}
		service, reason, err := readOrder(w, r)
		if err != nil {
			return apiError(http.StatusBadRequest, "reading the order: %w", err)
		}
		n, s, err := currentStatus()
		if err != nil {
			return err
		}
		c, err := s.pick(service)
		if err != nil {
			return err
		}
		if err := s.allows(order, c); err != nil {
			return err
		}
		n.log.Info("an operator's order", zap.String("order", name), zap.String("service", c.Name), zap.String("reason", reason))
		if err := n.command(c.Name, order, reason); err != nil {
			return apiError(http.StatusConflict, "%s of %s: %w", name, c.Name, err)
		}
		if _, s, err = currentStatus(); err != nil {
			return err
		}
		if c, err = s.pick(c.Name); err != nil {
			return err
		}
		return writeJSON(w, c)
	}
}

// pick finds the service that is meant.
func (s *Status) pick(name string) (*StatusService, error) {
	var names []string
	for i := range s.Services {
		names = append(names, s.Services[i].Name)
	}
	switch i := slices.Index(names, name); {
	case s.Node == "":
		why := "it has just begun"
		if len(s.Problems) > 0 {
			why = s.Problems[0].About + ": " + s.Problems[0].Error
		}
		return nil, apiError(http.StatusConflict, "this node is not set up yet: %s", why)
	case i >= 0:
		return &s.Services[i], nil
	case name == "" && len(names) == 1:
		return &s.Services[0], nil
	case len(names) == 0:
		return nil, apiError(http.StatusNotFound, "this node has no service, only names of its own; nothing can be ordered before the configuration has a service")
	case name == "":
		return nil, apiError(http.StatusBadRequest, "which service? say service=NAME, there are: %s", strings.Join(names, ", "))
	}
	return nil, apiError(http.StatusNotFound, "there is no service %q here, only: %s", name, strings.Join(names, ", "))
}

// allows refuses what can't be done in the present state.
func (s *Status) allows(order engine.Order, c *StatusService) error {
	switch {
	case s.Leaving:
		return apiError(http.StatusConflict, "this node is leaving: give the order to another one")
	case order != engine.Release || c.Role == "active":
		return nil
	case c.Holder == "" || c.Holder == s.Node:
		return apiError(http.StatusConflict, "this node does not hold %s now: there is nothing to release", c.Name)
	}
	return apiError(http.StatusConflict, "this node does not hold %s, %s does: release it there, or take it over here", c.Name, c.Holder)
}

// readOrder reads the fields of an order, from the query and from the body.
func readOrder(w http.ResponseWriter, r *http.Request) (service, reason string, err error) {
	fields := r.URL.Query()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrder))
	if err != nil {
		return "", "", fmt.Errorf("its body: %w", err)
	}
	media := ""
	if t := r.Header.Get("Content-Type"); t != "" {
		if media, _, err = mime.ParseMediaType(t); err != nil {
			return "", "", fmt.Errorf("its Content-Type: %w", err)
		}
	}
	var more url.Values
	switch {
	case len(body) == 0:
	case media == "application/json":
		var object map[string]string
		if err := json.Unmarshal(body, &object); err != nil {
			return "", "", fmt.Errorf(`its body is not a JSON object of texts, such as {"service": "www", "reason": "maintenance"}: %w`, err)
		}
		more = url.Values{}
		for key, value := range object {
			more.Set(key, value)
		}
	case media == "application/x-www-form-urlencoded":
		if more, err = url.ParseQuery(string(body)); err != nil {
			return "", "", fmt.Errorf("its form: %w", err)
		}
	default:
		return "", "", fmt.Errorf("its body is neither a form nor JSON, but %q: send it with curl -d service=www -d reason=maintenance", media)
	}
	for key, values := range more {
		fields[key] = append(fields[key], values...)
	}
	for key, values := range fields {
		switch {
		case key != "service" && key != "reason":
			return "", "", fmt.Errorf("there is no field %.64q, only service and reason", key)
		case len(values) > 1:
			return "", "", fmt.Errorf("%s is given twice", key)
		}
	}
	service, reason = fields.Get("service"), strings.TrimSpace(fields.Get("reason"))
	switch {
	case reason == "":
		reason = noReason
	case len(reason) > maxReason:
		return "", "", fmt.Errorf("reason: %d bytes are the most", maxReason)
	case strings.ContainsFunc(reason, unicode.IsControl):
		return "", "", errors.New("reason: one line of text is wanted")
	}
	return service, reason, nil
}

func checkMethod(w http.ResponseWriter, r *http.Request, method string) error {
	if r.Method == method {
		return nil
	}
	w.Header().Set("Allow", method)
	return apiError(http.StatusMethodNotAllowed, "method %s is not allowed here, use %s", r.Method, method)
}

func apiError(status int, format string, args ...any) error {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, args...)}
}

func writeJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Interface guards
var _ caddy.AdminRouter = Admin{}
