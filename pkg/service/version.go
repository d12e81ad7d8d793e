package service

import (
	"cmp"
	"runtime/debug"
)

// version is set by the linker: -ldflags "-X github.com/erpstream/erpstream/pkg/service.version=v1.2.3".
var version string

// Version returns the version of the program: the one given to the linker, else that of the module, else the commit.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(version, "unknown")
	}
	module := info.Main.Version
	if module == "(devel)" {
		module = ""
	}
	var commit string
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return cmp.Or(version, module, commit, "devel")
}
