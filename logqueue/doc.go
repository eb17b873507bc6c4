// Package logqueue puts a queue between Caddy and an output of its logs, so that nobody waits for the output.
//
//	log {
//		output queue {
//			to net tcp/logs.example.internal:5140
//			size 8MiB
//		}
//	}
//
// Caddy writes a log where it makes it, that is, within a request, and sets no deadline. An output that takes nothing more but does
// not fail either, such as a TCP receiver that hangs, a host that has vanished, or a disk behind a network, therefore stops all
// requests as soon as the buffers on the way are full. Behind a queue it stops nothing.
//
// # What holds
//
// A line is written whole and by itself, in the order in which lines came, so a datagram remains one line. One that finds the queue
// full is lost, and so is one that the output refuses; what waits already is kept. It is said in Caddy's own log when that begins,
// and how many lines it were when it is over, at most once in ten seconds. That log may have the same queue: what it says about the
// queue is a line like any other.
//
// The queue is in memory. A reload goes on with it, and loses nothing. When Caddy stops, what waits is written within two seconds or
// lost, and so is what Caddy says after that; a process that is killed loses all of it.
package logqueue
