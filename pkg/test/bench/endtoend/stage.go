package endtoend

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/erpstream/erpstream/pkg/test/bench/measure"
	"github.com/erpstream/erpstream/pkg/test/bench/rig"
)

// stage is what all sides run on, in turn.
type stage struct {
	*rig.Rig
	db      *rig.MariaDB
	records int
	// checksum is that of the rows of the first run; all others must have the same.
	checksum int64
}

// How many records a run has. Five rounds of four runs fit into some minutes.
const (
	usualRecords = 80_000
	quickRecords = 10_000
	longRecords  = 200_000
)

func size(o measure.Options) int {
	switch {
	case o.Quick:
		return quickRecords
	case o.Long:
		return longRecords
	default:
		return usualRecords
	}
}

// linesPerRecord is how many rows a record becomes.
const linesPerRecord = 3

// openStage starts the database. When what comes after it fails, the stage is to be closed.
func openStage(ctx context.Context, name string, records int) (*stage, error) {
	r, err := rig.New(name)
	if err != nil {
		return nil, err
	}
	s := &stage{Rig: r, records: records}
	if _, err = s.Build(ctx, append([]string{"erpstream"}, services...)...); err == nil {
		s.db, err = s.MariaDB(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// run does one run: it makes the table anew, lets work do it all, and checks the rows.
func (s *stage) run(ctx context.Context, database string, n *rig.NATS, work func() ([]*rig.Process, error)) (measure.Figure, error) {
	if err := s.tables(ctx, database); err != nil {
		return measure.Figure{}, err
	}
	meter, err := rig.NewMeter(map[string]rig.Metered{measure.NATS: n, measure.MariaDB: s.db})
	if err != nil {
		return measure.Figure{}, err
	}
	began := time.Now()
	programs, err := work()
	elapsed := time.Since(began)
	if err != nil {
		return measure.Figure{}, err
	}
	rows := float64(s.records * linesPerRecord)
	figure, err := meter.Figure(rows/elapsed.Seconds(), rows/100_000, programs...)
	for _, p := range programs {
		err = errors.Join(err, p.Stop())
	}
	if err != nil {
		return measure.Figure{}, err
	}
	return figure, s.check(ctx, database)
}

// tables makes the tables that `erpstream ddl` prints, in an empty database.
func (s *stage) tables(ctx context.Context, database string) error {
	ddl, err := s.Erpstream(ctx, "ddl", "erpstream.mysql.v1.PurchaseIn")
	if err != nil {
		return err
	}
	rows, guard, _ := strings.Cut(ddl, ";\n")
	return s.db.Fresh(ctx, database, rows, guard)
}

// check compares the rows with those of the first run.
func (s *stage) check(ctx context.Context, database string) error {
	var rows int
	if err := s.db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+database+".purchasein_query").Scan(&rows); err != nil {
		return err
	}
	if want := s.records * linesPerRecord; rows != want {
		return fmt.Errorf("%d rows, want %d", rows, want)
	}
	var table string
	var checksum int64
	if err := s.db.QueryRowContext(ctx, "CHECKSUM TABLE "+database+".purchasein_query").Scan(&table, &checksum); err != nil {
		return err
	}
	if s.checksum == 0 {
		s.checksum = checksum
	}
	if checksum != s.checksum {
		return fmt.Errorf("the rows in %s are others than those of the first run: checksum %d, want %d", database, checksum, s.checksum)
	}
	return nil
}
