package awsconf

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// lookupTimeout bounds a whole lookup.
const lookupTimeout = 3 * time.Second

// Identity is what the instance metadata service says about the instance this process runs on. A field is empty if
// the instance has no such thing, or if nobody knows. Addresses are in canonical form.
type Identity struct {
	InstanceID  string `json:"instance_id,omitempty"`  // i-0123456789abcdef0
	AccountID   string `json:"account_id,omitempty"`   // the twelve digits of the AWS account that owns the primary interface
	Region      string `json:"region,omitempty"`       // eu-west-1
	Zone        string `json:"zone,omitempty"`         // eu-west-1a: the same name is another place in another account
	ZoneID      string `json:"zone_id,omitempty"`      // euw1-az1: the same place in every account
	InterfaceID string `json:"interface_id,omitempty"` // eni-0123456789abcdef0, the primary network interface
	PrivateIPv4 string `json:"private_ipv4,omitempty"` // the primary interface's primary address
	PublicIPv4  string `json:"public_ipv4,omitempty"`  // of the primary interface: its Elastic IP if it has one, or the one AWS lends it
	IPv6        string `json:"ipv6,omitempty"`         // the primary interface's
}

// field is one value of the metadata: where it is, and what it may look like.
type field struct {
	path  string
	parse func(string) (string, error)
}

var (
	fieldID          = field{"instance-id", pattern("an instance id", `^i-([0-9a-f]{8}|[0-9a-f]{17})$`)}
	fieldRegion      = field{"placement/region", pattern("a region", `^[a-z]+(-[a-z]+)+-[0-9]{1,2}$`)}
	fieldZone        = field{"placement/availability-zone", pattern("an availability zone", `^[a-z]+(-[a-z0-9]+){2,8}$`)}
	fieldZoneID      = field{"placement/availability-zone-id", pattern("an availability zone id", `^[a-z0-9]+(-[a-z0-9]+){1,8}$`)}
	fieldPrivateIPv4 = field{"local-ipv4", address("a private IPv4 address", netip.Addr.Is4)}
	fieldPublicIPv4  = field{"public-ipv4", address("a public IPv4 address", netip.Addr.Is4)}
	fieldIPv6        = field{"ipv6", address("an IPv6 address", isIPv6)}
	fieldMAC         = field{"mac", pattern("a MAC address", `^([0-9a-f]{2}:){5}[0-9a-f]{2}$`)}
)

func fieldInterface(mac string) field {
	return field{"network/interfaces/macs/" + mac + "/interface-id", pattern("a network interface id", `^eni-([0-9a-f]{8}|[0-9a-f]{17})$`)}
}

func fieldAccount(mac string) field {
	return field{"network/interfaces/macs/" + mac + "/owner-id", pattern("an account id", `^[0-9]{12}$`)}
}

func pattern(what, form string) func(string) (string, error) {
	re := regexp.MustCompile(form)
	return func(s string) (string, error) {
		if !re.MatchString(s) {
			return "", malformed(what, s)
		}
		return s, nil
	}
}

// address accepts what can be dialled.
func address(what string, family func(netip.Addr) bool) func(string) (string, error) {
	return func(s string) (string, error) {
		ip, err := netip.ParseAddr(s)
		if err != nil || !family(ip) || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLinkLocalUnicast() {
			return "", malformed(what, s)
		}
		return ip.String(), nil
	}
}

func isIPv6(ip netip.Addr) bool { return ip.Is6() && !ip.Is4In6() }

// Lookup asks the instance metadata service (IMDSv2) who this instance is. It takes 3 s at most, each of its requests 1 s,
// and ends with the first that fails: an identity is whole or there is none. What the service does not have is an
// empty field, but an instance without an id is an error. Every error is an [*Error].
func Lookup(ctx context.Context) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	env, err := config.NewEnvConfig()
	if err != nil {
		return Identity{}, &Error{Op: "imds", Class: Request, Err: err, permanent: true, Hint: "correct the AWS_… environment variables"}
	}
	var client metadata
	client.connect(aws.Config{ConfigSources: []any{env}})

	var id Identity
	var mac string
	if err := client.getAll(ctx, []target{
		{fieldID, &id.InstanceID}, {fieldRegion, &id.Region}, {fieldZone, &id.Zone}, {fieldZoneID, &id.ZoneID},
		{fieldPrivateIPv4, &id.PrivateIPv4}, {fieldPublicIPv4, &id.PublicIPv4}, {fieldIPv6, &id.IPv6}, {fieldMAC, &mac},
	}); err != nil {
		return Identity{}, err
	}
	if id.InstanceID == "" {
		return Identity{}, &Error{
			Op: "imds:" + fieldID.path, Class: Server, Err: errors.New("it has no instance id"), Hint: hintNotEC2,
		}
	}
	if mac != "" {
		if err := client.getAll(ctx, []target{{fieldInterface(mac), &id.InterfaceID}, {fieldAccount(mac), &id.AccountID}}); err != nil {
			return Identity{}, err
		}
	}
	return id, nil
}

// target is a field and the place for its value.
type target struct {
	field field
	value *string
}

func (m *metadata) getAll(ctx context.Context, targets []target) error {
	for _, t := range targets {
		value, err := m.get(ctx, t.field)
		if err != nil {
			return err
		}
		*t.value = value
	}
	return nil
}
