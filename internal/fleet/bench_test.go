//go:build unix

// getrusage is what tells our share of the processor from that of the fake cloud.

package fleet

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-ec2/caddy-ec2/internal/awsconf"
	"github.com/caddy-ec2/caddy-ec2/internal/awstest"
)

const (
	// benchCloudVariable makes a process of this test binary a fake cloud.
	benchCloudVariable = "FLEET_BENCH_CLOUD"
	benchInstances     = 10000
)

// TestBenchCloudProcess is no test but the main program of BenchmarkRefresh10000's fake cloud, which has to be another
// process: it takes more of a processor than its client. It says what environment leads to it, and ends with its input.
func TestBenchCloudProcess(t *testing.T) {
	if os.Getenv(benchCloudVariable) == "" {
		return
	}
	cloud := awstest.New(awstest.Config{})
	cloud.SetRate("", awstest.Rate{}) // EC2 itself would let a poll of 10 pages pass every half second
	for i := range benchInstances {
		_, err := cloud.Launch(awstest.Launch{
			PublicIP: awstest.AutoAssign, IPv6: awstest.AutoAssign, ASG: "web",
			Tags: map[string]string{"Name": fmt.Sprintf("web-%05d", i), "Role": "web", "Env": "prod", "Version": "2026-11-21.3", "Weight": "100"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	server, err := awstest.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for _, line := range server.Env("") {
		fmt.Println(line)
	}
	fmt.Println()
	io.Copy(io.Discard, os.Stdin)
}

// startBenchCloud runs the fake cloud and makes it what the SDK of this process talks to.
func startBenchCloud(b *testing.B) {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBenchCloudProcess$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), benchCloudVariable+"=yes")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe() // left open: the cloud ends with it
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "" {
		k, v, _ := strings.Cut(lines.Text(), "=")
		b.Setenv(k, v)
	}
	if os.Getenv("AWS_ENDPOINT_URL") == "" {
		b.Fatal("the fake cloud did not start")
	}
}

func processCPU(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkRefresh10000 is one refresh of a fleet of 10,000 that did not change: all pages through the real SDK over HTTP,
// and taking the answer into the state. ns/op is mostly the fake's own work; cpu-ms/op, B/op and allocs/op are ours alone.
func BenchmarkRefresh10000(b *testing.B) {
	startBenchCloud(b)
	q, err := NewQuery(awsconf.Source{}, map[string][]string{"Role": {"web"}}, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := newPoller(q, ec2Lister(q))
	refresh := func() {
		p.apply(p.poll(b.Context()))
		if s := p.State(); s.Err != nil || len(s.Instances) != benchInstances {
			b.Fatalf("%d instances, error %v", len(s.Instances), s.Err)
		}
	}
	refresh() // connects, and makes the state that later answers are compared with
	runtime.GC()
	before, _ := p.Counts()
	cpu := processCPU(b)
	b.ReportAllocs()
	for b.Loop() {
		refresh()
	}
	after, _ := p.Counts()
	b.ReportMetric(float64((processCPU(b)-cpu).Microseconds())/1000/float64(b.N), "cpu-ms/op")
	b.ReportMetric(float64(after.APICalls-before.APICalls)/float64(b.N), "calls/op")
}
