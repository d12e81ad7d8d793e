package service

import (
	"cmp"
	"runtime/debug"
)

// version is set by the linker: -ldflags "-X github.com/erpstream/erpstream/pkg/service.version=v1.2.3".
var version string

// buildVersion returns the version given to the linker, else that of the module, else the commit.
func buildVersion() string {
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
