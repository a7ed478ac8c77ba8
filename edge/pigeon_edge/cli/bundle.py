"""``pigeon-edge bundle``: look at bundles and check them."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import typer

from pigeon_edge.bundle.format import Bundle, Description, open_bundle
from pigeon_edge.bundle.format import verify as verify_bundle
from pigeon_edge.cli.console import say
from pigeon_edge.cli.group import command_group, examples

app = command_group("Look at bundles and check them.")

Directory = Annotated[Path, typer.Argument(metavar="DIR", help="A bundle: NAME.pigeon.")]


@app.command(epilog=examples("pigeon-edge bundle info europe.pigeon"))
def info(
    directory: Directory, json: Annotated[bool, typer.Option("--json", help="Print the manifest as JSON.")] = False
) -> None:
    """Print what a bundle is."""
    bundle = open_bundle(directory)
    if json:
        typer.echo(json_format.dumps({**bundle.description.to_json(), "digest": bundle.digest}, indent=1))
    else:
        typer.echo("\n".join(f"{key:<12} {value}" for key, value in _facts(bundle).items()))


@app.command(epilog=examples("pigeon-edge bundle verify europe.pigeon"))
def verify(directory: Directory) -> None:
    """Compare every file of a bundle with its checksum."""
    bundle = open_bundle(directory)
    verify_bundle(bundle)
    say(f"pigeon-edge: {bundle.label}: all {len(bundle.files)} files are as the manifest says")


def _of_precision(told: Description) -> str:
    return "" if told.precision == "int8" else f"; in {told.precision}: no INT8 graph of it, larger and slower"


def _facts(bundle: Bundle) -> dict[str, str]:
    from pigeon_edge.bundle.parts import open_environment

    told, environment = bundle.description, open_environment(bundle)
    size_mb = sum(size for size, _ in bundle.files.values()) / 1e6
    return {
        "name": told.name,
        "digest": bundle.digest,
        "created": told.created,
        "size": f"{size_mb:.1f} MB in {len(bundle.files)} files",
        "encoder": f"{told.preprocess.size_px} px, embedding of {told.embedding_width}{_of_precision(told)}",
        "geocells": f"{told.cells:,}",
        "gallery": f"{told.photographs:,} photographs in {told.clusters:,} clusters",
        **({"surroundings": ", ".join(environment.told)} if environment else {}),
        **{f"{of} under": licence for of, licence in sorted(told.licences.items())},
    }
