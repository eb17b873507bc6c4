package awsconf

import (
	"context"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const (
	// roleDuration is the longest that every role allows, and the longest for a role assumed from a role's
	// credentials: the longer it lasts, the longer an outage of STS goes unnoticed.
	roleDuration = time.Hour
	// roleWindow is how long before the end new credentials are asked for.
	roleWindow = 15 * time.Minute
	// roleReserve is how long before their end credentials are not handed out any more.
	roleReserve = 30 * time.Second
)

func assumeRole(cfg aws.Config, role, externalID string) aws.CredentialsProvider {
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName(os.Hostname())
		o.Duration = roleDuration
		if externalID != "" {
			o.ExternalID = aws.String(externalID)
		}
	})
	return aws.NewCredentialsCache(&roleProvider{assume: provider}, roleCache)
}

func roleCache(o *aws.CredentialsCacheOptions) { o.ExpiryWindow = roleWindow }

// roleProvider goes on with the credentials it has while they are valid, if new ones cannot be had. The cache around
// it takes credentials for expired as soon as they are in the window before their end, so it asks again at each use.
type roleProvider struct {
	assume aws.CredentialsProvider

	mu   sync.Mutex
	last aws.Credentials
}

func (p *roleProvider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh, err := p.assume.Retrieve(ctx)
	if err == nil {
		p.last = fresh
		return fresh, nil
	}
	if p.last.HasKeys() && time.Now().Before(p.last.Expires.Add(-roleReserve)) {
		return p.last, nil
	}
	return aws.Credentials{}, err
}

var notInSessionName = regexp.MustCompile(`[^\w+=,.@-]`)

// sessionName is what CloudTrail shows of an assumed role: which host it was. STS takes 2 to 64 characters.
func sessionName(host string, err error) string {
	host, _, _ = strings.Cut(host, ".")
	name := "caddy-ec2-" + notInSessionName.ReplaceAllString(host, "-")
	if err != nil || host == "" {
		name = "caddy-ec2"
	}
	return name[:min(len(name), 64)]
}

var _ aws.CredentialsProvider = (*roleProvider)(nil)
