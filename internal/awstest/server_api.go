package awstest

import (
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxRequest is how large a request body may be.
const maxRequest = 1 << 20

// minLatency is how long an API answer takes at least. The SDK closes the body
// of its request as soon as an answer comes, and cuts the connection if that
// was still being finished off. No real API is fast enough for that, so this one is not either.
const minLatency = time.Millisecond

// queryService is a service of the query protocol: a form goes in, with Action
// and Version in it, and XML comes out.
type queryService struct {
	version string
	actions map[string]func(*Cloud, *params) operation
	write   func(x *xmlWriter, out any, requestID string)
	fail    func(x *xmlWriter, err *Error, requestID string)
}

// queryServices are the services by the name that requests are signed for.
var queryServices = map[string]queryService{
	"ec2": {"2016-11-15", ec2Actions, writeEC2, failEC2},
	"sts": {"2011-06-15", stsActions, writeSTS, failSTS},
}

// buffers are reused, for an answer about a thousand instances takes a megabyte.
var buffers = sync.Pool{New: func() any { return new(xmlWriter) }}

// serveAPI answers a request to any service.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, route53Root) {
		s.serveRoute53(w, r)
		return
	}
	if r.URL.Path != "/" && r.URL.Path != "" {
		http.NotFound(w, r)
		return
	}
	arrived := time.Now()
	r.Body = http.MaxBytesReader(w, r.Body, maxRequest)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sig, err := parseSignature(r)
	name := serviceOf(sig, r.Form.Get("Version"))
	service, ok := queryServices[name]
	if !ok {
		err = newError("SignatureDoesNotMatch", "Credential should be scoped to a service that is served here, not to '%s'", name)
		service = queryServices["sts"] // whose form of errors most services share
	}
	var who Caller
	if err == nil {
		who, err = s.cloud.authenticate(sig)
	}
	a := s.cloud.do(who, service.operation(s.cloud, name, newParams(r.Form), err))

	x := buffers.Get().(*xmlWriter)
	defer buffers.Put(x)
	x.reset()
	status := http.StatusOK
	if refused, ok := a.err.(*Error); ok {
		status = refused.Status
		service.fail(x, refused, a.requestID)
	} else if a.err == nil {
		service.write(x, a.out, a.requestID)
	}
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	a.fault.Latency = max(a.fault.Latency, minLatency-time.Since(arrived))
	s.deliver(w, r, a, status, x.b)
}

// operation turns a request into an API call. A request that can't be one, or
// whose sender is not known, becomes a call that is refused.
func (q queryService) operation(c *Cloud, service string, p *params, notKnown error) operation {
	action, version := p.text("Action"), p.text("Version")
	parse := q.actions[action]
	refuse := func(err error) operation {
		return operation{service: service, action: action, open: true, run: func(Caller) (any, error) { return nil, err }}
	}
	switch {
	case notKnown != nil:
		return refuse(notKnown)
	case action == "":
		return refuse(invalid("MissingAction", "The request must contain the parameter Action"))
	case version != q.version:
		return refuse(invalid("NoSuchVersion", "The requested version (%s) of service %s does not exist", version, service))
	case parse == nil:
		return refuse(invalid("InvalidAction", "The action %s is not valid for this web service.", action))
	}
	op := parse(c, p)
	if err := p.finish(); err != nil {
		op.run = func(Caller) (any, error) { return nil, err }
	}
	return op
}

// serviceOf returns which service a request is for. An unsigned one can only
// be told by its version.
func serviceOf(sig *signature, version string) string {
	if sig != nil {
		return sig.service
	}
	for name, q := range queryServices {
		if q.version == version {
			return name
		}
	}
	return "ec2"
}

// parseSignature reads the headers of AWS Signature Version 4. It returns nil
// for an unsigned request.
func parseSignature(r *http.Request) (*signature, error) {
	const scheme = "AWS4-HMAC-SHA256 "
	header := r.Header.Get("Authorization")
	if header == "" {
		return nil, nil
	}
	incomplete := func(what string) error {
		return newError("IncompleteSignature", "Authorization header requires %s", what)
	}
	rest, ok := strings.CutPrefix(header, scheme)
	if !ok {
		return nil, incomplete("the algorithm AWS4-HMAC-SHA256")
	}
	fields := make(map[string]string)
	for field := range strings.SplitSeq(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[key] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["SignedHeaders"] == "" || len(fields["Signature"]) != 64 {
		return nil, incomplete("Credential, SignedHeaders and Signature")
	}
	date, err := time.Parse(amzDate, r.Header.Get("X-Amz-Date"))
	if err != nil || date.Format("20060102") != scope[1] {
		return nil, incomplete("an X-Amz-Date of the day in Credential")
	}
	return &signature{
		accessKeyID:  scope[0],
		region:       scope[2],
		service:      scope[3],
		sessionToken: r.Header.Get("X-Amz-Security-Token"),
		date:         date,
	}, nil
}
