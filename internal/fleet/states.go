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

// Terminated is the state of an instance that will never run again.
const Terminated = string(types.InstanceStateNameTerminated)

// States asks EC2 once how it stands with instances, by their ids, whether they run or not: pending, running, stopping, stopped,
// shutting-down or [Terminated]. One that is left out is not known there (any more), as is the case about an hour after its end,
// and in another region or account. It needs ec2:DescribeInstances. An error leaves all of them open.
func States(ctx context.Context, src awsconf.Source, ids []string) (map[string]string, error) {
	call, err := connect(ctx, src)
	if err != nil {
		return nil, err
	}
	return states(ctx, call, ids)
}

func states(ctx context.Context, call describe, ids []string) (map[string]string, error) {
	all := make(map[string]string, len(ids))
	for some := range slices.Chunk(ids, maxFilterValues) {
		in := &ec2.DescribeInstancesInput{
			MaxResults: aws.Int32(pageSize),
			Filters:    []types.Filter{{Name: aws.String("instance-id"), Values: some}},
		}
		for page := 1; ; page++ {
			out, err := call(ctx, in)
			if err != nil {
				return nil, fmt.Errorf("asking for instances by their ids: %w", awsconf.Classify(describeOp, err))
			}
			for i := range out.Reservations {
				for _, one := range out.Reservations[i].Instances {
					if one.State != nil {
						all[aws.ToString(one.InstanceId)] = string(one.State.Name)
					}
				}
			}
			if aws.ToString(out.NextToken) == "" {
				break
			}
			if page == maxPages || aws.ToString(out.NextToken) == aws.ToString(in.NextToken) {
				return nil, errors.New("asking for instances by their ids: EC2 keeps sending the same or ever more pages")
			}
			in.NextToken = out.NextToken
		}
	}
	return all, nil
}
