// Package aws is what load balancers on AWS need beside the binary, and the test that it fits together. See README.md.
package aws
