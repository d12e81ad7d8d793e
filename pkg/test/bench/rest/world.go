package rest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// records is how many documents each feed of the sandbox has: few, so that all have come through soon.
const records = "20"

// sandbox starts the imitated vendors, which allow what the shipped connections ask for, and returns where
// they are.
func (s *stage) sandbox(ctx context.Context) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}
	p, err := s.Start("sandbox", s.program("sandbox"), []string{
		"--listen", address, "--records", records, "--per-second", "50", "--per-minute", "3000",
		"--wdt-per-minute", "3000", "--xingchen-per-minute", "6000", "--kis-per-minute", "6000",
	}, nil)
	if err != nil {
		return "", err
	}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/_sandbox/", nil)
		if err != nil {
			return "", err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			return "http://" + address, resp.Body.Close()
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-p.Done():
			return "", fmt.Errorf("the sandbox ended at once: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// secrets are those of the sandbox, which protect nothing.
var secrets = map[string]map[string]string{
	"jst-main":     {"app_secret": "sandbox-secret-0001"},
	"wdt-main":     {"app_secret": "b7c1e0f2a4d6", "top_app_secret": "topsecret0123456789abcdef"},
	"wdt-flagship": {"app_secret": "f1e2d3c4b5a6:n4cl", "top_app_secret": "topsecret0123456789abcdef"},
	"kd-main":      {"client_secret": "0123456789abcdef0123456789abcdef"},
	"kis-main":     {"client_secret": "0123456789abcdef0123456789abcdef"},
}

// The shipped sources are polled every few seconds, so that there is something to see; usually a source is
// polled every few minutes.
var shippedPace = regexp.MustCompile(`(?m)^every: \d+s$`)

const usualPace = "every: 5m"

// configuration is all that is shipped, at the usual pace, with the addresses of what runs here.
func (s *stage) configuration(sandbox string) (string, error) {
	endpoints := map[string]string{
		"bi-main": "mysql://" + s.db.Addr + "/" + database, "jst-main": sandbox, "wdt-main": sandbox + "/router/qm",
		"wdt-flagship": sandbox + "/router/qm", "kd-main": sandbox, "kis-main": sandbox,
	}
	var errs []error
	for connection, fields := range secrets {
		for field, value := range fields {
			errs = append(errs, s.Secret(connection, field, value))
		}
	}
	errs = append(errs, s.Secret("bi-main", "user", s.db.User), s.Secret("bi-main", "password", s.db.Password))
	files, err := filepath.Glob(filepath.Join(s.Root, "deploy/config/*/*.yaml"))
	errs = append(errs, err)
	text := ""
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if strings.HasSuffix(name, ".tests") {
			continue
		}
		document, err := rig.Shipped(s.Root, filepath.Base(filepath.Dir(file))+"/"+name, endpoints[name])
		text, errs = text+shippedPace.ReplaceAllString(document, usualPace), append(errs, err)
	}
	return text, errors.Join(errs...)
}

// tables makes those of the shipped flows.
func (s *stage) tables(ctx context.Context) error {
	var statements []string
	for _, message := range []string{"erpstream.mysql.v1.PurchaseIn", "erpstream.mysql.v1.AfterSalesRefund"} {
		ddl, err := s.Erpstream(ctx, "ddl", message)
		if err != nil {
			return err
		}
		rows, guard, _ := strings.Cut(ddl, ";\n")
		if len(statements) == 0 {
			statements = append(statements, guard)
		}
		statements = append(statements, rows)
	}
	return s.db.Fresh(ctx, database, statements...)
}

// program is where a program was built.
func (s *stage) program(name string) string { return filepath.Join(s.bin, name) }

// size is that of a program in MB.
func (s *stage) size(name string) (float64, error) {
	info, err := os.Stat(s.program(name))
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
