package awstest

import (
	"strings"
	"time"
)

// The key pair of the default account's user, from the examples in AWS's own
// documentation.
const (
	AccessKeyID     = "AKIAIOSFODNN7EXAMPLE"
	SecretAccessKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// maxClockSkew is how far a request's date may be from the cloud's clock.
const maxClockSkew = 5 * time.Minute

// Credentials are a key pair.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // "" unless temporary
	Expires         time.Time // zero unless temporary
}

// identity is whom a key pair stands for.
type identity struct {
	Credentials
	Account  string
	ARN      string
	UserID   string
	Instance string
}

// Keys returns long-term keys for programs that run on an instance and do not
// use its role. They stand for a user of the instance's account, and calls made
// with them are known as the instance's (see [Fault.From] and [Call]).
func (c *Cloud) Keys(instanceID string) (Credentials, error) {
	var keys Credentials
	err := c.operate(instanceID, func(m *machine, _ time.Time) error {
		for _, id := range c.keys {
			if id.Instance == m.ID && id.SessionToken == "" {
				keys = id.Credentials
				return nil
			}
		}
		keys = Credentials{
			AccessKeyID:     "AKIA" + strings.ToUpper(c.hex(16)),
			SecretAccessKey: c.hex(40),
		}
		c.addUser(m.ID, keys, m.Account, m.ID)
		return nil
	})
	return keys, err
}

// addUser makes a user known by its keys.
func (c *Cloud) addUser(name string, keys Credentials, account, instance string) {
	c.keys[keys.AccessKeyID] = &identity{
		Credentials: keys,
		Account:     account,
		ARN:         "arn:aws:iam::" + account + ":user/" + name,
		UserID:      "AIDA" + strings.ToUpper(c.hex(16)),
		Instance:    instance,
	}
}

// addSession makes temporary keys for a session of a role known and returns
// whom they stand for.
func (c *Cloud) addSession(role arn, session, instance string, expires time.Time) *identity {
	id := &identity{
		Credentials: Credentials{
			AccessKeyID:     "ASIA" + strings.ToUpper(c.hex(16)),
			SecretAccessKey: c.hex(40),
			SessionToken:    c.hex(64),
			Expires:         expires,
		},
		Account:  role.account,
		ARN:      "arn:aws:sts::" + role.account + ":assumed-role/" + role.roleName() + "/" + session,
		UserID:   "AROA" + strings.ToUpper(c.hex(16)) + ":" + session,
		Instance: instance,
	}
	c.keys[id.AccessKeyID] = id
	return id
}

// signature is what a signed request says of its signer. The signature itself
// is not checked: whoever knows a key id is taken to know the secret.
type signature struct {
	accessKeyID  string
	region       string
	service      string
	sessionToken string
	date         time.Time
}

// authenticate returns who signed a request, or refuses it as the service does.
// A nil signature is an unsigned request.
func (c *Cloud) authenticate(s *signature) (Caller, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == nil {
		return Caller{}, newError("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	unknown := newError("InvalidClientTokenId", "The security token included in the request is invalid.")
	expired := newError("ExpiredToken", "The security token included in the request is expired")
	skewed := newError("SignatureDoesNotMatch", "Signature expired: the date %s is too far from %s",
		s.date.UTC().Format(amzDate), c.cfg.Now().UTC().Format(amzDate))
	if s.service == "ec2" {
		unknown = newError("AuthFailure", "AWS was not able to validate the provided access credentials")
		expired = newError("RequestExpired", "Request has expired.")
		skewed = expired
	}
	who := Caller{AccessKeyID: s.accessKeyID, Region: s.region}
	id := c.keys[s.accessKeyID]
	if id == nil || id.SessionToken != s.sessionToken {
		return who, unknown
	}
	who.Account, who.ARN, who.Instance = id.Account, id.ARN, id.Instance
	now := c.cfg.Now()
	if d := now.Sub(s.date); d > maxClockSkew || d < -maxClockSkew {
		return who, skewed
	}
	if !id.Expires.IsZero() && !now.Before(id.Expires) {
		return who, expired
	}
	return who, nil
}

// amzDate is the form of dates in signed requests.
const amzDate = "20060102T150405Z"
