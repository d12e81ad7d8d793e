package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/erpstream/erpstream/pkg/flow"
	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/services/erpstream/internal/probe"
)

// ways looks at how connections reach their systems: what others could read or change on the way.
func (e *examination) ways(stored flow.Snapshot) {
	var faults []fault
	for _, name := range stored.Names(flow.KindConnection) {
		c := stored.Connections[name]
		if risk := c.Risk(); risk != nil {
			faults = append(faults, warns("connection %s: %s", name, risk.Msg))
		}
		if pinned := c.Getter(service.Secrets{Dir: e.Secrets}.Read)("endpoint"); e.Secrets != "" && pinned != c.Endpoint {
			faults = append(faults, warns("connection %s: its document names another endpoint than the file endpoint of its secrets, which counts: correct one of them", name))
		}
	}
	e.sum("connections", fmt.Sprintf("none of %d connections is without TLS or takes any certificate", len(stored.Connections)), faults)
}

// The rights that nobody but the owner of a secret, and the group of a service, should have.
const (
	readableByAll    = 0o004
	writableByOthers = 0o022
)

// secrets looks at who else may read or write the files with secrets.
func (e *examination) secrets() {
	const check = "secrets"
	if e.Secrets == "" {
		return
	}
	if _, err := os.Stat(e.Secrets); errors.Is(err, fs.ErrNotExist) {
		e.found(check, probe.Unknown, "not looked at: there is no folder %s (--secrets)", e.Secrets)
		return
	}
	var faults []fault
	files := 0
	err := filepath.WalkDir(e.Secrets, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(path) // what Kubernetes mounts are links
		if err != nil {
			return err
		}
		if info.Mode().IsRegular() {
			files++
		}
		faults = append(faults, tooOpen(path, info)...)
		return nil
	})
	if err != nil {
		faults = append(faults, warns("not all looked at: %v", err))
	}
	e.sum(check, fmt.Sprintf("%d files in %s, none of which others can read or write", files, e.Secrets), faults)
}

// tooOpen is the fault of a file or a folder that others have too much to say in.
func tooOpen(path string, info fs.FileInfo) []fault {
	mode := info.Mode().Perm()
	switch {
	case mode&writableByOthers != 0:
		return []fault{fails("%s (%04o) can be written by others: they could put their own endpoint or account there; chmod go-w", path, mode)}
	case info.Mode().IsRegular() && mode&readableByAll != 0:
		return []fault{warns("%s (%04o) can be read by everybody on the machine: chmod o-r, in Kubernetes defaultMode: 0440", path, mode)}
	default:
		return nil
	}
}
