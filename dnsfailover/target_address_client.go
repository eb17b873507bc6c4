package dnsfailover

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

const (
	// metadataTime bounds the finding of an interface, which takes less than ten requests to the same host.
	metadataTime = time.Second

	// dialTime bounds the dialling of EC2, which has to leave time for the request.
	dialTime = time.Second

	// maxMetadata is how much of an answer of the metadata service is read.
	maxMetadata = 64 << 10
)

// freshClient makes a client that dials for each request. Moving the address of its own host cuts a connection without a
// word: a request on one that was kept would wait until its time is over. The authorities that the environment or the
// profile names hold here, too.
func freshClient(cfg aws.Config) aws.HTTPClient {
	b := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTime }).
		WithTransportOptions(func(tr *http.Transport) {
			tr.DisableKeepAlives = true
			if pool := authorities(cfg); pool != nil {
				tr.TLSClientConfig.RootCAs = pool
			}
		})
	return awsconf.SendWhole(b.Freeze())
}

// authorities are those of AWS_CA_BUNDLE, or of ca_bundle in the profile. Nil are those of the system.
func authorities(cfg aws.Config) *x509.CertPool {
	for _, source := range cfg.ConfigSources {
		path := ""
		switch s := source.(type) {
		case config.EnvConfig:
			path = s.CustomCABundle
		case config.SharedConfig:
			path = s.CustomCABundle
		}
		if path == "" {
			continue
		}
		pool := x509.NewCertPool()
		if pem, err := os.ReadFile(path); err == nil && pool.AppendCertsFromPEM(pem) {
			return pool
		}
	}
	return nil
}

// metadataReader makes the means to read a path of the instance metadata service, version 2 only. What is not there is empty.
// It takes no proxy, which would answer for another instance.
func metadataReader(cfg aws.Config) func(context.Context, string) (string, error) {
	client := imds.NewFromConfig(cfg, func(o *imds.Options) {
		o.APIOptions = nil // they are for the services
		o.EnableFallback = aws.FalseTernary
		o.HTTPClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, ResponseHeaderTimeout: metadataTime}}
		o.Logger = logging.Nop{}
		o.Retryer = awsconf.NoRetries()
	})
	return func(ctx context.Context, path string) (string, error) {
		out, err := client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
		var status interface{ HTTPStatusCode() int }
		switch {
		case errors.As(err, &status) && status.HTTPStatusCode() == http.StatusNotFound:
			return "", nil
		case err != nil:
			return "", awsconf.Classify("imds:"+path, err)
		}
		defer out.Content.Close()
		text, err := io.ReadAll(io.LimitReader(out.Content, maxMetadata))
		if err != nil {
			return "", awsconf.Classify("imds:"+path, err)
		}
		return strings.TrimSpace(string(text)), nil
	}
}
