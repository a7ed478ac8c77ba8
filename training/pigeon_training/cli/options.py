"""Options that several stages of training share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ManifestOption = Annotated[Path, typer.Option("--manifest", help="CSV of photographs: path, lat, lng, place_id, ...")]
CellsOption = Annotated[Path, typer.Option("--cells", help="The folder that `train cells` wrote.")]
