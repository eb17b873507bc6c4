package awsconf

import (
	"strings"
	"testing"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// tagged is a fake instance with two tags that it shows.
func tagged(t *testing.T) (cloud *awstest.Cloud, id string) {
	t.Helper()
	cloud, server, _ := fake(t)
	id, err := cloud.Launch(awstest.Launch{Tags: map[string]string{"Name": "lb 1", "app:role": "edge=1"}})
	if err != nil {
		t.Fatal(err)
	}
	isolate(t, server.Env(id)...)
	show(t, cloud, id, true)
	return cloud, id
}

func show(t *testing.T, cloud *awstest.Cloud, id string, tags bool) {
	t.Helper()
	if err := cloud.SetMetadataOptions(id, awstest.MetadataOptions{HopLimit: 1, Hops: 1, InstanceTags: tags}); err != nil {
		t.Fatal(err)
	}
}

func TestTag(t *testing.T) {
	cloud, id := tagged(t)
	var s Self
	for key, want := range map[string]string{"Name": "lb 1", "app:role": "edge=1"} {
		if got, err := s.Tag(t.Context(), key); err != nil || got != want {
			t.Errorf("%s is %q, %v, want %q", key, got, err, want)
		}
	}
	if err := cloud.SetMetadata(id, "tags/instance/Name", "lb2"); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Tag(t.Context(), "Name"); err != nil || got != "lb2" {
		t.Errorf("after a change it is %q, %v", got, err)
	}

	_, err := s.Tag(t.Context(), "Nam")
	wantError(t, Classify("", err), Request, true, "imds:tags/instance/Nam: request: this instance has no tag Nam, but Name, app:role", "add it")
	for _, key := range []string{"", "a/b", "a b", "..", "_index", "ä", "a\nb", strings.Repeat("a", 129)} {
		_, err := s.Tag(t.Context(), key)
		wantError(t, Classify("", err), Request, true, "can't be in the metadata", "use another tag")
	}

	cloud, id = tagged(t)
	show(t, cloud, id, false)
	_, err = s.Tag(t.Context(), "Name")
	wantError(t, Classify("", err), Request, true, "does not show its tags",
		"aws ec2 modify-instance-metadata-options --instance-id "+id+" --instance-metadata-tags enabled")
}

// What a service that does not answer said before still holds, but what it takes back does not.
func TestTagIsKept(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault awstest.Fault
		class Class
	}{
		{"throttled", awstest.Fault{Status: 429}, Throttled},
		{"silent", awstest.Fault{Kind: awstest.Hang}, Timeout},
		{"cut off", awstest.Fault{Kind: awstest.Drop}, Network},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cloud, _ := tagged(t)
			var known, unknown Self
			if _, err := known.Tag(t.Context(), "Name"); err != nil {
				t.Fatal(err)
			}
			tc.fault.Service, tc.fault.Action = "imds", "meta-data/tags/*"
			cloud.Inject(tc.fault)
			if got, err := known.Tag(t.Context(), "Name"); err != nil || got != "lb 1" {
				t.Errorf("known: %q, %v", got, err)
			}
			_, err := unknown.Tag(t.Context(), "Name")
			wantError(t, Classify("", err), tc.class, false)
		})
	}
	t.Run("taken back", func(t *testing.T) {
		cloud, id := tagged(t)
		var s Self
		if _, err := s.Tag(t.Context(), "Name"); err != nil {
			t.Fatal(err)
		}
		if err := cloud.SetMetadata(id, "tags/instance/Name", ""); err != nil {
			t.Fatal(err)
		}
		_, err := s.Tag(t.Context(), "Name")
		wantError(t, Classify("", err), Request, true, "has no tag Name")
	})
	t.Run("without a value", func(t *testing.T) {
		cloud, id := tagged(t)
		if err := cloud.SetMetadata(id, "tags/instance/Name", " "); err != nil {
			t.Fatal(err)
		}
		_, err := new(Self).Tag(t.Context(), "Name")
		wantError(t, Classify("", err), Request, true, "the tag Name of this instance is empty", "give it a value")
	})
	t.Run("garbage", func(t *testing.T) {
		cloud, id := tagged(t)
		if err := cloud.SetMetadata(id, "tags/instance/Name", "a\x1b[31mb"); err != nil {
			t.Fatal(err)
		}
		_, err := new(Self).Tag(t.Context(), "Name")
		wantError(t, Classify("", err), Server, false, "is not the value of a tag")
	})
}
