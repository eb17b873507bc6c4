package awstest

import "slices"

// denial is an action that nobody may do.
type denial struct{ action string }

// Deny takes away the permission for an action such as "ec2:DescribeInstances"
// from everybody, until it is allowed again. The action may have wildcards. To
// deny it to one caller, inject a [Fault] with From and the Code
// UnauthorizedOperation, or AccessDenied outside EC2.
func (c *Cloud) Deny(action string) (allow func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := &denial{action}
	c.denials = append(c.denials, d)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.denials = slices.DeleteFunc(c.denials, func(e *denial) bool { return e == d })
	}
}

// permit refuses a call that is denied, in the words of the service.
func (c *Cloud) permit(who Caller, op operation) error {
	action := op.service + ":" + op.action
	denied := slices.ContainsFunc(c.denials, func(d *denial) bool { return glob(d.action, action) })
	if op.open || !denied && (op.forbidden == nil || !op.forbidden()) {
		return nil
	}
	if op.service == "ec2" {
		return newError("UnauthorizedOperation", "You are not authorized to perform this operation. User: %s is not "+
			"authorized to perform: %s because no identity-based policy allows the %s action", who.ARN, action, action)
	}
	on := ""
	if op.resource != "" {
		on = "on resource: " + op.resource + " "
	}
	return newError("AccessDenied", "User: %s is not authorized to perform: %s %s"+
		"because no identity-based policy allows the %s action", who.ARN, action, on, action)
}
