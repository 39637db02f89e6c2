package files

import "io/fs"

// Source returns the file system and the name in it of something to read: a
// path or a URL of a scheme that Open knows. The files implement io.ReaderAt
// and io.Seeker.
func Source(target string) (fsys fs.FS, name string, err error) {
	s, err := schemeOf(target)
	if err != nil {
		return nil, "", err
	}
	dir, name, err := s.split(target)
	if err != nil {
		return nil, "", err
	}
	d, err := s.open(dir, Options{})
	if err != nil {
		return nil, "", err
	}
	return d.FS(), name, nil
}
