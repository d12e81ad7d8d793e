package main

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/erpstream/erpstream/pkg/fault"
)

func TestSettings(t *testing.T) {
	const withPassword = "mysql://root:s3cr3t@db"
	tests := []struct {
		name     string
		settings map[string]string
		addr     string
		tls      string
		err      []string
	}{
		{"least", map[string]string{"endpoint": "mysql://db.example.com/bi"}, "db.example.com:3306", "true", nil},
		{"on this machine", map[string]string{"endpoint": "mysql://127.0.0.1/bi"}, "127.0.0.1:3306", "preferred", nil},
		{"all", map[string]string{"endpoint": "mysql://[::1]:3307/bi", "time_zone": "UTC", "tls": "true"}, "[::1]:3307", "true", nil},
		{"without TLS", map[string]string{"endpoint": "mysql://db/bi", "tls": "false"}, "db:3306", "false", nil},
		{"every fault", map[string]string{"time_zone": "Mars/Olympus", "tls": "yes"}, "", "", []string{"connection bi", "endpoint: want mysql://", "time_zone", "tls is \"yes\""}},
		{"password", map[string]string{"endpoint": withPassword + "/bi"}, "", "", []string{"secret files"}},
		{"broken with password", map[string]string{"endpoint": withPassword + ":port/bi"}, "", "", []string{"want mysql://host:port/database"}},
		{"no database", map[string]string{"endpoint": "mysql://db:3306"}, "", "", []string{"want one database"}},
		{"parameters", map[string]string{"endpoint": "mysql://db/bi?loc=Local"}, "", "", []string{"parameters"}},
		{"other scheme", map[string]string{"endpoint": "https://db/bi"}, "", "", []string{"want mysql://"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.settings["connection"] = "bi"
			s, err := readSettings(func(name string) string { return tt.settings[name] })
			if len(tt.err) == 0 && (err != nil || s.addr != tt.addr || s.name != "bi" || s.tls != tt.tls) {
				t.Errorf("settings = %+v, %v", s, err)
			}
			for _, want := range tt.err {
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") {
					t.Errorf("error = %v, want %q and no secret", err, want)
				}
			}
		})
	}
}

func TestClassify(t *testing.T) {
	server := func(number uint16, state string) error {
		e := &mysql.MySQLError{Number: number, Message: "vendor's words"}
		copy(e.SQLState[:], state)
		return fmt.Errorf("write rows of t: %w", e)
	}
	tests := []struct {
		err   error
		kind  fault.Kind
		class string
	}{
		{server(1213, "40001"), fault.BusyKind, "lock"},
		{server(1205, "HY000"), fault.BusyKind, "lock"},
		{server(1040, "08004"), fault.DownKind, "connections"},
		{server(1045, "28000"), fault.DownKind, "credentials"},
		{server(1044, "42000"), fault.DownKind, "grants"},
		{server(1142, "42000"), fault.DownKind, "grants"},
		{server(1049, "42000"), fault.DownKind, "database"},
		{server(1146, "42S02"), fault.DownKind, "table"},
		{server(1054, "42S22"), fault.DownKind, "table"},
		{server(1290, "HY000"), fault.DownKind, "read-only"},
		{server(1836, "HY000"), fault.DownKind, "read-only"},
		{server(1053, "08S01"), fault.DownKind, "connection"},
		{server(1317, "70100"), fault.DownKind, "connection"},
		{server(1114, "HY000"), fault.DownKind, "disk"},
		{server(1406, "22001"), fault.PermanentKind, "data"},
		{server(1264, "22003"), fault.PermanentKind, "data"},
		{server(1366, "HY000"), fault.PermanentKind, "data"},
		{server(1292, "22007"), fault.PermanentKind, "data"},
		{server(1048, "23000"), fault.PermanentKind, "data"},
		{server(1062, "23000"), fault.PermanentKind, "data"},
		{server(3819, "HY000"), fault.PermanentKind, "data"},
		{server(1452, "23000"), fault.PermanentKind, "data"},
		{server(1064, "42000"), fault.BusyKind, "mysql"},
		{mysql.ErrPktTooLarge, fault.PermanentKind, "data"},
		{driver.ErrBadConn, fault.DownKind, "connection"},
		{mysql.ErrInvalidConn, fault.DownKind, "connection"},
		{io.ErrUnexpectedEOF, fault.DownKind, "connection"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, fault.DownKind, "connection"},
		{errors.New("what else"), fault.BusyKind, "mysql"},
		{fault.Down("credentials", errors.New("no user")), fault.DownKind, "credentials"},
	}
	for _, tt := range tests {
		got := classify(tt.err)
		if fault.KindOf(got) != tt.kind || fault.ClassOf(got) != tt.class || !strings.Contains(got.Error(), tt.err.Error()) {
			t.Errorf("classify(%v) = %s %s %q, want %s %s", tt.err, fault.KindOf(got), fault.ClassOf(got), got, tt.kind, tt.class)
		}
	}
	if err := connectError(server(1231, "42000")); fault.KindOf(err) != fault.DownKind {
		t.Errorf("an unknown error at connecting is %s, want down", fault.KindOf(err))
	}
}

func TestOpenNeedsNoServer(t *testing.T) {
	settings := map[string]string{"connection": "bi", "endpoint": "mysql://127.0.0.1:1/bi", "user": "u"}
	s, err := open(t.Context(), func(name string) string { return settings[name] })
	if err != nil {
		t.Fatalf("open = %v, want a sink that connects later", err)
	}
	if c, ok := s.(io.Closer); !ok || c.Close() != nil {
		t.Errorf("the sink is a %T, want one that closes", s)
	}
	if _, err := open(t.Context(), func(string) string { return "" }); err == nil {
		t.Error("open without settings = nil")
	}
}
