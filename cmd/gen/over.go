package main

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

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
	case isLink(fsys, name):
		return refuse("is a symbolic link")
	case err == nil && isInput(to, info, input):
		return refuse("is what is read")
	}
	for file, what := range map[string]string{"_gen.json": "the directory of a run", "snapshot.db": "a state directory"} {
		if _, err := fs.Stat(fsys, path.Join(path.Dir(name), file)); err == nil {
			return refuse("lies in %s", what)
		}
	}
	return nil
}

func isLink(fsys fs.FS, name string) bool {
	info, err := fs.Lstat(fsys, name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// isInput tells whether a file is the input, or lies in it: by its place, and on
// this machine by whatever name.
func isInput(to string, info fs.FileInfo, input string) bool {
	if input == "" {
		return false
	}
	in, err := files.Location(input)
	if err != nil {
		return false // it is no file
	}
	if out, err := files.Location(to); err != nil || out == in || path.Dir(out) == in {
		return true
	}
	fsys, name, err := files.Source(input)
	if err != nil {
		return true
	}
	names := []string{name}
	if entries, err := fs.ReadDir(fsys, name); err == nil {
		for _, entry := range entries {
			names = append(names, path.Join(name, entry.Name()))
		}
	}
	return slices.ContainsFunc(names, func(name string) bool {
		other, err := fs.Stat(fsys, name)
		return err == nil && os.SameFile(info, other)
	})
}
