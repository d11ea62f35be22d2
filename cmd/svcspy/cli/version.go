package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the build; without it the module's own version is used.
var version = ""

func ProgramVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}

func VersionLine() string {
	return fmt.Sprintf("%s %s %s %s/%s", Program, ProgramVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
