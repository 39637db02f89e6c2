package main

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// arrow says what the packages at and below path, or all packages but those in
// except, may import. Tests are free: they hold a fake Kafka, or rapid.
type arrow struct {
	path, except []string
	only         []string // when set, every import is in one of these; "std" is the standard library
	never        []string
	why          string
}

// arrows are those of the lists of depguard in .golangci.yml, which this test
// holds without a linter.
var arrows = []arrow{
	{path: []string{"gen/core"}, only: []string{"std", "gen/core"}, why: "core is the standard library alone"},
	{
		path:  []string{"gen/core"},
		never: []string{"os", "net", "syscall", "time", "log", "math/rand", "crypto/rand", "unsafe", "C"},
		why:   "core does no input or output, has no clock and no chance but its own",
	},
	{path: []string{"gen/store"}, only: []string{"std", "gen/core", "gen/store", "go.etcd.io/bbolt"}, why: "store is bbolt and nothing else"},
	{path: []string{"gen/emit"}, never: []string{"gen/store", "gen/cmd"}, why: "store and emit meet in cmd only"},
	{path: []string{"gen"}, except: []string{"gen/store"}, never: []string{"go.etcd.io/bbolt"}, why: "bbolt is store's"},
	{
		path: []string{"gen"}, except: []string{"gen/emit/kafka", "gen/emit/verify", "gen/scripts"},
		never: []string{"github.com/twmb/franz-go"}, why: "franz-go is emit/kafka's and emit/verify's, and a yardstick's",
	},
	{path: []string{"gen"}, except: []string{"gen/emit/files"}, never: []string{"github.com/colinmarc/hdfs"}, why: "hdfs is emit/files'"},
	{path: []string{"gen"}, except: []string{"gen/cmd/gen/report"}, never: []string{"gonum.org/v1"}, why: "gonum is the report's"},
	{path: []string{"gen/cmd/gen/report"}, never: []string{"gen/emit", "gen/store"}, why: "the report measures events, wherever they are from"},
}

// forbidden returns why a package may not import another, or "".
func forbidden(pkg, imported string) string {
	for _, a := range arrows {
		if !within(pkg, a.path) || within(pkg, a.except) {
			continue
		}
		if a.only != nil && !within(imported, a.only) || within(imported, a.never) {
			return fmt.Sprintf("%s imports %s: %s", pkg, imported, a.why)
		}
	}
	return ""
}

// within reports whether a package is one of the paths or below one.
func within(pkg string, paths []string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return slices.ContainsFunc(paths, func(path string) bool {
		if path == "std" {
			return first != "gen" && !strings.Contains(first, ".")
		}
		return pkg == path || strings.HasPrefix(pkg, path+"/")
	})
}

func TestArrows(t *testing.T) {
	list := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "gen/...")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[[2]string]bool{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		for _, imported := range fields[1:] {
			seen[[2]string{fields[0], imported}] = true
			if why := forbidden(fields[0], imported); why != "" {
				t.Error(why)
			}
		}
	}
	// A package that has moved would escape its arrows.
	for _, want := range [][2]string{{"gen/store", "gen/core"}, {"gen/store", "go.etcd.io/bbolt"}, {"gen/emit/files", "gen/core"}, {"gen/cmd/gen", "gen/store"}} {
		if !seen[want] {
			t.Errorf("go list does not say that %s imports %s: the arrows hold nothing", want[0], want[1])
		}
	}
}

// TestArrowsRefuse is the control of TestArrows.
func TestArrowsRefuse(t *testing.T) {
	for _, c := range []struct {
		pkg, imported string
		refused       bool
	}{
		{"gen/core", "math/bits", false},
		{"gen/core", "os", true},
		{"gen/core", "os/exec", true},
		{"gen/core", "net/http", true},
		{"gen/core", "math/rand/v2", true},
		{"gen/core", "time", true},
		{"gen/core", "gen/store", true},
		{"gen/core", "golang.org/x/exp/slices", true},
		{"gen/store", "os", false},
		{"gen/store", "go.etcd.io/bbolt/errors", false},
		{"gen/store", "github.com/klauspost/compress/zstd", true},
		{"gen/store", "gen/emit/files", true},
		{"gen/store", "gen/cmd/gen", true},
		{"gen/storefront", "go.etcd.io/bbolt", true}, // a name that only begins the same
		{"gen/emit/files", "gen/store", true},
		{"gen/emit/verify", "gen/cmd/gen", true},
		{"gen/emit/files", "gen/emit/encode", false},
		{"gen/emit/files", "go.etcd.io/bbolt", true},
		{"gen/cmd/gen", "go.etcd.io/bbolt", true},
		{"gen/cmd/gen", "gen/emit/kafka", false},
		{"gen/emit/kafka", "github.com/twmb/franz-go/pkg/kgo", false},
		{"gen/emit/verify", "github.com/twmb/franz-go/pkg/kgo", false},
		{"gen/scripts/plain", "github.com/twmb/franz-go/pkg/kgo", false},
		{"gen/emit/files", "github.com/twmb/franz-go/pkg/kgo", true},
		{"gen/cmd/gen", "github.com/twmb/franz-go/pkg/kadm", true},
		{"gen/emit/files", "github.com/colinmarc/hdfs/v2", false},
		{"gen/emit/catalogue", "github.com/colinmarc/hdfs/v2", true},
		{"gen/cmd/gen", "github.com/colinmarc/hdfs/v2", true},
		{"gen/cmd/gen/report", "gonum.org/v1/plot/vg", false},
		{"gen/cmd/gen", "gonum.org/v1/plot", true},
		{"gen/core", "gonum.org/v1/gonum/mathext", true},
		{"gen/cmd/gen/report", "gen/emit/files", true},
	} {
		if got := forbidden(c.pkg, c.imported) != ""; got != c.refused {
			t.Errorf("forbidden(%s, %s) = %v, want %v", c.pkg, c.imported, got, c.refused)
		}
	}
}
