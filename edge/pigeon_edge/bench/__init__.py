"""How quick a bundle is on this machine, sustained: latency, throughput, memory, temperature."""

from __future__ import annotations
