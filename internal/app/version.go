package app

import "runtime/debug"

// release is the version that is being worked on or was released.
const release = "0.1.0"

// Version is the release, and the revision it was built from where the build recorded one.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && len(setting.Value) >= 12 {
			return release + "+" + setting.Value[:12]
		}
	}
	return release
}
