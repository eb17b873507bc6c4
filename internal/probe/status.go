package probe

import (
	"fmt"
	"strconv"
)

// Status is an expected HTTP status: a code (200), a class (2 for 2xx), or zero for any 2xx.
type Status int

// ParseStatus reads a code ("200") or a class ("2xx") as Caddy writes them. A final status is 200 to 599.
func ParseStatus(s string) (Status, error) {
	digits := s
	class := len(s) == 3 && s[1:] == "xx"
	if class {
		digits = s[:1]
	}
	n, err := strconv.Atoi(digits)
	code := Status(n)
	if err != nil || len(s) != 3 || class != (n < 10) || code == 0 || !code.valid() {
		return 0, fmt.Errorf("status: %q is neither a code (200 to 599) nor a class (2xx to 5xx)", s)
	}
	return code, nil
}

// String is the form ParseStatus reads.
func (s Status) String() string {
	switch {
	case s == 0:
		return "2xx"
	case s < 10:
		return strconv.Itoa(int(s)) + "xx"
	}
	return strconv.Itoa(int(s))
}

func (s Status) valid() bool { return s == 0 || s >= 2 && s <= 5 || s >= 200 && s <= 599 }

func (s Status) matches(code int) bool {
	switch {
	case s == 0:
		return code/100 == 2
	case s < 10:
		return code/100 == int(s)
	}
	return code == int(s)
}
