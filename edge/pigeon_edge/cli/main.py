"""The root command: the device's own commands, and those that the build packages plug in."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import suppress
from importlib.metadata import EntryPoint, entry_points
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from pigeon_edge import __version__
from pigeon_edge.cli import bench, bundle, doctor, geotag, locate, run
from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import command_group
from pigeon_edge.errors import MissingToolError, PigeonError

_BUILD_COMMANDS = ("train", "calibrate", "export")
"""Each has an extra of its own name, which brings all that it imports."""

_BUILD_MODULES = frozenset((
    "google", "huggingface_hub", "matplotlib", "onnx", "onnxruntime", "pyarrow", "pyogrio", "rasterio", "safetensors",
    "scipy", "shapely", "sklearn", "torch", "transformers",
))  # fmt: skip
"""What those extras bring, as it is imported."""

_DEVICE_MODULES = frozenset(("PIL", "faiss", "numpy", "onnxruntime", "openvino", "rich", "typer"))
"""What comes with the package itself."""


class StoppedError(SystemExit):
    """Raised in the main thread by a signal; ``code`` is 128 and the signal's number."""


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


app = command_group("Where was this photograph taken? Answered on the device, offline.", PluggableGroup)
app.command("locate", epilog=locate.EXAMPLES)(locate.locate)
app.command("geotag", epilog=geotag.EXAMPLES)(geotag.geotag)
app.command("run", epilog=run.EXAMPLES)(run.run)
app.command("bench", epilog=bench.EXAMPLES)(bench.bench)
app.command("doctor", epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(bundle.app, name="bundle")


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Print the version where it is asked for; else the command that follows runs."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line; every error of the project is one line on stderr and its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of broken metadata; broken pixels are errors
    try:
        app()
    except StoppedError as end:
        with suppress(OSError):  # of a reader that has left
            sys.stdout.flush()
        os._exit(int(end.code or 0))  # all is closed; a thread that the signal left locked would be waited for in vain
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            _end_quietly()
        raise
    except PigeonError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        _fail(_missing_extra(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(PigeonError(f"{where}{error.strerror or error}; see that the path is right and the disk has room"))


def _end_quietly() -> NoReturn:
    """End as a program does whose reader has seen enough, such as ``head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the interpreter complains as it flushes
    sys.exit(0)


def _fail(error: PigeonError) -> NoReturn:
    say(f"pigeon-edge: {error}")
    sys.exit(error.exit_code)


def _missing_extra(error: ModuleNotFoundError) -> PigeonError:
    """Return which extra to install for a module that a command needs. Raises the error itself for any other module."""
    module = (error.name or "").partition(".")[0]
    command = next(iter(sys.argv[1:2]), "")
    if command in _BUILD_COMMANDS and module in _BUILD_MODULES:
        extra = f"[{command}]"
    elif module in _DEVICE_MODULES:
        extra = ""
    else:
        raise error
    return MissingToolError(f"this command needs {module}, which is not installed: pip install 'pigeon-edge{extra}'")


def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group="pigeon_edge.commands")}


def _stop(number: int, _frame: FrameType | None) -> None:
    """Unwind on SIGINT and SIGTERM, so that outputs are closed or removed, and exit as a shell expects.

    Who asks a second time does not wait for that.
    """
    signal.signal(number, signal.SIG_DFL)
    raise StoppedError(128 + number)
