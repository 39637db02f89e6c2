package files

import (
	"io/fs"
	"strings"
)

// Source returns the file system and the name in it of something to read: a
// path or a URL of a scheme that Open knows. The files implement io.ReaderAt
// and io.Seeker.
func Source(target string) (fsys fs.FS, name string, err error) {
	d, name, err := split(target)
	if err != nil {
		return nil, "", err
	}
	return d.FS(), name, nil
}

// Location returns the one URL of a target, however it was written.
func Location(target string) (string, error) {
	d, name, err := split(target)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(d.URL(), "/") + "/" + name, nil
}

// split returns the directory in which a target lies, and its name there.
func split(target string) (d Dir, name string, err error) {
	s, err := schemeOf(target)
	if err != nil {
		return nil, "", err
	}
	dir, name, err := s.split(target)
	if err != nil {
		return nil, "", err
	}
	d, err = s.open(dir, Options{})
	return d, name, err
}
