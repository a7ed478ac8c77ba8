"""``python -m tests.bench [TABLE ...]``: every table, or those named, from one run. Later tables join ``_measures``."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from tests.bench.table import Table

from pigeon_edge.files import write_json
from pigeon_edge.system.instructions import int8_instructions
from pigeon_edge.system.machine import this_machine

LIBRARIES = ("numpy", "pillow", "faiss-cpu", "onnxruntime", "openvino", "torch", "transformers")


def main() -> None:
    """Print the tables as Markdown; write them as JSON where a file is named."""
    # Threads that spin while they wait take the cores from whoever is measured next, or from another program that runs:
    # torch then loses a factor of forty. Its OpenMP reads this once, when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    measures = _measures()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Ratios of one run on one machine.")
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"default all: {', '.join(measures)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables here as well")
    arguments = parser.parse_args()
    unknown = set(arguments.tables) - set(measures)
    if unknown:
        parser.error(f"expected tables of {', '.join(measures)}, found {', '.join(sorted(unknown))}")
    machine = _machine()
    print(f"# Measured on {machine['processor']} ({machine['int8']}), {machine['cores']} cores", flush=True)
    tables = []
    for name in arguments.tables or measures:
        tables.append(measures[name]())
        print(f"\n{tables[-1].to_markdown()}", flush=True)
    if arguments.json:
        write_json(arguments.json, {"machine": machine, "tables": [table.to_json() for table in tables]})


def _measures() -> dict[str, Callable[[], Table]]:
    """Return what measures each table, by its name on the command line, in the order in which they are printed."""
    from tests.bench.archive_table import archive_table
    from tests.bench.cells_table import cells_table
    from tests.bench.contrast_table import contrast_table
    from tests.bench.decoding_table import decoding_table
    from tests.bench.encoders_table import encoders_table
    from tests.bench.explanation_table import explanation_table
    from tests.bench.gallery_table import gallery_table
    from tests.bench.geography_table import geography_table
    from tests.bench.heads_table import heads_table
    from tests.bench.int8_table import int8_table
    from tests.bench.prototypes_table import prototypes_table
    from tests.bench.refinement_modes_table import refinement_modes_table
    from tests.bench.refinement_table import refinement_table

    return {
        "encoders": encoders_table,
        "int8": int8_table,
        "refinement": refinement_table,
        "gallery": gallery_table,
        "refinement-modes": refinement_modes_table,
        "prototypes": prototypes_table,
        "decoding": decoding_table,
        "archive": archive_table,
        "geography": geography_table,
        "cells": cells_table,
        "contrast": contrast_table,
        "heads": heads_table,
        "explanation": explanation_table,
    }


def _machine() -> dict[str, object]:
    return {
        "processor": this_machine().processor,
        "int8": int8_instructions() or "no int8 instructions",
        "cores": os.cpu_count(),
        "load_per_core": round(os.getloadavg()[0] / (os.cpu_count() or 1), 2),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


if __name__ == "__main__":
    main()
