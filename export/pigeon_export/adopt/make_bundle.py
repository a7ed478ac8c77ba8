"""Public weights to a bundle, without any training: a vision tower, and a head that *is* the embeddings of places.

StreetCLIP: a geocell per town of a table, its head the text embedding of the town's caption. GeoCLIP: a geocell per
point of its gallery, its head the embedding of the point's coordinates. Either way a cell's logit is the logit scale
times a cosine, a cell answers with its own coordinates, and the bundle's gallery has no photographs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import faiss
import numpy as np
import numpy.typing as npt
import onnx
import torch
from PIL import Image
from transformers import CLIPModel

from pigeon_calibration.gate.parity import measure
from pigeon_calibration.gate.thresholds import INT8_THRESHOLDS
from pigeon_calibration.int8.calibrate import Choices, calibrate_int8
from pigeon_calibration.int8.quantize import quantize_weights
from pigeon_edge.answer.estimate import Place
from pigeon_edge.bundle.gallery_writer import Clusters, write_gallery
from pigeon_edge.geodesy import haversine_km, unit_vectors
from pigeon_edge.images.preprocess import PreprocessSpec
from pigeon_edge.retrieval.published import PaperRefinement
from pigeon_export.adopt.geoclip import GeoClip, read_geoclip
from pigeon_export.graph.readout import ClassToken, Layer, projection
from pigeon_export.graph.to_onnx import to_onnx
from pigeon_export.pack.pack import PROBES, Naming, Parts, pack
from pigeon_training.model.clip_folder import load_clip, load_towers, read_spec
from pigeon_training.study.zero_shot.places import Town, lat_lng_of_towns, most_populous, read_places
from pigeon_training.study.zero_shot.search import embed_captions, town_captions

NAMED_WITHIN_KM = 300.0
"""A point farther than this from every town of the table, at sea or on ice, stays without a name."""

CALIBRATION_PHOTOGRAPHS = 256

Say = Callable[[str], None]


@dataclass(frozen=True)
class Adopted:
    """What becomes a bundle: the graph, where its C cells lie (C, 2), their names, and what the card says."""

    graph: onnx.ModelProto
    spec: PreprocessSpec
    lat_lng: npt.NDArray[np.float64]
    places: Sequence[Place]
    about: str
    licences: dict[str, str]


def adopt_streetclip(model: str, places: Path, out: Path, images: Path | None, per_country: int | None) -> None:
    """Write a bundle of a CLIP model (a folder or hub id) whose cells are the towns of a table.

    Raises InputError where the model or the table cannot be read, GateError where photographs were given to calibrate
    on and the int8 graph falls short.
    """
    towns = read_places(places)
    towns = towns if per_country is None else most_populous(towns, per_country)
    bundle_of(streetclip(model, towns), out, images)


def adopt_geoclip(folder: Path, out: Path, images: Path | None, backbone: str | None, places: Path | None) -> None:
    """Write a bundle of GeoCLIP whose cells are the points of its gallery, named after the towns of a table.

    Raises as ``adopt_streetclip``.
    """
    towns = read_places(places) if places else []
    bundle_of(geoclip(read_geoclip(folder), backbone, towns), out, images)


def streetclip(model: str, towns: Sequence[Town]) -> Adopted:
    """Return a CLIP model with a cell per town: the logit of a town is that of CLIP's own zero-shot classification."""
    clip = load_clip(model)
    text = embed_captions(clip.model, clip.tokenizer, town_captions(towns))
    scale = float(clip.model.logit_scale.detach().exp())
    graph = _graph(clip.model, clip.spec, (), scale * text)
    about = f"{model}, zero-shot: a geocell for each of {len(towns):,} towns, its head the town's caption. Not trained."
    licences = {"weights": "those of StreetCLIP are CC-BY-NC-4.0", "data": "no photographs"}
    return Adopted(graph, clip.spec, lat_lng_of_towns(towns), [town.place for town in towns], about, licences)


def geoclip(parts: GeoClip, backbone: str | None, towns: Sequence[Town]) -> Adopted:
    """Return GeoCLIP with a cell per point of its gallery: the best cell is the point that GeoCLIP answers with."""
    name = backbone or parts.backbone
    model = load_towers(name)
    spec = read_spec(name, model.config.vision_config.image_size)
    graph = _graph(model, spec, parts.image_layers, parts.logit_scale * parts.gallery())
    about = f"GeoCLIP on {name}: a geocell for each of the {len(parts.lat_lng):,} points of its gallery. Not trained."
    places = nearest_towns(parts.lat_lng, towns)
    return Adopted(graph, spec, parts.lat_lng, places, about, {"weights": "MIT", "data": "gallery of points: MIT"})


