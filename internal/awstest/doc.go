// Package awstest is a strict in-memory fake of the AWS APIs that caddy-ec2
// uses: EC2 instances, tags and Elastic IPs, STS, Route 53, and the instance
// metadata service (IMDSv2). Tests and the quickstart example use it; nothing
// else imports it.
//
// It has two layers. [Cloud] is a plain value behind a mutex: it starts no
// goroutine, opens no socket and knows no clock but [Config.Now], so a
// single-threaded simulator can call it in virtual time. [Server] is a skin
// over it that speaks the wire protocols, so that the real AWS SDK (and the
// real binary) can talk to it, [DNSServer] answers from the hosted zones
// what resolvers would see, and a [DataPlane] stands for an Elastic IP itself.
//
// The cloud is operated from two sides. The methods that take a [Caller] are
// API calls: they pass throttling, permissions and faults, and are recorded.
// All other methods are the hand of the test: they always work, at once, and
// leave no trace in the call log.
//
// It is strict on purpose. What AWS documents as possible happens: elements
// are in another order in every answer, a reservation is split over pages, a
// change is seen late, a bucket runs dry, a zone takes the listing down with
// it. Everything random comes from [Config.Seed], so a run with one thread
// repeats exactly.
//
// A batch of record sets is judged in order, on a copy, against what the zone
// holds now; it is made as a whole or not at all, and seen in the DNS only once
// it is in sync.
//
// What is not modelled is refused, never ignored: an unknown action,
// parameter, element or filter is an error. Signatures are parsed and dated but not
// recomputed. Quotas other than request rates, security groups, volumes and
// images do not exist. Two instances may be given one address, which lets
// several of them live on one loopback interface.
package awstest
