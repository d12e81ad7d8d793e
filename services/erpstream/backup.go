package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/erpstream/erpstream/pkg/service"
	"github.com/erpstream/erpstream/services/erpstream/internal/backup"
	"github.com/erpstream/erpstream/services/erpstream/internal/terminal"
)

func newBackup() *cobra.Command {
	var at natsServer
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Write all streams, buckets, consumers and documents on NATS to files",
		Long: `backup writes the whole state on NATS to a new folder, while everything goes on: the messages of
every stream and bucket but "status", where each durable consumer is, other teams' too, and the documents as
files that apply takes. It ends with the checksums of all files in manifest.json; a folder without that is no
backup. It needs NATS 2.15 or newer.

A backup holds business records, personal data among them, and tokens (sealed): only its owner can read it, and
it belongs where as few people come as to the database. Secrets are not in it.

docs/upgrade.md says when to back up, and what a restore means for the targets.`,
		Example: `  erpstream backup /backup/$(date +%F-%H%M)
  erpstream backup verify /backup/2026-11-22-0300`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			js, closeNATS, err := at.connect()
			if err != nil {
				return err
			}
			defer closeNATS()
			m, err := backup.Write(cmd.Context(), js, args[0], service.Version(), showWork(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			return printBackup(cmd.OutOrStdout(), args[0], m, asJSON)
		},
	}
	at.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the manifest as JSON")
	cmd.AddCommand(newBackupVerify())
	return cmd
}

func newBackupVerify() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Read a backup and see whether it is as it was written, without NATS",
		Long: `verify reads every file of a backup to its end and compares checksums, counts of messages and sequences
with the manifest. It exits with 1, and names every file, when something differs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := backup.Verify(cmd.Context(), args[0], showWork(cmd.ErrOrStderr()))
			if err != nil {
				return err
			}
			return printBackup(cmd.OutOrStdout(), args[0], m, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the manifest as JSON")
	return cmd
}

func printBackup(out io.Writer, dir string, m backup.Manifest, asJSON bool) error {
	if asJSON {
		return printJSON(out, m)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "STREAM\tMESSAGES\tLAST SEQUENCE\tCONSUMERS\tBYTES\tFILE\n")
	for _, s := range m.Streams {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\t%s\n", s.Name, s.Messages, s.Last, len(s.Consumers), sized(s.Bytes), sized(uint64(s.Size))) //nolint:gosec // sizes are not negative
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%s: %d messages and %d documents in %s, as of %s, read within %s, by erpstream %s from NATS %s\n",
		dir, m.Messages(), len(m.Documents), sized(uint64(m.Size())), m.Began.Local().Format(time.RFC3339), //nolint:gosec // sizes are not negative
		m.Ended.Sub(m.Began).Round(time.Millisecond), m.Version, m.Server)
	return err
}

// sized is a number of bytes for people.
func sized(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
	}
}

// How often a long work says how far it is, on a terminal and elsewhere.
const (
	showEvery = 200 * time.Millisecond
	logEvery  = 10 * time.Second
)

// showWork says how far a long work is: on a terminal over and over in one line, elsewhere a line every ten seconds.
func showWork(out io.Writer) backup.Progress {
	live := terminal.Is(out)
	last := time.Now()
	return func(stream string, messages, total, bytes uint64, done bool) {
		text := fmt.Sprintf("%s: %d of %d messages, %s", stream, messages, total, sized(bytes))
		switch {
		case live && done:
			terminal.Command(out, terminal.ClearLine)
		case live && time.Since(last) > showEvery:
			terminal.Command(out, terminal.ClearLine)
			fmt.Fprint(out, text)
			last = time.Now()
		case !live && time.Since(last) > logEvery:
			fmt.Fprintln(out, text)
			last = time.Now()
		}
	}
}
