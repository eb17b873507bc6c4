package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
)

const (
	// describeOp names the one call that is made, and the permission that it needs.
	describeOp = "ec2:DescribeInstances"
	// pageSize is the largest EC2 allows. It is always sent: a listing without it counts as unpaginated, which has
	// a smaller token bucket and fails in very large regions.
	pageSize = 1000
	// maxPages ends a listing that does not end by itself.
	maxPages = 1000
)

// describe is the one EC2 operation in use. It is kept as a closure: a client that is reachable through an
// interface or a config struct keeps all of its several hundred operations in the binary.
type describe func(context.Context, *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error)

func connect(ctx context.Context, src awsconf.Source) (describe, error) {
	cfg, err := src.Load(ctx)
	if err != nil {
		return nil, err
	}
	client := ec2.NewFromConfig(cfg, func(o *ec2.Options) {
		if src.Endpoint != "" {
			o.BaseEndpoint = aws.String(src.Endpoint)
		}
	})
	return func(ctx context.Context, in *ec2.DescribeInstancesInput) (*ec2.DescribeInstancesOutput, error) {
		return client.DescribeInstances(ctx, in)
	}, nil
}

// list asks for all pages. It returns every matching instance, sorted by id, or an error: half a listing is none.
// count is called before each API call.
func list(ctx context.Context, call describe, q Query, count func()) ([]*Instance, error) {
	in := &ec2.DescribeInstancesInput{MaxResults: aws.Int32(pageSize)}
	in.Filters = append(in.Filters, types.Filter{Name: aws.String(stateFilter), Values: []string{"running"}})
	for _, f := range q.Filters {
		in.Filters = append(in.Filters, types.Filter{Name: aws.String(f.Name), Values: f.Values})
	}

	var fleet []*Instance
	for page := 1; ; page++ {
		count()
		out, err := call(ctx, in)
		if err != nil {
			err = awsconf.Classify(describeOp, err)
			if page > 1 {
				return nil, fmt.Errorf("page %d: %w", page, err)
			}
			return nil, err
		}
		for i := range out.Reservations {
			for j := range out.Reservations[i].Instances {
				if in, ok := fromEC2(&out.Reservations[i].Instances[j]); ok {
					fleet = append(fleet, in)
				}
			}
		}
		if aws.ToString(out.NextToken) == "" {
			break
		}
		if page == maxPages || aws.ToString(out.NextToken) == aws.ToString(in.NextToken) {
			return nil, errors.New("the listing does not end: EC2 keeps sending the same or ever more pages")
		}
		in.NextToken = out.NextToken
	}
	slices.SortFunc(fleet, byID)
	// An instance that moves between pages while they are read is listed twice.
	return slices.CompactFunc(fleet, func(a, b *Instance) bool { return a.ID == b.ID }), nil
}
