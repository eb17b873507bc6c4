package awstest

// createTagsInput names instances and the tags to set on them.
type createTagsInput struct {
	ids    []string
	tags   map[string]string
	dryRun bool
}

// createTags sets tags on instances, on all or none of them, and leaves their
// other tags alone.
func (c *Cloud) createTags(in createTagsInput) operation {
	check := func() error {
		if len(in.tags) == 0 {
			return invalid("MissingParameter", "The request must contain the parameter Tag")
		}
		return checkTags(in.tags)
	}
	return c.tagInstances("CreateTags", in.ids, in.dryRun, check, func(i *Instance) {
		for key, value := range in.tags {
			i.setTag(key, value)
		}
	})
}

// deleteTagsInput names instances and the tags to delete from them.
type deleteTagsInput struct {
	ids []string

	// tags are deleted if they have the value given, or whatever their value
	// if that is nil. Without any, all are deleted that AWS did not set.
	tags map[string]*string

	dryRun bool
}

// deleteTags deletes tags of instances. A tag that is not there is no error.
func (c *Cloud) deleteTags(in deleteTagsInput) operation {
	check := func() error {
		for key := range in.tags {
			if err := checkTagKey(key); err != nil {
				return err
			}
		}
		return nil
	}
	return c.tagInstances("DeleteTags", in.ids, in.dryRun, check, func(i *Instance) {
		for _, tag := range i.Tags {
			value, named := in.tags[tag.Key]
			if named && (value == nil || *value == tag.Value) || len(in.tags) == 0 && !reserved(tag.Key) {
				i.deleteTag(tag.Key)
			}
		}
	})
}

// done is the answer to a call that has nothing to tell.
type done struct{ action string }

// tagInstances is CreateTags or DeleteTags.
func (c *Cloud) tagInstances(action string, ids []string, dryRun bool, check func() error, edit func(*Instance)) operation {
	return operation{
		service: "ec2", action: action, rate: namedRate{"ec2:" + action, tagRate}, empty: done{action},
		run: func(who Caller) (any, error) {
			now := c.settle()
			if err := check(); err != nil {
				return nil, err
			}
			machines, err := c.find(who, ids)
			if err != nil {
				return nil, err
			}
			for _, m := range machines {
				trial := *m.Instance
				if edit(&trial); len(trial.Tags) > maxTags {
					return nil, invalid("TagLimitExceeded", "Instance %s would have more than %d tags", m.ID, maxTags)
				}
			}
			if dryRun {
				return nil, errDryRun
			}
			for _, m := range machines {
				c.change(m, now, edit)
			}
			return done{action}, nil
		},
	}
}
