package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the expected output of the scripts in testdata")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"gen": func() { os.Exit(run(os.Args, os.Stdout, os.Stderr)) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"), UpdateScripts: *update, RequireExplicitExec: true, RequireUniqueNames: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"kafka": startKafka, "produce": produce, "again": again,
			"exitcode": exitCodeIs, "flip": flip, "truncate": truncate, "samefiles": sameFiles,
		},
		Setup: func(env *testscript.Env) error {
			env.Setenv("GOLDEN", goldenDir(t))
			return nil
		},
	})
}

func goldenDir(t *testing.T) string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "testdata", "v1"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// exitCodeIs runs a command: exitcode 2 gen dump.
func exitCodeIs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N command")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("%s: exit status %s, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// flip inverts the byte in the middle of a file.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	b := []byte(ts.ReadFile(args[0]))
	b[len(b)/2] ^= 0xff
	ts.Check(os.WriteFile(path, b, 0o644))
}

// truncate halves a file, or empties it: truncate FILE [empty].
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	keep := int64(len(ts.ReadFile(args[0])) / 2)
	if len(args) > 1 {
		keep = 0
	}
	ts.Check(os.Truncate(ts.MkAbs(args[0]), keep))
}

// sameFiles compares the names and the bytes of two directories.
func sameFiles(ts *testscript.TestScript, neg bool, args []string) {
	a, b := readAll(ts, args[0]), readAll(ts, args[1])
	same := len(a) == len(b)
	for name, content := range a {
		if b[name] != content {
			same = false
		}
	}
	if same == neg {
		ts.Fatalf("%s and %s: same files is %v", args[0], args[1], same)
	}
}

func readAll(ts *testscript.TestScript, dir string) map[string]string {
	entries, err := os.ReadDir(ts.MkAbs(dir))
	ts.Check(err)
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()] = ts.ReadFile(filepath.Join(dir, e.Name()))
	}
	return files
}
