//go:build amd64 || arm64

package faults_test

import (
	"fmt"
	"maps"
	"regexp"

	"lockstep/e2e/judge"
)

// temp is the name of what the mirror builds in the replica before it gives it its own name.
var temp = regexp.MustCompile(`(^|/)\.lockstep-[0-9a-f]{16}(/|$)`)

// torn lists what a reader of the replica must never see on the way from one tree to another: a path that holds neither its old nor
// its new version, a new version that is not complete, or nothing where both have something.
func torn(from, to, have judge.Tree) []string {
	var found []string
	for path, entry := range have {
		older, isOld := from[path]
		newer, isNew := to[path]
		isOld, isNew = isOld && sameContent(older, entry), isNew && sameContent(newer, entry)
		switch {
		case path == "." || temp.MatchString(path):
		case !isOld && !isNew:
			found = append(found, fmt.Sprintf("%q: %s of %d bytes that is neither the old nor the new version", path, entry.Kind, entry.Size))
		case entry.Kind == "folder" || isOld && isNew:
			// Attributes are set one by one.
		case isNew && !sameAttributes(newer, entry):
			found = append(found, fmt.Sprintf("%q: new version is not complete: %+v, not %+v", path, entry, newer))
		case isOld && !sameAttributes(older, entry):
			found = append(found, fmt.Sprintf("%q: old version is not as it was: %+v, not %+v", path, entry, older))
		}
	}
	for path := range from {
		_, stays := to[path]
		if _, there := have[path]; stays && !there {
			found = append(found, fmt.Sprintf("%q: neither the old nor the new version is there", path))
		}
	}
	return found
}

func sameContent(a, b judge.Entry) bool {
	return a.Kind == b.Kind && a.Size == b.Size && a.Content == b.Content && a.Link == b.Link && a.Device == b.Device
}

func sameAttributes(a, b judge.Entry) bool {
	return a.Mode == b.Mode && a.UID == b.UID && a.GID == b.GID && a.MtimeNs == b.MtimeNs && maps.Equal(a.Attributes, b.Attributes)
}
