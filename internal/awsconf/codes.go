package awsconf

import "strings"

// verdict is what an error code means.
type verdict struct {
	class     Class
	permanent bool
	hint      string
}

const (
	hintThrottled = "the limit is per account and region, all tools together"
	hintClock     = "is this machine's clock right?"
	hintExpired   = "renew them if they come from the environment or a file; on an instance check the metadata service and the clock"
	hintKey       = "is the access key right, complete with its session token, and still active?"
	hintAuth      = "are the credentials right, and is the region enabled for this account?"
)

// codes are the error codes whose meaning cannot be told from the HTTP status. Sources: "Error codes for the Amazon EC2
// API", "Common errors" of STS and Route 53, and the SDK's own list of throttle codes.
var codes = map[string]verdict{
	"RequestLimitExceeded":                   {Throttled, false, hintThrottled},
	"Throttling":                             {Throttled, false, hintThrottled},
	"ThrottlingException":                    {Throttled, false, hintThrottled},
	"ThrottledException":                     {Throttled, false, hintThrottled},
	"RequestThrottled":                       {Throttled, false, hintThrottled},
	"RequestThrottledException":              {Throttled, false, hintThrottled},
	"EC2ThrottledException":                  {Throttled, false, hintThrottled},
	"TooManyRequests":                        {Throttled, false, hintThrottled},
	"TooManyRequestsException":               {Throttled, false, hintThrottled},
	"ProvisionedThroughputExceededException": {Throttled, false, hintThrottled},
	"BandwidthLimitExceeded":                 {Throttled, false, hintThrottled},
	"SlowDown":                               {Throttled, false, hintThrottled},
	"PriorRequestNotComplete":                {Throttled, false, "an earlier change of this hosted zone is still being made"},

	"UnauthorizedOperation": {Denied, true, ""},
	"AccessDenied":          {Denied, true, ""},
	"AccessDeniedException": {Denied, true, ""},
	"UnauthorizedAccess":    {Denied, true, ""},

	"AuthFailure":                         {Credentials, true, hintAuth},
	"InvalidClientTokenId":                {Credentials, true, hintKey},
	"UnrecognizedClientException":         {Credentials, true, hintKey},
	"InvalidAccessKeyId":                  {Credentials, true, hintKey},
	"NotAuthorized":                       {Credentials, true, hintKey},
	"MissingAuthenticationToken":          {Credentials, true, hintKey},
	"MissingAuthenticationTokenException": {Credentials, true, hintKey},
	"IncompleteSignature":                 {Credentials, true, hintKey},
	"SignatureDoesNotMatch":               {Credentials, true, "does the secret key belong to the access key?"},
	"InvalidSignatureException":           {Credentials, true, "does the secret key belong to the access key?"},
	"ExpiredToken":                        {Credentials, false, hintExpired},
	"ExpiredTokenException":               {Credentials, false, hintExpired},
	"TokenRefreshRequired":                {Credentials, false, hintExpired},
	"CredentialsExpired":                  {Credentials, false, hintExpired},

	"RequestExpired":       {Clock, false, "either this machine's clock is wrong or the credentials have expired"},
	"RequestTimeTooSkewed": {Clock, false, hintClock},
	"RequestInTheFuture":   {Clock, false, hintClock},

	"RegionDisabledException": {Region, true, "activate STS for the region in this account"},
	"OptInRequired":           {Region, true, "enable the region, or the service, for this account"},
	"PendingVerification":     {Region, false, "AWS is still verifying this account for the region"},

	"RequestTimeout":          {Timeout, false, ""},
	"RequestTimeoutException": {Timeout, false, ""},

	"InternalError":               {Server, false, ""},
	"InternalFailure":             {Server, false, ""},
	"InternalServerError":         {Server, false, ""},
	"Unavailable":                 {Server, false, ""},
	"ServerInternal":              {Server, false, ""},
	"ServiceUnavailable":          {Server, false, ""},
	"ServiceUnavailableException": {Server, false, ""},

	"DryRunOperation":               {Request, false, "the call would have been allowed"},
	"Resource.AlreadyAssociated":    {Request, false, ""},
	"InvalidAssociationID.NotFound": {Request, false, ""},
	"InvalidChangeBatch":            {Request, false, ""},
}

// refine looks at the message where one code stands for several faults.
func refine(v verdict, message string) verdict {
	if v.class != Credentials {
		return v
	}
	switch {
	case strings.Contains(message, "Signature expired"), strings.Contains(message, "Signature not yet current"):
		return verdict{Clock, false, hintClock}
	case strings.Contains(message, "scoped to a valid region"), strings.Contains(message, "scoped to correct"):
		return verdict{Region, true, "the region does not fit the endpoint that was called"}
	}
	return v
}
