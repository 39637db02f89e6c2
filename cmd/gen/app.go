package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

// newApp returns the command line. What the library would print or exit with
// on an error is left to run.
func newApp(e *env) *cli.App {
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
	app := &cli.App{
		Name:      "gen",
		Usage:     "synthetic movie ratings, the same bytes every time",
		UsageText: "gen COMMAND [flags] [arguments]",
		Description: "The same command prints the same events, today and on another machine:\n\n" +
			"  gen stream --seed 42 --count 20\n\n" + exitStatus,
		Version:                   version(),
		HideHelpCommand:           true,
		Writer:                    e.stdout,
		ErrWriter:                 io.Discard,
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              usageError,
		DisableSliceFlagSeparator: true,
		Commands: []*cli.Command{
			snapshotCommand(e), streamCommand(e), dumpCommand(e), checkCommand(e), verifyCommand(e),
			diffCommand(e), eventCommand(e), inspectCommand(e), repairCommand(e), reportCommand(e), exportCommand(e),
		},
	}
	app.Action = func(c *cli.Context) error { return unknownCommand(app, c) }
	for _, cmd := range app.Commands {
		finish(cmd)
	}
	return app
}

const exitStatus = "Exit status: 0 done, 1 failed, 2 wrong usage, 3 the saved state does not match\n" +
	"the run, 4 verify, check or diff found something, 130 and 143 stopped by a signal."

// finish gives a command and its subcommands what the library does not pass
// on from the app.
func finish(cmd *cli.Command) {
	cmd.OnUsageError = usageError
	cmd.HideHelpCommand = true
	if len(cmd.Subcommands) > 0 {
		parent := cmd
		cmd.Action = func(c *cli.Context) error { return unknownSubcommand(parent, c) }
		for _, sub := range cmd.Subcommands {
			finish(sub)
		}
		return
	}
	most := 0
	if cmd.ArgsUsage != "" {
		most = len(strings.Fields(cmd.ArgsUsage))
	}
	cmd.Before = func(c *cli.Context) error { return checkArguments(c, most) }
}

// checkArguments refuses what the library would ignore: flags behind an
// argument, and more arguments than the command takes.
func checkArguments(c *cli.Context, most int) error {
	args := c.Args().Slice()
	for i, a := range args {
		if i > 0 && strings.HasPrefix(a, "-") && a != "-" {
			return withHint(fmt.Errorf("%w: flag %s stands behind the argument %s", errUsage, a, strings.Join(args[:i], " ")), "flags come first: "+c.Command.UsageText)
		}
	}
	if len(args) > most {
		return fmt.Errorf("%w: unexpected argument %q", errUsage, args[most])
	}
	return nil
}

func usageError(c *cli.Context, err error, _ bool) error {
	help := "gen --help"
	if c.Command != nil && c.Command.HelpName != "" {
		help = c.Command.HelpName + " --help"
	}
	return withHint(fmt.Errorf("%w: %w", errUsage, err), help)
}

func unknownCommand(app *cli.App, c *cli.Context) error {
	if !c.Args().Present() {
		return cli.ShowAppHelp(c)
	}
	return notThere(c, app.Commands, "gen")
}

func unknownSubcommand(parent *cli.Command, c *cli.Context) error {
	if !c.Args().Present() {
		var names []string
		for _, sub := range parent.Subcommands {
			names = append(names, sub.Name)
		}
		return withHint(fmt.Errorf("%w: %s what? There are %s", errUsage, parent.HelpName, strings.Join(names, ", ")), parent.HelpName+" --help")
	}
	return notThere(c, parent.Subcommands, parent.HelpName)
}

// notThere says that there is no such command, and the nearest one.
func notThere(c *cli.Context, commands []*cli.Command, prefix string) error {
	asked := c.Args().First()
	hint, best := prefix+" --help", 0.8
	for _, cmd := range commands {
		if near := smetrics.JaroWinkler(asked, cmd.Name, 0.7, 4); near > best {
			hint, best = "did you mean "+prefix+" "+cmd.Name+"?", near
		}
	}
	return withHint(fmt.Errorf("%w: no command %q", errUsage, asked), hint)
}

// version is the module's version or revision as the toolchain recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}
