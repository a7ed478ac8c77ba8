"""``export lint``: TensorRT's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import examples
from pigeon_edge.files import to_json

LINT_EXAMPLES = examples(
    "pigeon-edge export lint encoder.onnx encoder.int8.onnx", "pigeon-edge export lint *.onnx --json"
)


def lint(
    graphs: Annotated[list[Path], typer.Argument(help="Graphs to check.")],
    json: Annotated[bool, typer.Option("--json", help="Print the findings of each file as JSON.")] = False,
) -> None:
    """Check graphs against TensorRT's rules: one finding a line, exit code 7 where there are some.

    What cannot be read is told at the end, with exit code 4.
    """
    from pigeon_export.lint.files import lint_files

    linted = lint_files(graphs)
    findings = linted.findings
    lines = [f"{path}: {finding}" for path, found in findings.items() for finding in found]
    typer.echo(to_json(findings) if json else "".join(f"{line}\n" for line in lines), nl=False)
    linted.check()
    say(f"pigeon-edge: {len(findings)} {'graph keeps' if len(findings) == 1 else 'graphs keep'} the rules")
