"""The root command: the device's own commands, and those that the build packages plug in."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pigeon_edge import __version__
from pigeon_edge.cli import bundle, geotag, locate, run
from pigeon_edge.cli.console import say
from pigeon_edge.errors import PigeonError

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class PluggableGroup(TyperGroup):
    """A group whose further commands are entry points, loaded only when they are called or listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, plugged-in ones last."""
        return [*super().list_commands(ctx), *sorted(_plugins())]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None where there is none of that name."""
        own = super().get_command(ctx, cmd_name)
        plugin = None if own else _plugins().get(cmd_name)
        return typer.main.get_command(plugin.load()) if plugin else own


app = typer.Typer(
    cls=PluggableGroup,
    context_settings=HELP_NAMES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("locate")(locate.locate)
app.command("geotag")(geotag.geotag)
app.command("run")(run.run)
app.add_typer(bundle.app, name="bundle")


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Where was this photograph taken? Answered on the device, offline, with an honest radius."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; every error of the project is one line on stderr and its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app()
    except PigeonError as error:
        say(f"pigeon-edge: {error}")
        sys.exit(error.exit_code)


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="pigeon_edge.commands")}


def _stop(number: int, _frame: FrameType | None) -> None:
    """Unwind on SIGINT and SIGTERM, so that outputs are closed or removed, and exit as a shell expects."""
    sys.exit(128 + number)
