"""What Linux tells of the machine, read from ``/proc``, ``/sys`` and ``/etc`` below a root that tests may build."""

from __future__ import annotations
