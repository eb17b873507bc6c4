package awstest

import (
	"errors"
	"net/http"
	"strings"
)

// Headers of IMDSv2.
const (
	metadataTTLHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	metadataTokenHeader = "X-Aws-Ec2-Metadata-Token"
)

var _ http.Handler = metadataHandler{}

// metadataHandler is the metadata service of one instance.
type metadataHandler struct {
	*Server
	id string
}

// ServeHTTP answers PUT /latest/api/token and GET below /latest/.
func (h metadataHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/latest/")
	var op operation
	switch {
	case ok && path == "api/token" && r.Method == http.MethodPut:
		op = h.cloud.metadataToken(h.id, r.Header.Get(metadataTTLHeader), r.Header.Get("X-Forwarded-For") != "")
	case ok && path != "api/token" && r.Method == http.MethodGet:
		op = h.cloud.metadataGet(h.id, path, r.Header.Get(metadataTokenHeader))
	case ok:
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	default:
		http.NotFound(w, r)
		return
	}
	who := Caller{Instance: h.id}
	if i, ok := h.cloud.Instance(h.id); ok {
		who.Account, who.Region = i.Account, i.Region
	}
	a := h.cloud.do(who, op)
	w.Header().Set("Content-Type", "text/plain")
	var refused *Error
	if errors.As(a.err, &refused) {
		h.deliver(w, r, a, refused.Status, []byte(refused.Message))
		return
	}
	text, _ := a.out.(string)
	if op.action == "api/token" {
		w.Header().Set(metadataTTLHeader, r.Header.Get(metadataTTLHeader))
	}
	h.deliver(w, r, a, http.StatusOK, []byte(text))
}
