package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/importer"
)

// importHelp is what holds for every system that people come from.
const importHelp = `Look first with --dry-run: it tells what the run would do, and changes nothing. What is not understood is quarantined: it is told, with
the place where it stands, and neither dropped in silence nor guessed at. --report FILE takes all of it as lines of JSON.

Run it as often as you like. Rows that came over earlier are remembered and never touched again, also when their accounts or memberships were
changed or removed in Propusk since; rows that are new come on top, and those that were quarantined are tried again. A run that was
interrupted, however hard, is finished by the next one. A server may run on the same database meanwhile.

An account that has the address of a row already is somebody else's until you say otherwise: addresses are not verified. --link-by-address says
otherwise, and then nothing of the account is changed.`

func importCommand() *cobra.Command {
	return group("import", "Come over from another system",
		importDiscoursCommand(),
		importBackspeenCommand(), importCasbinCommand(), importCSVCommand(),
		importPropuskCommand(),
	)
}

// importFlags are those of every import.
type importFlags struct {
	options importer.Options
	report  string
}

// register adds the flags. name is what rows are remembered under unless --as says otherwise.
func (f *importFlags) register(cmd *cobra.Command, name string) {
	cmd.Flags().StringVar(&f.options.Source, "as", name, "`NAME` to remember the rows under; a second installation needs a second name")
	cmd.Flags().BoolVar(&f.options.DryRun, "dry-run", false, "only tell what would change")
	cmd.Flags().BoolVar(&f.options.LinkByAddress, "link-by-address", false, "take accounts that have the address of a row for the same person")
	cmd.Flags().StringVar(&f.options.Owner, "owner", "", "`EMAIL` of the account that becomes the founder of communities without a known one")
	cmd.Flags().StringVar(&f.report, "report", "", "`FILE` for all that was not understood, as lines of JSON")
}

// shownFaults is how many faults are printed where no file takes them.
const shownFaults = 20

// runImport imports what the system holds, tells on standard output what became of it, and closes the system.
func runImport(ctx context.Context, cmd *cobra.Command, a *app.App, system importer.System, f importFlags) (err error) {
	defer func() { err = errors.Join(err, system.Close()) }()
	bar := newStages(cmd.ErrOrStderr())
	defer bar.clear()
	faults, err := f.quarantine(cmd.OutOrStdout(), bar)
	if err != nil {
		return err
	}
	o := f.options
	o.Progress, o.Quarantine = bar.at, faults.take
	report, err := a.Importer().Run(ctx, a.Operator(), system, o)
	bar.clear()
	if err != nil {
		return errors.Join(fmt.Errorf("the import stopped, and goes on when it is run again: %w", err), faults.close())
	}
	if err := faults.close(); err != nil {
		return err
	}
	faults.rest()
	fmt.Fprint(cmd.OutOrStdout(), report)
	return nil
}

// quarantine takes faults: all of them into a file, or the first to people.
type quarantine struct {
	out   io.Writer
	bar   *stages
	path  string
	file  *os.File
	lines *bufio.Writer
	told  int
	err   error
}

func (f *importFlags) quarantine(out io.Writer, bar *stages) (*quarantine, error) {
	q := &quarantine{out: out, bar: bar, path: f.report}
	if f.report == "" {
		return q, nil
	}
	file, err := os.OpenFile(f.report, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	// A file that was there keeps its mode, and what it is to hold are addresses of people.
	if err := file.Chmod(0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("--report: %w", err), file.Close())
	}
	q.file, q.lines = file, bufio.NewWriter(file)
	return q, nil
}

// faultLine is a fault in the file.
type faultLine struct {
	What  string `json:"what"`
	Kind  string `json:"kind"`
	Where string `json:"where"`
	Part  string `json:"part,omitempty"`
	Why   string `json:"why"`
}

func (q *quarantine) take(f importer.Fault) {
	if q.lines != nil {
		q.write(f)
		return
	}
	if f.Adjusted {
		return
	}
	if q.told++; q.told <= shownFaults {
		q.bar.clear()
		fmt.Fprintf(q.out, "quarantined: %s\n", f)
	}
}

func (q *quarantine) write(f importer.Fault) {
	line := faultLine{What: "quarantined", Kind: f.Kind, Where: f.Where, Part: f.Part, Why: f.Why}
	if f.Adjusted {
		line.What = "adjusted"
	} else {
		q.told++
	}
	encoder := json.NewEncoder(q.lines)
	encoder.SetEscapeHTML(false)
	q.err = errors.Join(q.err, encoder.Encode(line))
}

// close ends the file, if there is one.
func (q *quarantine) close() error {
	if q.file == nil {
		return nil
	}
	if err := errors.Join(q.err, q.lines.Flush(), q.file.Close()); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}

// rest says where the faults are that were not printed.
func (q *quarantine) rest() {
	switch {
	case q.file != nil:
		fmt.Fprintf(q.out, "quarantined: %d, all in %s\n", q.told, q.path)
	case q.told > shownFaults:
		fmt.Fprintf(q.out, "quarantined: %d more; --report FILE takes all of them\n", q.told-shownFaults)
	}
}
