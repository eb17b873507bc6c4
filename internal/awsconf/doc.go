// Package awsconf is the one way to AWS: which account, region and endpoint a call goes to ([Source]), what an error of
// such a call means and what to do about it ([Error]), and which instance this process runs on ([Identity]).
//
// # What it decides
//
// A config from [Source.Load] makes one attempt per call. Whoever calls knows how long it can wait and what else it
// could do meanwhile, so backing off and trying again is the caller's business; [Error.Permanent] tells when that is pointless.
//
// The instance metadata service is spoken to in version 2 only, never through a proxy and never across a redirect:
// another host's answer would give us another instance's address and credentials.
//
// The package imports no Caddy and no AWS service but STS.
package awsconf
