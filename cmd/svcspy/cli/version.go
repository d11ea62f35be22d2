package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version, commit and date are set by the build of a release; without them they are
// read from what Go notes in the program.
var version, commit, date = "", "", ""

// ProgramVersion returns the version, and behind a + the commit if it is known. It
// stands in each recording and in the User-Agent of each request.
func ProgramVersion() string {
	v, c := version, commit
	if v == "" {
		v = "devel"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
			return info.Main.Version // ends with the commit unless it is a tag
		}
	}
	if c != "" && !strings.HasSuffix(v, c) {
		v += "+" + c
	}
	return v
}

// buildDate returns the date of the commit; "" if it is not known.
func buildDate() string {
	if date != "" {
		return date
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.time" {
				return setting.Value
			}
		}
	}
	return ""
}

// VersionLine returns what the command version prints.
func VersionLine() string {
	line := fmt.Sprintf("%s %s %s %s/%s", Program, ProgramVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if date := buildDate(); date != "" {
		line += " " + date
	}
	return line
}
