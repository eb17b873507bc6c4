package awstest

// runInstancesInput asks for new instances.
type runInstancesInput struct {
	minCount    int
	maxCount    int
	launch      Launch // Account and Region are the caller's
	clientToken string // a second call with it launches nothing and answers alike
	dryRun      bool
}

// runInstances launches as many instances as it may, as one reservation.
func (c *Cloud) runInstances(in runInstancesInput) operation {
	return operation{
		service: "ec2", action: "RunInstances", rate: mutateRate("ec2:RunInstances"), empty: Reservation{},
		run: func(who Caller) (any, error) {
			if in.minCount < 1 || in.maxCount < in.minCount {
				return nil, invalid("InvalidParameterValue", "Value (%d) for parameter minCount is invalid", in.minCount)
			}
			in.launch.Account, in.launch.Region = who.Account, who.Region
			d := c.domain(place{who.Account, who.Region})
			if in.dryRun {
				return nil, errDryRun
			}
			c.settle()
			ids := d.launches[in.clientToken]
			if ids == nil {
				var err error
				if ids, err = c.launch(in.maxCount, in.launch); err != nil {
					return nil, err
				}
				if in.clientToken != "" {
					d.launches[in.clientToken] = ids
				}
			}
			r := Reservation{Account: d.account}
			for _, id := range ids {
				if m := c.machines[id]; m != nil {
					r.ID = m.ReservationID
					r.Instances = append(r.Instances, *m.Instance)
				}
			}
			return r, nil
		},
	}
}

// stateChange is what a call did to the state of an instance.
type stateChange struct {
	id       string
	previous State
	current  State
}

// changeInput names the instances to start, stop or terminate.
type changeInput struct {
	ids    []string
	dryRun bool
}

// changed is the answer to StartInstances, StopInstances or TerminateInstances.
type changed struct {
	action  string
	changes []stateChange
}

// changeInstances is that of these calls that does t: to all instances, or none.
func (c *Cloud) changeInstances(action string, t transition, in changeInput) operation {
	return operation{
		service: "ec2", action: action, rate: mutateRate("ec2:" + action), empty: changed{action: action},
		run: func(who Caller) (any, error) {
			now := c.settle()
			machines, err := c.find(who, in.ids)
			if err != nil {
				return nil, err
			}
			for _, m := range machines {
				if err := t.check(m); err != nil {
					return nil, err
				}
			}
			if in.dryRun {
				return nil, errDryRun
			}
			changes := make([]stateChange, len(machines))
			for n, m := range machines {
				changes[n] = stateChange{id: m.ID, previous: m.State}
				if err := t.apply(c)(m, now); err != nil {
					return nil, err
				}
				changes[n].current = m.State
			}
			return changed{action, changes}, nil
		},
	}
}

// find returns the caller's instances of the given ids.
func (c *Cloud) find(who Caller, ids []string) ([]*machine, error) {
	if len(ids) == 0 {
		return nil, invalid("MissingParameter", "The request must contain the parameter InstanceId")
	}
	var found []*machine
	var missing []string
	for _, id := range ids {
		if err := checkInstanceID(id); err != nil {
			return nil, err
		}
		if m := c.machines[id]; m != nil && m.domain.place == (place{who.Account, who.Region}) {
			found = append(found, m)
		} else {
			missing = append(missing, id)
		}
	}
	if missing != nil {
		return nil, notFound(missing...)
	}
	return found, nil
}
