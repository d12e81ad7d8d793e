// Package mysqld is a MySQL-compatible server inside the process, for people without a database
// at hand. Its data is in memory and gone at the end.
package mysqld

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/sirupsen/logrus"
)

// Database is the name of the one database.
const Database = "erpstream"

// Server is the database server.
type Server struct {
	listener net.Listener
	server   *server.Server
}

// Listen returns a Server at addr that knows one user, who may do everything.
func Listen(addr, user, password string) (*Server, error) {
	logrus.SetOutput(io.Discard) // the engine logs statements, and with them data
	db := memory.NewDatabase(Database)
	db.EnablePrimaryKeyIndexes()
	provider := memory.NewDBProvider(db)
	engine := sqle.NewDefault(provider)
	users := engine.Analyzer.Catalog.MySQLDb
	users.SetEnabled(true)
	editor := users.Editor()
	users.AddSuperUser(editor, user, "%", password)
	editor.Close()

	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	config := server.Config{Listener: l, Protocol: "tcp", Address: l.Addr().String(), MaxLoggedQueryLen: -1}
	s, err := server.NewServerWithHandler(config, engine, sql.NewContext, memory.NewSessionBuilder(provider), nil, serialize)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start engine: %w", err), l.Close())
	}
	return &Server{listener: l, server: s}, nil
}

// Addr returns where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer stop()
	return s.server.Start()
}
