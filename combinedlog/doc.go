// Package combinedlog writes access logs as Apache httpd writes them, so that programs which read those also read Caddy's.
//
// A line of each style, with what the fields are:
//
//	common          192.0.2.7 - frank [21/Nov/2026:16:33:46 +0000] "GET /a?b HTTP/1.1" 200 2326
//	combined        … "https://example.com/" "Mozilla/5.0"
//	vhost_combined  www.example.com:443 192.0.2.7 - …
//
//	%h        the client's address, or the socket's; no name is ever looked up
//	%l        always -
//	%u        the user that a handler of Caddy has authenticated
//	%t        when the request began, as far as Caddy knows: the time of the entry less its duration
//	%r        method, target and protocol, as the client sent them; a password in a target is XXXXXXXX
//	%>s       the status; where no handler sent one, the 200 that the client got, or 444 if it got nothing
//	%b        bytes of the response's body; - for none, and for the answer to HEAD
//	Referer, User-Agent
//	          the headers; several of a name are joined by a comma, and - stands for none
//	%v:%p     the host and port that the client asked for, without a port 443 with TLS and 80 otherwise
//
// The last one is the one difference in meaning: httpd writes the name in its configuration, and Caddy's log does not say which
// of its sites served a request. So a client can invent hosts. Also, Debian configures httpd to count headers with the body (%O),
// which Caddy does not count.
//
// # Escaping
//
// Quotes, backslashes, control bytes and bytes from 0x80 up are written as httpd writes them: \" \\ \b \n \r \t \v and \xhh. What a
// client sends can neither end its field nor its line. What readers would take apart wrongly is escaped beyond that: a space where
// there are no quotes or in the request line, and square brackets and slashes in the name of a user. httpd accepts no target with
// a space, so but for such users the lines of requests that both servers accept are equal.
//
// # Other entries
//
// An access log may get entries that are no request, and this format may be used for other logs. Their lines are like those of
// httpd's error log, one for each entry, with its fields at the end, and of a request its first line and host:
//
//	[Sat Nov 21 16:33:46.123456 2026] [http.log.error:error] [client 192.0.2.7] dial tcp: refused request="GET / HTTP/2.0" status="502"
//
// # What holds
//
// An entry becomes one whole line or nothing, whatever is in it: a field that fails, or panics, is replaced by its error. The
// encoder works below `filter` and `append`, and what a filter has removed or replaced is not looked up elsewhere.
package combinedlog
