package awstest

import "time"

// stsActions are the actions of STS that are served.
var stsActions = map[string]func(*Cloud, *params) operation{
	"AssumeRole": func(c *Cloud, p *params) operation {
		in := AssumeRoleInput{
			RoleARN:     p.required("RoleArn"),
			SessionName: p.required("RoleSessionName"),
			ExternalID:  p.text("ExternalId"),
		}
		if n, ok := p.integer("DurationSeconds"); ok {
			// Zero would be taken for the default, which it is not on the wire.
			in.Duration = max(time.Duration(n)*time.Second, time.Nanosecond)
		}
		return c.assumeRole(in)
	},
	"GetCallerIdentity": func(c *Cloud, _ *params) operation {
		return c.getCallerIdentity()
	},
}

// failSTS writes an error as STS does.
func failSTS(x *xmlWriter, err *Error, requestID string) {
	blame := "Sender"
	if err.Status >= 500 {
		blame = "Receiver"
	}
	x.open(`ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`)
	x.open("Error")
	x.elem("Type", blame)
	x.elem("Code", err.Code)
	x.elem("Message", err.Message)
	x.close("Error")
	x.elem("RequestId", requestID)
	x.close("ErrorResponse")
}

// writeSTS writes the answer to any action of STS.
func writeSTS(x *xmlWriter, out any, requestID string) {
	switch out := out.(type) {
	case AssumeRoleOutput:
		x.result("AssumeRole", requestID, func() {
			x.open("AssumedRoleUser")
			x.elem("AssumedRoleId", out.ID)
			x.elem("Arn", out.ARN)
			x.close("AssumedRoleUser")
			x.open("Credentials")
			x.elem("AccessKeyId", out.Credentials.AccessKeyID)
			x.elem("SecretAccessKey", out.Credentials.SecretAccessKey)
			x.elem("SessionToken", out.Credentials.SessionToken)
			x.elem("Expiration", isoTime(out.Credentials.Expires))
			x.close("Credentials")
		})
	case CallerIdentity:
		x.result("GetCallerIdentity", requestID, func() {
			x.elem("Arn", out.ARN)
			x.elem("UserId", out.UserID)
			x.elem("Account", out.Account)
		})
	}
}

// result writes an answer's two outermost elements.
func (x *xmlWriter) result(action, requestID string, content func()) {
	x.open(action + `Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"`)
	x.open(action + "Result")
	content()
	x.close(action + "Result")
	x.open("ResponseMetadata")
	x.elem("RequestId", requestID)
	x.close("ResponseMetadata")
	x.close(action + "Response")
}
