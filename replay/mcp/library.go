package mcp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Library is the recordings that may be asked about: files, objects by their
// addresses, and the recordings in folders as they are at each question, so one that
// is made later is found. Its methods may be called concurrently.
type Library struct {
	files   []string
	folders []string
}

// maxRecordings is how many recordings of a folder are listed.
const maxRecordings = 1000

// Recording is one of a library.
type Recording struct {
	Name string // what a client calls it
	Path string
}

// NewLibrary returns the library of these files and folders.
func NewLibrary(paths ...string) (*Library, error) {
	l := &Library{}
	for _, path := range paths {
		if strings.Contains(path, "://") { // of an object: whoever opens it says what is wrong
			l.files = append(l.files, path)
			continue
		}
		st, err := os.Stat(path)
		switch {
		case err != nil:
			return nil, err
		case st.IsDir():
			l.folders = append(l.folders, path)
		default:
			l.files = append(l.files, path)
		}
	}
	if len(l.files)+len(l.folders) == 0 {
		return nil, errors.New("no recording is given")
	}
	return l, nil
}

// Recordings returns what there is now, ordered by name. Files of the same name
// keep as much of their paths as tells them apart.
func (l *Library) Recordings() ([]Recording, error) {
	paths := slices.Clone(l.files)
	for _, folder := range l.folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			// A link is followed only by whoever named it.
			if e.Type()&(fs.ModeDir|fs.ModeSymlink) == 0 && strings.HasSuffix(e.Name(), ".db") {
				paths = append(paths, filepath.Join(folder, e.Name()))
			}
		}
	}
	slices.Sort(paths)
	paths = slices.Compact(paths)
	if len(paths) > maxRecordings {
		return nil, fmt.Errorf("%d recordings are too many to offer: the limit is %d", len(paths), maxRecordings)
	}
	all := make([]Recording, len(paths))
	for i, path := range paths {
		all[i] = Recording{nameAmong(path, paths), path}
	}
	slices.SortFunc(all, func(a, b Recording) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// nameAmong is the shortest end of a path that no other path has.
func nameAmong(path string, all []string) string {
	if strings.Contains(path, "://") {
		path, _, _ = strings.Cut(path, "?") // which may sign it
	}
	parts := strings.Split(filepath.ToSlash(path), "/")
	for n := 1; n < len(parts); n++ {
		name := strings.Join(parts[len(parts)-n:], "/")
		alone := true
		for _, other := range all {
			alone = alone && (other == path || strings.HasPrefix(other, path+"?") || !strings.HasSuffix(filepath.ToSlash(other), "/"+name) && filepath.ToSlash(other) != name)
		}
		if alone {
			return name
		}
	}
	return filepath.ToSlash(path)
}

// Find returns the recording of a name; without a name the only one.
func (l *Library) Find(name string) (Recording, error) {
	all, err := l.Recordings()
	if err != nil {
		return Recording{}, err
	}
	if name == "" && len(all) == 1 {
		return all[0], nil
	}
	for _, r := range all {
		if r.Name == name {
			return r, nil
		}
	}
	if name == "" {
		return Recording{}, refusal("list_recordings lists them", "there are %d recordings: name one", len(all))
	}
	return Recording{}, refusal("list_recordings lists what there is", "there is no recording %q", name)
}
