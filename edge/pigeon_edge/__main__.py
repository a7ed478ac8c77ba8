"""``python -m pigeon_edge``."""

from __future__ import annotations

from pigeon_edge.cli.main import main

main()
