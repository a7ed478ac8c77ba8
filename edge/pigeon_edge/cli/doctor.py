"""``pigeon-edge doctor``: does this machine have what locating needs?"""

from __future__ import annotations

from typing import Annotated

import typer

from pigeon_edge.cli.group import examples
from pigeon_edge.cli.options import TOY_PLANET, BundleOption
from pigeon_edge.doctor.checkup import examine
from pigeon_edge.doctor.host import Host
from pigeon_edge.doctor.page import page
from pigeon_edge.files import to_json

EXAMPLES = examples(
    "pigeon-edge doctor --bundle europe.pigeon",
    "pigeon-edge doctor --json | jq '.findings[] | select(.status != \"ok\")'",
)


def doctor(
    bundle: BundleOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine JetPack, CUDA, TensorRT, pycuda, faiss, engines, memory, GStreamer, cameras and the bundle.

    Each line is ok, warn or fail, with what to do. What this machine does not need is ok. The exit code is 0 where
    nothing failed, else that of the first line that did: 5 the bundle, 8 what is not installed, 6 anything else, also
    what is installed and crashes.
    """
    checkup = examine(Host(bundle or TOY_PLANET))
    typer.echo(to_json(checkup.to_json()) if json else page(checkup), nl=False)
    if checkup.failed:
        names = ", ".join(check.name for check, _ in checkup.failed)
        _, first = checkup.failed[0]
        raise first.error(f"failed: {names}; their lines say what to do")
