package probe

import (
	"net/http"
	"net/url"
	"strconv"
)

// maxRedirects is how many are followed in one check.
const maxRedirects = 5

// redirected is the request that a redirect asks for, sent to the same address.
func redirected(req *http.Request, status int, location string) (*http.Request, error) {
	logical := *req.URL
	if req.Host != "" {
		logical.Host = req.Host
	}
	u, err := logical.Parse(location)
	if err != nil || u.Host == "" || u.Scheme != logical.Scheme {
		return nil, &Failure{
			Kind: KindStatus, Err: err,
			Detail: "status " + strconv.Itoa(status) + " with a redirect away from " + logical.Scheme + "://" + clip(logical.Host, 80) + ": " + strconv.Quote(clip(location, quotedBody)),
		}
	}
	next := req.WithContext(req.Context())
	next.Host = u.Host
	next.URL = &url.URL{Scheme: u.Scheme, Host: req.URL.Host, Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}
	switch status {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if req.GetBody != nil {
			next.Body, _ = req.GetBody() // of a string: there is no error
		}
	default: // as browsers do: what answered a POST is looked at with a GET
		if req.Method != http.MethodHead {
			next.Method = http.MethodGet
		}
		next.Body, next.GetBody, next.ContentLength = nil, nil, 0
	}
	return next, nil
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}
