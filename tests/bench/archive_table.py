"""Milliseconds a photograph of an archive: ``geotag`` beside the loop that one writes with transformers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tests.bench.encoders_table import ENGINES, TORCH_THREADS, Pixels, random_heads, vit_b_32, write_graphs
from tests.bench.table import Table
from tests.bench.timing import Timing, compare
from tests.photographic import photographic
from transformers import CLIPImageProcessorPil, CLIPVisionModel

from pigeon_edge.answer.cells import CellTable
from pigeon_edge.answer.confidence import UNFITTED
from pigeon_edge.answer.encoding import unit
from pigeon_edge.answer.estimate import Place
from pigeon_edge.archive.geotag import geotag
from pigeon_edge.bundle.gallery_writer import Clusters, build_index
from pigeon_edge.encoders import Encoder, open_graph
from pigeon_edge.images.photograph import DEFAULT_MAX_PIXELS, read_pixels, read_rgb
from pigeon_edge.images.preprocess import PreprocessSpec, to_pixels
from pigeon_edge.locator import Locator
from pigeon_edge.retrieval.gallery import Gallery
from pigeon_edge.retrieval.gated import GatedRefinement

SIZE = (4000, 3000)
PHOTOGRAPHS, QUALITY = 32, 90
PHOTOGRAPHS_A_CELL = 10
LOOP_BATCH = 8
ROUNDS = 3
LOOP = "usual loop"


def archive_table() -> Table:
    """Measure both on the same files, which are in the page cache; models are opened before."""
    torch.set_num_threads(TORCH_THREADS)
    torch.manual_seed(0)
    model = vit_b_32()
    spec = PreprocessSpec(model.tower.config.image_size)
    with tempfile.TemporaryDirectory() as folder:
        paths = _write_photographs(Path(folder))
        full = np.stack([to_pixels(read_rgb(path), spec) for path in paths])
        graph = write_graphs(model, spec, random_heads(model), full[::2], Path(folder))["INT8"]
        encoders = {f"geotag, {name} INT8": open_graph(graph, engine) for engine, name in ENGINES.items()}
        found = compare(_ways(model.tower, model.cells, spec, encoders, paths), LOOP, ROUNDS)
        reduced = np.stack([read_pixels(path, spec) for path in paths])
        lacking = {name: _lacking(encoder, reduced, full) for name, encoder in encoders.items()}
        megabytes = sum(path.stat().st_size for path in paths) / PHOTOGRAPHS / 1e6
    return Table(
        "Archive",
        f"{PHOTOGRAPHS} JPEGs of {SIZE[0]} x {SIZE[1]} pixels and {megabytes:.1f} MB, ViT-B/32 of random weights; "
        f"medians of {ROUNDS} interleaved rounds. The usual loop takes one photograph at a time: PIL's open, convert, "
        f"CLIPImageProcessor on PIL, CLIPVisionModel in FP32 with {TORCH_THREADS} threads. The last column is what the "
        "embedding of a reduced decode lacks to a cosine of 1 with that of a full one, in thousandths, at p01.",
        ("way", "ms a photograph", "x usual loop", "lacks"),
        tuple(_row(name, timing, lacking.get(name, 0.0)) for name, timing in found.items()),
    )


def _row(name: str, timing: Timing, lacking: float) -> tuple[str | float, ...]:
    return name, timing.seconds * 1000 / PHOTOGRAPHS, timing.ratio, lacking


def _write_photographs(folder: Path) -> list[Path]:
    paths = [folder / f"{number:02}.jpg" for number in range(PHOTOGRAPHS)]
    for seed, path in enumerate(paths):
        photographic(SIZE, np.random.default_rng(seed)).save(path, quality=QUALITY)
    return paths


def _ways(
    tower: CLIPVisionModel, cells: int, spec: PreprocessSpec, encoders: dict[str, Encoder], paths: Sequence[Path]
) -> dict[str, Callable[[], object]]:
    def ours(locator: Locator) -> None:
        events = list(geotag(paths, locator, DEFAULT_MAX_PIXELS))
        assert all(event["status"] == "located" for event in events)

    around = partial(_locator, spec=spec, cells=cells, width=tower.config.hidden_size)
    return {
        LOOP: partial(_usual_loop, tower, paths, 1),
        f"usual loop, batches of {LOOP_BATCH}": partial(_usual_loop, tower, paths, LOOP_BATCH),
        **{name: partial(ours, around(encoder)) for name, encoder in encoders.items()},
    }


def _usual_loop(tower: CLIPVisionModel, paths: Sequence[Path], batch: int) -> None:
    processor = CLIPImageProcessorPil()
    for start in range(0, len(paths), batch):
        images = [Image.open(path).convert("RGB") for path in paths[start : start + batch]]
        with torch.inference_mode():
            tower(**processor(images=images, return_tensors="pt"))


def _locator(encoder: Encoder, spec: PreprocessSpec, cells: int, width: int) -> Locator:
    """Return a locator of random geocells with a gallery of ``PHOTOGRAPHS_A_CELL`` in each, one cluster a geocell."""
    rng = np.random.default_rng(0)
    centroids = rng.uniform((-60, -180), (70, 180), (cells, 2))
    of_photograph = np.repeat(np.arange(cells), PHOTOGRAPHS_A_CELL)
    vectors = unit(rng.normal(size=(len(of_photograph), width)).astype(np.float32))
    offsets = np.arange(cells + 1)
    lat_lng = centroids[of_photograph].astype(np.float32)
    gallery = Gallery(build_index(vectors, Clusters(of_photograph, offsets)), offsets, lat_lng)
    table = CellTable(centroids, (Place("", "", ""),) * cells)
    return Locator(spec, encoder, table, gallery, GatedRefinement(), UNFITTED, "bench")


def _lacking(encoder: Encoder, reduced: Pixels, full: Pixels) -> float:
    """Return the first percentile of the photographs' cosines, as 1 - cosine, in thousandths."""
    ours, theirs = (unit(encoder.encode(pixels).embedding) for pixels in (reduced, full))
    cosines: npt.NDArray[np.float32] = (ours * theirs).sum(axis=1)
    return float(1 - np.percentile(cosines, 1)) * 1000
