"""How every group of commands behaves: plain help, ``-h``, examples at its end."""

from __future__ import annotations

import typer
from typer.core import TyperGroup


def command_group(summary: str, kind: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return a group of commands with the project's settings."""
    return typer.Typer(
        cls=kind,
        help=summary,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def examples(*command_lines: str) -> str:
    """Return the closing part of a command's help; the backspace keeps its lines apart."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in command_lines)
