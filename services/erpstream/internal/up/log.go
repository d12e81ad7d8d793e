package up

import (
	"os"
	"path/filepath"
)

const logName = "erpstream.log"

// OpenLog opens the file in the data folder that takes what the parts log while the terminal
// shows the table.
func OpenLog(data string) (*os.File, error) {
	if err := os.MkdirAll(data, 0o750); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(data, logName), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // in the data folder
}

// logFile is where a person finds what the parts log.
func (m *machine) logFile() string { return filepath.Join(m.Data, logName) }
