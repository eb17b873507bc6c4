package awstest

import (
	"io"
	"net/http"
	"strings"
	"time"
)

// route53Root is what all paths of Route 53 begin with: its API version.
const route53Root = "/2013-04-01/"

// serveRoute53 answers a request to Route 53, which has a path for each thing
// and XML in both directions.
func (s *Server) serveRoute53(w http.ResponseWriter, r *http.Request) {
	arrived := time.Now()
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	op := s.cloud.route53Operation(r, body)
	who, err := s.route53Caller(r)
	if err != nil {
		op.open, op.forbidden, op.rate = true, nil, namedRate{}
		op.run = func(Caller) (any, error) { return nil, err }
		op.runStale = nil
	}
	a := s.cloud.do(who, op)

	x := buffers.Get().(*xmlWriter)
	defer buffers.Put(x)
	x.reset()
	status := http.StatusOK
	if refused, ok := a.err.(*Error); ok {
		status = refused.Status
		failRoute53(x, refused, a.requestID, s.cloud.errorForm())
	} else if a.err == nil {
		writeRoute53(x, a.out, op.action)
	}
	w.Header().Set("Content-Type", "text/xml")
	w.Header().Set("X-Amzn-Requestid", a.requestID)
	a.fault.Latency = max(a.fault.Latency, minLatency-time.Since(arrived))
	s.deliver(w, r, a, status, x.b)
}

// route53Caller returns who signed a request. The region that it was signed
// for does not count: the SDK signs for us-east-1 at the endpoint of AWS, and
// for its own region at one that it was given.
func (s *Server) route53Caller(r *http.Request) (Caller, error) {
	sig, err := parseSignature(r)
	if err != nil {
		return Caller{}, err
	}
	if sig != nil && sig.service != "route53" {
		return Caller{}, newError("SignatureDoesNotMatch", "Credential should be scoped to correct service: 'route53'.")
	}
	return s.cloud.authenticate(sig)
}

// route53Operation turns a request into an API call. One that can't be one
// becomes a call that is refused.
func (c *Cloud) route53Operation(r *http.Request, body []byte) (op operation) {
	path := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, route53Root), "/"), "/")
	p := newParams(r.URL.Query())
	get := r.Method == http.MethodGet
	var err error
	switch {
	case r.Method == http.MethodPost && len(path) == 3 && path[0] == "hostedzone" && path[2] == "rrset":
		var in ChangeRecordsInput
		in, err = readBatch(body)
		in.ZoneID = path[1]
		op = c.changeRecords(in)
	case get && len(path) == 3 && path[0] == "hostedzone" && path[2] == "rrset":
		op = c.listRecords(ListRecordsInput{
			ZoneID: path[1], StartName: p.text("name"), StartType: p.text("type"), StartSetID: p.text("identifier"),
			MaxItems: p.maxItems(),
		})
	case get && len(path) == 2 && path[0] == "hostedzone":
		op = c.getHostedZone(path[1])
	case get && len(path) == 1 && path[0] == "hostedzone":
		op = c.listZones(ListZonesInput{Marker: p.text("marker"), MaxItems: p.maxItems()})
	case get && len(path) == 1 && path[0] == "hostedzonesbyname":
		op = c.listZonesByName(ListZonesInput{Name: p.text("dnsname"), ID: p.text("hostedzoneid"), MaxItems: p.maxItems()})
	case get && len(path) == 2 && path[0] == "change":
		op = c.getChange(path[1])
	default:
		unknown := &Error{Status: http.StatusNotFound, Code: "UnknownOperationException", Message: "The action is not known"}
		return operation{
			service: "route53", action: r.Method + " " + r.URL.Path, open: true,
			run: func(Caller) (any, error) { return nil, unknown },
		}
	}
	if bad, ok := p.finish().(*Error); ok && err == nil {
		err = invalidInput("%s", bad.Message)
	}
	if err != nil {
		op.run = func(Caller) (any, error) { return nil, err }
		op.runStale = nil
	}
	return op
}

// maxItems returns maxitems; 0 means that it is not there, and is an error
// when it is.
func (p *params) maxItems() int {
	n, ok := p.integer("maxitems")
	if ok && n < 1 && p.err == nil {
		p.fail(outOfRange(n, "maxItems", "Member must be greater than or equal to 1"))
	}
	return n
}
