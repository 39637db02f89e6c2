package files

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source returns the file system and the name in it of something to read: a
// path or a URL of a scheme that Open knows. The files implement io.ReaderAt
// and io.Seeker.
func Source(target string) (fsys fs.FS, name string, err error) {
	if scheme, _, ok := strings.Cut(target, "://"); ok && scheme != "file" {
		return nil, "", fmt.Errorf("%w %s://; there are a path and file://", ErrScheme, scheme)
	}
	path, err := localPath(target)
	if err != nil {
		return nil, "", err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	return os.DirFS(filepath.Dir(path)), filepath.Base(path), nil
}
