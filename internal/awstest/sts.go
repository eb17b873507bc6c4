package awstest

import (
	"regexp"
	"strings"
	"time"
)

// The bounds of a role session, as the STS API reference gives them.
const (
	minSession     = 15 * time.Minute
	maxSession     = 12 * time.Hour
	defaultSession = time.Hour
)

// Role is a role that may be assumed.
type Role struct {
	ARN        string // such as arn:aws:iam::210987654321:role/discovery
	ExternalID string // which the caller must give; "" is none
	MaxSession time.Duration
}

// AddRole makes a role known. Anybody with valid keys and its external id may
// assume it and then acts in the role's account. MaxSession is by default one
// hour.
func (c *Cloud) AddRole(r Role) error {
	if _, err := parseRoleARN(r.ARN); err != nil {
		return err
	}
	if r.MaxSession == 0 {
		r.MaxSession = defaultSession
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[r.ARN] = r
	return nil
}

// AssumeRoleInput asks for a session of a role.
type AssumeRoleInput struct {
	RoleARN     string
	SessionName string
	ExternalID  string
	Duration    time.Duration // default one hour
}

// AssumeRoleOutput is a session of a role.
type AssumeRoleOutput struct {
	Credentials Credentials
	ARN         string // of the session
	ID          string
}

// AssumeRole opens a session of a role.
func (c *Cloud) AssumeRole(who Caller, in AssumeRoleInput) (AssumeRoleOutput, error) {
	return result[AssumeRoleOutput](c.do(who, c.assumeRole(in)))
}

var sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)

func (c *Cloud) assumeRole(in AssumeRoleInput) operation {
	return operation{
		service: "sts", action: "AssumeRole", empty: AssumeRoleOutput{},
		run: func(who Caller) (any, error) {
			if in.Duration == 0 {
				in.Duration = defaultSession
			}
			if !sessionName.MatchString(in.SessionName) {
				return nil, invalid("ValidationError", "Value '%s' at 'roleSessionName' failed to satisfy constraint", in.SessionName)
			}
			if in.Duration < minSession || in.Duration > maxSession {
				return nil, invalid("ValidationError", "Value '%d' at 'durationSeconds' failed to satisfy constraint", in.Duration/time.Second)
			}
			name, err := parseRoleARN(in.RoleARN)
			if err != nil {
				return nil, err
			}
			role, ok := c.roles[in.RoleARN]
			if !ok || role.ExternalID != "" && role.ExternalID != in.ExternalID {
				return nil, newError("AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who.ARN, in.RoleARN)
			}
			if in.Duration > role.MaxSession {
				return nil, invalid("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
			}
			if by := c.keys[who.AccessKeyID]; by != nil && by.SessionToken != "" && in.Duration > time.Hour {
				return nil, invalid("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
			}
			id := c.addSession(name, in.SessionName, who.Instance, c.cfg.Now().Add(in.Duration))
			return AssumeRoleOutput{Credentials: id.Credentials, ARN: id.ARN, ID: id.UserID}, nil
		},
	}
}

// CallerIdentity is whom keys stand for.
type CallerIdentity struct {
	Account string
	ARN     string
	UserID  string
}

// GetCallerIdentity tells a caller whom its keys stand for. It needs no
// permission.
func (c *Cloud) GetCallerIdentity(who Caller) (CallerIdentity, error) {
	return result[CallerIdentity](c.do(who, c.getCallerIdentity()))
}

func (c *Cloud) getCallerIdentity() operation {
	return operation{
		service: "sts", action: "GetCallerIdentity", open: true, empty: CallerIdentity{},
		run: func(who Caller) (any, error) {
			out := CallerIdentity{Account: who.Account, ARN: who.ARN}
			if id := c.keys[who.AccessKeyID]; id != nil {
				out.UserID = id.UserID
			}
			return out, nil
		},
	}
}

// arn is the account and the resource of an ARN.
type arn struct{ account, resource string }

// roleName is the last part of the resource: a role's path is not in the ARN
// of its sessions.
func (a arn) roleName() string {
	return a.resource[strings.LastIndexByte(a.resource, '/')+1:]
}

var roleARN = regexp.MustCompile(`^arn:aws[\w-]*:iam::(\d{12}):(role/[\w+=,.@/-]+)$`)

func parseRoleARN(s string) (arn, error) {
	m := roleARN.FindStringSubmatch(s)
	if m == nil {
		return arn{}, invalid("ValidationError", "%s is invalid", s)
	}
	return arn{m[1], m[2]}, nil
}
