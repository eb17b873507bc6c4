// Package iam is the IAM policies that a load balancer needs, and the test that they are enough, and not too much. See README.md.
package iam
