package awsconf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

const (
	tagsPath = "tags/instance"
	maxTag   = 256 * utf8.UTFMax // of a value, in bytes
)

// tagChars are those that a key may have for the instance to be allowed to show its tags in the metadata.
const tagChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-=.,_:@"

// Tag asks the instance metadata service for a tag of this instance, each time anew. It takes 3 s at most. If the service
// does not answer, the value that it gave before is returned, if it gave one. A tag that is not there, or has no value, is an
// error, and so are tags that the instance does not show in its metadata, which is how instances are launched. Every error is
// an [*Error].
func (s *Self) Tag(ctx context.Context, key string) (string, error) {
	value, err := lookupTag(ctx, key)
	s.mu.Lock()
	defer s.mu.Unlock()
	var e *Error
	if err == nil {
		if s.tags == nil {
			s.tags = map[string]string{}
		}
		s.tags[key] = value
	} else if known, ok := s.tags[key]; ok && errors.As(err, &e) && !e.permanent {
		return known, nil
	}
	return value, err
}

func lookupTag(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	op := "imds:" + tagsPath + "/" + oneLine(key, 128)
	refused := func(hint, format string, args ...any) error {
		return &Error{Op: op, Class: Request, Err: fmt.Errorf(format, args...), Hint: hint, permanent: true}
	}
	if key == "" || len(key) > 128 || key == "." || key == ".." || key == "_index" || strings.Trim(key, tagChars) != "" {
		return "", refused("use another tag", "a tag %q can't be in the metadata, whose keys have letters, digits and any of + - = . , _ : @", oneLine(key, 128))
	}
	env, err := config.NewEnvConfig()
	if err != nil {
		return "", refused("correct the AWS_… environment variables", "%w", err)
	}
	var client metadata
	client.connect(aws.Config{ConfigSources: []any{env}})
	value, err := client.get(ctx, field{tagsPath + "/" + key, tagValue})
	if value != "" || err != nil {
		return value, err
	}
	var id, all string
	if err := client.getAll(ctx, []target{{fieldID, &id}, {field{tagsPath, tagKeys}, &all}}); err != nil {
		return "", err
	}
	keys := strings.Split(all, "\n")
	switch {
	case all == "":
		return "", refused(fmt.Sprintf("run aws ec2 modify-instance-metadata-options --instance-id %s --instance-metadata-tags enabled, "+
			"or do without the tag", id), "this instance does not show its tags in its metadata")
	case slices.Contains(keys, key):
		return "", refused("give it a value", "the tag %s of this instance is empty", key)
	}
	return "", refused("add it", "this instance has no tag %s, but %s", key, oneLine(strings.Join(keys, ", "), 200))
}

// tagValue accepts a line of text. An empty one is looked at by the caller.
func tagValue(s string) (string, error) {
	if len(s) > maxTag || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return "", malformed("the value of a tag", s)
	}
	return s, nil
}

// tagKeys accepts the list of keys, one on a line.
func tagKeys(s string) (string, error) {
	if strings.Trim(s, tagChars+"\n") != "" {
		return "", malformed("a list of tags", s)
	}
	return s, nil
}
