package awstest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	defaultRoleLifetime = 6 * time.Hour

	// roleRefresh is how long before the end of role keys new ones are given.
	roleRefresh = 5 * time.Minute
)

// InstanceRole is the role that an instance's metadata service gives keys for.
type InstanceRole struct {
	Name string // "" is no role

	// Lifetime is how long new keys are good for. Default six hours. If it is
	// negative they have expired already.
	Lifetime time.Duration

	// Frozen gives the present keys for ever, expired or not, as happens when
	// the metadata service is cut off from IAM.
	Frozen bool

	// Code is what the document says instead of Success, with no keys, such as
	// AssumeRoleUnauthorizedAccess. "" is Success.
	Code string
}

// SetRole changes the role of an instance. Unless the new one is frozen, keys
// given from now on are new ones; older keys go on working until they expire.
func (c *Cloud) SetRole(id string, r InstanceRole) error {
	return c.operate(id, func(m *machine, _ time.Time) error {
		m.role = r
		if !r.Frozen {
			m.roleKeys = nil
		}
		return nil
	})
}

// metadataTree makes the tree of a machine.
func (c *Cloud) metadataTree(m *machine, now time.Time) metadataTree {
	t := make(metadataTree)
	t["dynamic/instance-identity/document"] = func() string { return identityDocument(m.Instance) }
	lifecycle := "on-demand"
	if m.Lifecycle != "" {
		lifecycle = m.Lifecycle
	}
	for path, value := range map[string]string{
		"ami-id":                         m.ImageID,
		"instance-id":                    m.ID,
		"instance-life-cycle":            lifecycle,
		"instance-type":                  m.Type,
		"ipv6":                           m.IPv6(),
		"local-ipv4":                     m.PrivateIP(),
		"mac":                            m.primary().MAC,
		"placement/availability-zone":    m.Zone.Name,
		"placement/availability-zone-id": m.Zone.ID,
		"placement/region":               m.Region,
		"public-ipv4":                    m.PublicIP(),
		"reservation-id":                 m.ReservationID,
	} {
		t.set("meta-data/"+path, value)
	}
	for i := range m.Interfaces {
		m.Interfaces[i].describe(t, m.Instance)
	}
	if m.options.InstanceTags {
		for _, tag := range m.Tags {
			t.set("meta-data/tags/instance/"+tag.Key, tag.Value)
		}
	}
	if m.role.Name != "" {
		t["meta-data/iam/info"] = func() string { return profileDocument(m, now) }
		t["meta-data/iam/security-credentials/"+m.role.Name] = func() string { return c.roleDocument(m, now) }
	}
	for path, value := range m.overrides {
		t.set("meta-data/"+path, value)
	}
	return t
}

// describe adds what there is below network/interfaces/macs/<mac>/.
func (n *Interface) describe(t metadataTree, i *Instance) {
	var private, public []string
	at := "meta-data/network/interfaces/macs/" + n.MAC + "/"
	for _, a := range n.Addresses {
		private = append(private, a.Private)
		if a.Public != "" {
			public = append(public, a.Public)
			t.set(at+"ipv4-associations/"+a.Public, a.Private)
		}
	}
	t.set(at+"device-number", strconv.Itoa(n.DeviceIndex))
	t.set(at+"interface-id", n.ID)
	t.set(at+"ipv6s", strings.Join(n.IPv6, "\n"))
	t.set(at+"local-ipv4s", strings.Join(private, "\n"))
	t.set(at+"mac", n.MAC)
	t.set(at+"owner-id", i.Account)
	t.set(at+"public-ipv4s", strings.Join(public, "\n"))
	t.set(at+"subnet-id", n.SubnetID)
	t.set(at+"vpc-id", i.VPCID)
}

// identityDocument is the document that an instance can prove its identity by.
func identityDocument(i *Instance) string {
	return document(map[string]any{
		"accountId":        i.Account,
		"architecture":     i.Architecture,
		"availabilityZone": i.Zone.Name,
		"imageId":          i.ImageID,
		"instanceId":       i.ID,
		"instanceType":     i.Type,
		"pendingTime":      isoTime(i.LaunchTime),
		"privateIp":        i.PrivateIP(),
		"region":           i.Region,
		"version":          "2017-09-30",
	})
}

// profileDocument tells of the instance profile, which has the role's name.
func profileDocument(m *machine, now time.Time) string {
	return document(map[string]any{
		"Code":               "Success",
		"LastUpdated":        isoTime(now),
		"InstanceProfileArn": fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", m.Account, m.role.Name),
		"InstanceProfileId":  "AIPA" + strings.ToUpper(m.ID[2:]),
	})
}

// roleDocument gives the keys of the role, new ones shortly before the present
// ones end.
func (c *Cloud) roleDocument(m *machine, now time.Time) string {
	if m.role.Code != "" {
		return document(map[string]any{
			"Code": m.role.Code, "Message": "EC2 cannot assume the role " + m.role.Name, "LastUpdated": isoTime(now),
		})
	}
	if m.roleKeys == nil || !m.role.Frozen && m.roleKeys.Expires.Sub(now) < roleRefresh {
		lifetime := m.role.Lifetime
		if lifetime == 0 {
			lifetime = defaultRoleLifetime
		}
		m.roleKeys = c.addSession(arn{m.Account, "role/" + m.role.Name}, m.ID, m.ID, now.Add(lifetime))
	}
	return document(map[string]any{
		"Code":            "Success",
		"Type":            "AWS-HMAC",
		"LastUpdated":     isoTime(now),
		"AccessKeyId":     m.roleKeys.AccessKeyID,
		"SecretAccessKey": m.roleKeys.SecretAccessKey,
		"Token":           m.roleKeys.SessionToken,
		"Expiration":      isoTime(m.roleKeys.Expires),
	})
}

// document writes JSON as the metadata service does, indented.
func document(fields map[string]any) string {
	b, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		panic(err) // maps of strings can be written
	}
	return string(b)
}

// isoTime writes a time as AWS does in documents.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
