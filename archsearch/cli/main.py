"""The entry point: the commands, and nothing that any of them needs before it runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from archsearch.cli.ban import ban
from archsearch.cli.check import check
from archsearch.cli.doctor import doctor
from archsearch.cli.export import export
from archsearch.cli.failures import exit_code_of
from archsearch.cli.hint import hint
from archsearch.cli.list import list_runs
from archsearch.cli.new import new
from archsearch.cli.output import never_fail_on_letters
from archsearch.cli.pin import pin
from archsearch.cli.prefer import prefer
from archsearch.cli.release import release
from archsearch.cli.report import report
from archsearch.cli.resume import resume
from archsearch.cli.review import review
from archsearch.cli.run import run as run_command
from archsearch.cli.score import score
from archsearch.cli.serve import serve
from archsearch.cli.show import show
from archsearch.cli.spaces import spaces


class Commands(TyperGroup):
    """The group of all commands; every way of calling it ends at one error boundary."""

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> Any:  # type: ignore[override]  # what it names is passed on by name
        """Runs a command line and leaves the process with its exit code."""
        arguments, debug = _without_debug(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False  # errors come here instead of being printed

        def call() -> Any:
            return TyperGroup.main(self, arguments, prog_name, **extra)

        sys.exit(exit_code_of(call, debug))


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The arguments without `--debug`, which may stand anywhere on the line, and whether it was there."""
    return [item for item in arguments if item != "--debug"], "--debug" in arguments


app = typer.Typer(
    name="archsearch",
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"archsearch {version('archsearch')}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")]
Debug = Annotated[bool, typer.Option("--debug", help="Print the traceback of an error. May stand anywhere.")]


@app.callback(invoke_without_command=True)
def front(context: typer.Context, version: Version = False, debug: Debug = False) -> None:
    """Search for the hybrid of physics and neural nets that your data support.

    A first search, on data that come with it: archsearch run hare_lynx
    """
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


START, SEARCH, STEER, RESULTS, MACHINE = "Start", "Search", "Steer a search", "Results", "This machine"
app.command("spaces", rich_help_panel=START)(spaces)
app.command("new", rich_help_panel=START)(new)
app.command("check", rich_help_panel=START)(check)
app.command("run", rich_help_panel=SEARCH)(run_command)
app.command("resume", rich_help_panel=SEARCH)(resume)
app.command("review", rich_help_panel=STEER)(review)
app.command("hint", rich_help_panel=STEER)(hint)
app.command("ban", rich_help_panel=STEER)(ban)
app.command("pin", rich_help_panel=STEER)(pin)
app.command("release", rich_help_panel=STEER)(release)
app.command("prefer", rich_help_panel=STEER)(prefer)
app.command("list", rich_help_panel=RESULTS)(list_runs)
app.command("show", rich_help_panel=RESULTS)(show)
app.command("report", rich_help_panel=RESULTS)(report)
app.command("export", rich_help_panel=RESULTS)(export)
app.command("score", rich_help_panel=RESULTS)(score)
app.command("serve", rich_help_panel=RESULTS)(serve)
app.command("doctor", rich_help_panel=MACHINE)(doctor)


def run() -> None:
    """Runs the command line of this process."""
    never_fail_on_letters()
    app(prog_name="archsearch")
