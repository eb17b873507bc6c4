package dnsfailover

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

// instanceValues are the placeholders of the instance, without braces, and where their values are. Those of tags are beside
// them.
var instanceValues = map[string]func(awsconf.Identity) string{
	"ec2.instance_id":  func(id awsconf.Identity) string { return id.InstanceID },
	"ec2.region":       func(id awsconf.Identity) string { return id.Region },
	"ec2.zone":         func(id awsconf.Identity) string { return id.Zone },
	"ec2.private_ipv4": func(id awsconf.Identity) string { return id.PrivateIPv4 },
	"ec2.public_ipv4":  func(id awsconf.Identity) string { return id.PublicIPv4 },
}

// placeholders finds the values of those that the configuration has.
func (f *selfFinder) placeholders(ctx context.Context) error {
	texts := []struct{ option, text string }{{"node", f.cfg.Node}, {"instance", f.cfg.Instance}}
	for _, r := range f.cfg.Register {
		texts = append(texts, struct{ option, text string }{"register", r.Name})
	}
	for _, t := range texts {
		for _, found := range instancePlaceholder.FindAllString(t.text, -1) {
			if _, ok := f.self.values[found]; ok || found == "{node}" && t.option == "register" {
				continue
			}
			value, err := f.find(ctx, strings.Trim(found, "{}"))
			if err != nil {
				return fmt.Errorf("%s %s: %w", t.option, t.text, err)
			}
			f.self.values[found] = value
		}
	}
	return nil
}

// find finds the value of one. It is never empty: a name with a gap in it would be another one.
func (f *selfFinder) find(ctx context.Context, name string) (string, error) {
	if name == "node" {
		return "", errors.New("{node} is for the names of register alone: here it would stand for what is only found out with this")
	}
	if name == "ec2.private_ipv4" && f.given.Private != "" && f.self.Private.Is4() {
		return f.self.Private.String(), nil
	}
	if name == "ec2.public_ipv4" && f.given.Public != "" && f.self.Public.IsValid() {
		return f.self.Public.String(), nil
	}
	tag, isTag := strings.CutPrefix(name, "ec2.tag.")
	of := instanceValues[name]
	if of == nil && !isTag {
		return "", fmt.Errorf("there is no placeholder {%s}: of the instance there are %s", name, knownPlaceholders)
	}
	// A host without a metadata service need not be asked for tags, too.
	id, err := f.identity(ctx)
	switch {
	case err != nil:
		return "", err
	case isTag:
		return f.imds.Tag(ctx, tag)
	}
	value := of(id)
	if value == "" {
		return "", fmt.Errorf("this instance has nothing for {%s}: associate an address with it, or use another placeholder", name)
	}
	return value, nil
}
