package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"gen/emit/files"
)

// refuseOver returns an error when a file that is to be written, by renaming,
// would take the place of something else: a directory, a device, a link, a file of
// a run or of a state directory, or the input that is read.
func refuseOver(to, input string) error {
	fsys, name, err := files.Source(to)
	if err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	refuse := func(format string, args ...any) error {
		return withHint(fmt.Errorf("%w: --to %s "+format, append([]any{errUsage, to}, args...)...), "name a file of its own, or - for standard output")
	}
	info, err := fs.Stat(fsys, name)
	switch {
	case err == nil && info.IsDir():
		return refuse("is a directory: a file is wanted")
	case err == nil && !info.Mode().IsRegular():
		return refuse("is no regular file")
	case isLink(to):
		return refuse("is a symbolic link")
	case err == nil && sameFile(info, input):
		return refuse("is what is read")
	}
	for file, what := range map[string]string{"_gen.json": "the directory of a run", "snapshot.db": "a state directory"} {
		if _, err := fs.Stat(fsys, path.Join(path.Dir(name), file)); err == nil {
			return refuse("lies in %s", what)
		}
	}
	return nil
}

func isLink(name string) bool {
	info, err := os.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// sameFile tells whether a file is the input, or lies in it.
func sameFile(info fs.FileInfo, input string) bool {
	inputs, _ := filepath.Glob(filepath.Join(input, "*"))
	for _, name := range append(inputs, input) {
		if other, err := os.Stat(name); err == nil && os.SameFile(info, other) {
			return true
		}
	}
	return false
}
