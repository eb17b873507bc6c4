package awstest_test

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

// A test launches instances, lets the SDK find them, and breaks something.
func Example() {
	cloud := awstest.New(awstest.Config{})
	server, err := awstest.Serve(cloud)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	id, err := cloud.Launch(awstest.Launch{Tags: map[string]string{"app": "web"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	client := ec2.New(ec2.Options{
		Region:       awstest.DefaultRegion,
		BaseEndpoint: aws.String(server.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider(awstest.AccessKeyID, awstest.SecretAccessKey, ""),
		Retryer:      aws.NopRetryer{},
	})
	list := func() {
		out, err := client.DescribeInstances(context.Background(), &ec2.DescribeInstancesInput{MaxResults: aws.Int32(1000)})
		if err != nil {
			fmt.Println("failed")
			return
		}
		for _, r := range out.Reservations {
			for _, i := range r.Instances {
				fmt.Println(*i.InstanceId == id, i.State.Name, *i.PrivateIpAddress)
			}
		}
	}
	list()
	cloud.Inject(awstest.Fault{Service: "ec2", Code: "RequestLimitExceeded", Times: 1})
	list()
	if err := cloud.Stop(id); err != nil {
		fmt.Println(err)
	}
	list()
	fmt.Println(cloud.Count("ec2", "DescribeInstances"), "calls")

	// Output:
	// true running 10.0.0.4
	// failed
	// true stopped 10.0.0.4
	// 3 calls
}
