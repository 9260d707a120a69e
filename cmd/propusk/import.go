package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/propusk/propusk"
	"github.com/propusk/propusk/internal/app"
	"github.com/propusk/propusk/internal/importer"
)

// importHelp is what holds for every system that people come from.
const importHelp = `Look first with --dry-run: it tells what the run would do, and changes nothing. What is not understood is quarantined: it is told, with
the place where it stands, and neither dropped in silence nor guessed at. --report FILE takes all of it as lines of JSON, also when the run fails;
of files that are there it only takes the place of earlier reports, and of empty ones.

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
	cmd.Flags().StringVar(&f.report, "report", "", "`FILE` for all that was not understood, as lines of JSON; it may replace an earlier report")
}

// runImport imports what the system holds, tells on standard output what became of it, and closes the system. sources are the files that it is
// read from, as flags name them.
func runImport(ctx context.Context, cmd *cobra.Command, a *app.App, system importer.System, f importFlags, sources ...string) (err error) {
	defer func() { err = errors.Join(err, system.Close()) }()
	bar := newStages(cmd.ErrOrStderr())
	defer bar.clear()
	for _, name := range []string{"database", "policy"} {
		sources = append(sources, cmd.Flags().Lookup(name).Value.String())
	}
	faults, err := newQuarantine(cmd.OutOrStdout(), bar, f.report, sources)
	if err != nil {
		return err
	}
	o := f.options
	o.Progress, o.Quarantine = bar.at, faults.take
	report, err := a.Importer().Run(ctx, a.Operator(), system, o)
	bar.clear()
	if err != nil {
		return errors.Join(stopped(ctx, err), faults.close())
	}
	if err := faults.close(); err != nil {
		return err
	}
	faults.rest()
	fmt.Fprint(cmd.OutOrStdout(), report)
	return nil
}

// stopped says of an error whether another run goes on, or fails as this one did.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, context.Canceled) || propusk.KindOf(err) == propusk.Unavailable {
		return fmt.Errorf("the import stopped, and goes on when it is run again: %w", err)
	}
	return fmt.Errorf("the import stopped: %w", err)
}
