package sim

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// TestFaultTable: the table of DESIGN.md has every fault once, and names the file
// with the one test of it.
func TestFaultTable(t *testing.T) {
	where := map[int][]string{}
	for _, pattern := range []string{"fault_*_test.go", "../fault_*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func TestFault(\d\d)\(`).FindAllSubmatch(text, -1) {
				n, _ := strconv.Atoi(string(m[1]))
				where[n] = append(where[n], filepath.Clean(filepath.Join("sim", file)))
			}
		}
	}
	text, err := os.ReadFile("../DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|.*\]\(([^)]+)\) \|`).FindAllSubmatch(text, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		rows[n] = append(rows[n], string(m[2]))
	}
	for n := 1; n <= 46; n++ {
		if len(where[n]) != 1 || !slices.Equal(where[n], rows[n]) {
			t.Errorf("fault %d is tested in %q, and the table says %q", n, where[n], rows[n])
		}
	}
	if len(rows) != 46 || len(where) != 46 {
		t.Errorf("%d rows and %d tests", len(rows), len(where))
	}
}