def nearest_towns(lat_lng: npt.NDArray[np.float64], towns: Sequence[Town]) -> list[Place]:
    """Return the country and region of the town nearest to each point (N, 2), no names where none is near."""
    nameless = Place("", "", "")
    if not towns:
        return [nameless] * len(lat_lng)
    of_towns = lat_lng_of_towns(towns)
    points, centres = (np.asarray(unit_vectors(side), np.float32) for side in (lat_lng, of_towns))
    nearest = faiss.knn(points, centres, 1)[1][:, 0]
    near = haversine_km(lat_lng, of_towns[nearest]) <= NAMED_WITHIN_KM
    return [towns[row].place if found else nameless for row, found in zip(nearest, near, strict=True)]


def bundle_of(adopted: Adopted, out: Path, images: Path | None) -> None:
    """Write the bundle: weights and activations int8 under the gate with photographs, weights alone without."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as name:
        folder = Path(name)
        probes = _write_probes(folder / "probes", adopted.spec)
        report = folder / "report.json" if images else None
        about = _write_int8(adopted, folder, probes, images)
        _write_cells(folder / "cells", adopted)
        none = Clusters(np.empty(0, np.int64), np.zeros(len(adopted.lat_lng) + 1, np.int64))
        width = next(value for value in adopted.graph.graph.output if value.name == "image_embedding")
        columns = width.type.tensor_type.shape.dim[1].dim_value
        write_gallery(folder / "gallery", np.empty((0, columns), np.float32), np.empty((0, 2)), none)
        parts = Parts(
            folder / "int8.onnx", folder / "cells", folder / "gallery", folder / "probes", None, None, None, report
        )
        pack(parts, Naming(out.stem, f"{adopted.about} {about}", adopted.licences), PaperRefinement(), out)


def _graph(
    model: CLIPModel, spec: PreprocessSpec, more: tuple[Layer, ...], head: npt.NDArray[np.float32]
) -> onnx.ModelProto:
    """Return the graph of a CLIP vision tower, its projection, more layers, and a head (C, D) of scaled embeddings."""
    projected = projection(_array(model.visual_projection.weight))
    heads = {"cells.weight": np.asarray(head, np.float32), "cells.bias": np.zeros(len(head), np.float32)}
    return to_onnx(model.vision_model, spec, heads, ClassToken((projected, *more)))


def _write_int8(adopted: Adopted, folder: Path, probes: npt.NDArray[np.uint8], images: Path | None) -> str:
    """Write ``int8.onnx``, and ``report.json`` where there are photographs; return what the card says of it."""
    out = folder / "int8.onnx"
    if images:
        onnx.save_model(adopted.graph, str(folder / "full.onnx"))
        calibrate_int8(
            folder / "full.onnx", images, out=out, report=folder / "report.json",
            choices=Choices(CALIBRATION_PHOTOGRAPHS, INT8_THRESHOLDS),
        )  # fmt: skip
        return "Weights and activations of the linears are int8."
    quantized = quantize_weights(adopted.graph)
    onnx.save_model(quantized, str(out))
    cosine = measure(adopted.graph, quantized, [probes]).cosine_min
    return (
        "The weights of the linears are int8, the activations float32, because no photographs were given to calibrate "
        f"on: smaller, not faster. Embedding cosine to full precision on {len(probes)} patterns: {cosine:.4f} or more."
    )


def _write_probes(folder: Path, spec: PreprocessSpec) -> npt.NDArray[np.uint8]:
    """Write patterns for the bundle's self-test, which needs no photographs; return them (P, S, S, 3) uint8."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    size = (spec.size_px, spec.size_px)
    coarse = rng.integers(0, 256, (PROBES, 8, 8, 3), dtype=np.uint8)
    images = [Image.fromarray(pattern).resize(size, Image.Resampling.BICUBIC) for pattern in coarse]
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    return np.stack([np.asarray(image, np.uint8) for image in images])


def _write_cells(folder: Path, adopted: Adopted) -> None:
    folder.mkdir()
    np.save(folder / "centroid_lat_lng.npy", adopted.lat_lng)
    records = [asdict(place) for place in adopted.places]
    (folder / "places.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")


def _array(tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    return np.asarray(tensor.detach().float().numpy(), np.float32)
