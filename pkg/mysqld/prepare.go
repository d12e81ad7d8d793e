package mysqld

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	initFile     = "init.sql"
	passwordFile = "password"
)

// binaries are the programs of one distribution; install is empty for MySQL, whose server
// initialises itself.
type binaries struct {
	server, install string
}

// find returns the machine's MariaDB or MySQL server.
func find(ctx context.Context) (binaries, error) {
	server := look("mariadbd", "mysqld")
	if server == "" {
		return binaries{}, ErrNoServer
	}
	version, err := exec.CommandContext(ctx, server, "--no-defaults", "--version").CombinedOutput() //nolint:gosec // the server that find found
	if err != nil {
		return binaries{}, fmt.Errorf("%s --version: %w: %s", server, err, bytes.TrimSpace(version))
	}
	if !bytes.Contains(version, []byte("MariaDB")) {
		return binaries{server: server}, nil
	}
	install := look("mariadb-install-db", "mysql_install_db")
	if install == "" {
		return binaries{}, fmt.Errorf("%s is there but mariadb-install-db is not: install the package mariadb-server", server)
	}
	return binaries{server: server, install: install}, nil
}

// look returns the first of names that is on PATH or where servers are kept off it.
func look(names ...string) string {
	for _, name := range names {
		for _, candidate := range []string{name, "/usr/sbin/" + name} {
			if path, err := exec.LookPath(candidate); err == nil {
				return path
			}
		}
	}
	return ""
}

func dataDir(dir string) string { return filepath.Join(dir, "data") }

// prepare makes the data folder when it is not there, and returns the instance's password.
func prepare(ctx context.Context, bin binaries, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	_, err := os.Stat(dataDir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		err = initialise(ctx, bin, dir)
	}
	if err != nil {
		return "", err
	}
	return readPassword(filepath.Join(dir, passwordFile))
}

// initialise makes the system tables beside the data folder and moves them there in one step, so
// that a broken attempt leaves nothing that looks complete.
func initialise(ctx context.Context, bin binaries, dir string) error {
	fresh := dataDir(dir) + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	program, args := bin.server, []string{"--no-defaults", "--initialize-insecure", "--datadir=" + fresh}
	if bin.install != "" {
		program, args = bin.install, []string{"--no-defaults", "--skip-test-db", "--skip-name-resolve", "--datadir=" + fresh}
	}
	out, err := exec.CommandContext(ctx, program, append(args, asUser()...)...).CombinedOutput() //nolint:gosec // the program that find found, with arguments of our own
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, bytes.TrimSpace(out))
	}
	return os.Rename(fresh, dataDir(dir))
}

// readPassword returns the password kept in a file, which it makes when it is not there.
func readPassword(path string) (string, error) {
	kept, err := os.ReadFile(path) //nolint:gosec // in the folder of the instance
	if err == nil {
		return strings.TrimSpace(string(kept)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	password := rand.Text()
	return password, os.WriteFile(path, []byte(password+"\n"), 0o600)
}

// writeInit writes the statements that the server runs at every start: the account, the
// database, and a password for root, who has none after a fresh install. Servers read one
// statement a line.
func writeInit(dir, password, database string) error {
	account := "'" + user + "'@'127.0.0.1'"
	statements := []string{
		"CREATE DATABASE IF NOT EXISTS `" + database + "`;",
		"CREATE USER IF NOT EXISTS " + account + " IDENTIFIED BY '" + password + "';",
		"ALTER USER " + account + " IDENTIFIED BY '" + password + "';",
		"GRANT ALL ON *.* TO " + account + " WITH GRANT OPTION;",
		"ALTER USER 'root'@'localhost' IDENTIFIED BY '" + password + "';",
	}
	return os.WriteFile(filepath.Join(dir, initFile), []byte(strings.Join(statements, "\n")+"\n"), 0o600)
}
