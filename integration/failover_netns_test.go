//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// insideEnv says that the process has a network of its own.
const insideEnv = "INTEGRATION_NETNS"

// TestLinkIsDown pulls the holder's cable: nodes with addresses, interfaces and routes of their own, on a switch. It runs in
// namespaces of its own, which needs no root where users may make them.
func TestLinkIsDown(t *testing.T) {
	inNetwork(t, linkIsDown)
}

// inNetwork runs a test in a process of its own, which has a network of its own, and returns what that printed; there it returns
// nothing. The network has a bridge, at [hubAddr].
func inNetwork(t *testing.T, test func(*testing.T)) string {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		for _, args := range []string{
			"link set lo up", "link add br0 type bridge", "addr add " + hubAddr + "/24 dev br0", "link set br0 up",
		} {
			if err := ip(args); err != nil {
				t.Skipf("no network of its own: %v", err)
			}
		}
		test(t)
		return ""
	}
	if testing.Short() {
		t.Skip("it runs real processes for some seconds")
	}
	t.Parallel()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("no network namespaces without iproute2: %v", err)
	}
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	only := "^" + strings.ReplaceAll(t.Name(), "/", "$/^") + "$"
	cmd := exec.Command(os.Args[0], "-test.run", only, "-test.v", "-test.timeout", "2m")
	cmd.Env = append(os.Environ(), insideEnv+"=1", "CADDY_BIN="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig:   syscall.SIGKILL,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("this user may not make network namespaces: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	case err != nil:
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return string(out)
}

const hubAddr = "10.77.0.254"

// newLabOnASwitch makes a lab whose nodes are on the bridge, each behind a port.
func newLabOnASwitch(t *testing.T, nodes int) *lab {
	t.Helper()
	var addrs []string
	for i := range nodes {
		addrs = append(addrs, fmt.Sprintf("10.77.0.%d", i+1))
	}
	l := newLabAt(t, hubAddr, addrs)
	for i, n := range l.nodes {
		n.port = &port{name: fmt.Sprintf("port%d", i+1), addr: n.addr}
		t.Cleanup(func() { n.port.host.Close() })
	}
	return l
}

func linkIsDown(t *testing.T) {
	l := newLabOnASwitch(t, 2)
	l.start()
	l.hear()
	lb1, lb2 := l.nodes[0], l.nodes[1]
	l.witnessed(lb2)
	l.ask()

	fault := time.Now()
	l.must(lb1.port.down())
	took := l.moved(lb2, fault, settled)
	l.served(lb2, fault, took+time.Second+slack)
	l.wrote(2)
	l.must(lb1.port.up())
	l.hear()
	l.holds(lb2)
	l.calm(lb2)
	l.wrote(2)
	fault = lb2.kill()
	l.moved(lb1, fault, 500*time.Millisecond+slack)
	l.holds(lb1)
	l.wrote(3)
}

func ip(args string) error {
	if out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", args, err, out)
	}
	return nil
}

// port is one of the switch. The cable leads to the interface eth0 of a node.
type port struct {
	name, addr string
	host       *os.File // the network of the node, which is there without a process, too: a killed process is not a host that is gone
}

// start starts a node behind the port: in a network of its own, in which it waits until the cable is there.
func (p *port) start(cmd *exec.Cmd) error {
	const script = `read -r _ && ip link set lo up && ip addr add "$0/24" dev eth0 && ip link set eth0 up && exec "$@"`
	sh, err := exec.LookPath("sh")
	if err != nil {
		return err
	}
	cmd.Path, cmd.Args = sh, append([]string{"sh", "-c", script, p.addr}, cmd.Args...)
	cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET
	begin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer begin.Close()
	if p.host, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", cmd.Process.Pid)); err != nil {
		return err
	}
	for _, args := range []string{
		fmt.Sprintf("link add %s type veth peer name eth0 netns %d", p.name, cmd.Process.Pid),
		"link set " + p.name + " master br0", "link set " + p.name + " up",
	} {
		if err := ip(args); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(begin)
	return err
}

// down pulls the cable, and up plugs it in again.
func (p *port) down() error { return ip("link set " + p.name + " down") }
func (p *port) up() error   { return ip("link set " + p.name + " up") }
