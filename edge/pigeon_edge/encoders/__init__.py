"""Encoders: one protocol, one file per engine, and the choice between them."""

from __future__ import annotations

from pigeon_edge.answer.encoding import Encoding
from pigeon_edge.encoders.protocol import Encoder
from pigeon_edge.encoders.select import Choice, Engine, automatic, open_encoder, open_graph

__all__ = ["Choice", "Encoder", "Encoding", "Engine", "automatic", "open_encoder", "open_graph"]
