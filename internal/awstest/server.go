package awstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Server lets the real SDKs talk to a [Cloud] over HTTP on loopback: one
// address for the APIs of all regions and services, and one for the metadata
// service of each instance.
type Server struct {
	cloud *Cloud
	api   *listener

	ctx    context.Context // ends with the server
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	imds map[string]*listener // instance id
}

// listener is one address and the HTTP server on it.
type listener struct {
	url string
	srv *http.Server
}

// Serve serves the cloud on a free port of 127.0.0.1.
func Serve(c *Cloud) (*Server, error) {
	return ServeAt(c, "127.0.0.1:0")
}

// ServeAt serves the APIs at an address of the caller's choice. Metadata
// services have free ports of 127.0.0.1.
func ServeAt(c *Cloud, addr string) (*Server, error) {
	s := &Server{cloud: c, imds: make(map[string]*listener)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var err error
	if s.api, err = s.listen(addr, http.HandlerFunc(s.serveAPI)); err != nil {
		s.cancel()
		return nil, fmt.Errorf("serving the AWS APIs: %w", err)
	}
	return s, nil
}

// listen starts a server on an address.
func (s *Server) listen(addr string, h http.Handler) (*listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{
		Handler:           h,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: 10 * time.Second,
		// Each connection has a goroutine that Close must wait for. It is
		// counted before Serve starts it and until its handler has returned.
		// One that comes in while Close runs may be too late to be closed by
		// it, and is closed here.
		ConnState: func(conn net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.wg.Add(1)
				if s.ctx.Err() != nil {
					conn.Close()
				}
			case http.StateClosed, http.StateHijacked:
				s.wg.Done()
			}
		},
	}
	s.wg.Go(func() { srv.Serve(ln) })
	return &listener{"http://" + ln.Addr().String(), srv}, nil
}

// URL returns what AWS_ENDPOINT_URL should be, for every region and service.
func (s *Server) URL() string { return s.api.url }

// IMDS returns the base URL of the metadata service as the instance sees it,
// without the /latest. It panics if no port of 127.0.0.1 is to be had, or if
// the server is closed.
func (s *Server) IMDS(instanceID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.imds[instanceID]; l != nil {
		return l.url
	}
	if s.ctx.Err() != nil {
		panic("awstest: metadata service of a closed server")
	}
	l, err := s.listen("127.0.0.1:0", metadataHandler{s, instanceID})
	if err != nil {
		panic(fmt.Sprintf("awstest: serving the metadata of %s: %v", instanceID, err))
	}
	s.imds[instanceID] = l
	return l.url
}

// Env returns the environment of a program that should use this server and
// nothing of the machine's own AWS configuration. With an instance id the
// program is taken to run on it: it finds its metadata service, and its keys
// are those of [Cloud.Keys]. With "" it has the keys of the default account and
// no metadata service.
func (s *Server) Env(instanceID string) []string {
	region := s.cloud.cfg.Region
	keys := Credentials{AccessKeyID: AccessKeyID, SecretAccessKey: SecretAccessKey}
	metadata := []string{"AWS_EC2_METADATA_DISABLED=true", "AWS_EC2_METADATA_SERVICE_ENDPOINT="}
	if instanceID != "" {
		metadata = []string{"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + s.IMDS(instanceID)}
		if i, ok := s.cloud.Instance(instanceID); ok {
			region = i.Region
		}
		if own, err := s.cloud.Keys(instanceID); err == nil {
			keys = own
		}
	}
	return append(metadata,
		"AWS_ENDPOINT_URL="+s.URL(),
		"AWS_ENDPOINT_URL_EC2=",
		"AWS_ENDPOINT_URL_STS=",
		"AWS_ENDPOINT_URL_ROUTE_53=",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=",
		"AWS_REGION="+region,
		"AWS_ACCESS_KEY_ID="+keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+keys.SecretAccessKey,
		"AWS_SESSION_TOKEN=",
		"AWS_PROFILE=",
		"AWS_CA_BUNDLE=",
		"AWS_CONFIG_FILE="+os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
	)
}

// Close ends everything that the server started, calls that hang included, and
// returns when all of it has ended. The cloud stays as it is.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	err := s.api.srv.Close()
	for _, l := range s.imds {
		err = errors.Join(err, l.srv.Close())
	}
	s.mu.Unlock()
	s.wg.Wait()
	return err
}

// deliver sends an answer as its fault lets it: late, cut short, or not at all.
func (s *Server) deliver(w http.ResponseWriter, r *http.Request, a answer, status int, body []byte) {
	if a.fault.Latency > 0 {
		t := time.NewTimer(a.fault.Latency)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case a.fault.Kind == Hang, errors.Is(a.err, errUnreachable):
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case a.fault.Kind == Drop, a.fault.Kind == Lose, errors.Is(a.err, ErrNoAnswer):
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Date", a.at.UTC().Format(http.TimeFormat))
	h.Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(status)
	if a.fault.Kind == Truncate {
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.Write(body)
}
