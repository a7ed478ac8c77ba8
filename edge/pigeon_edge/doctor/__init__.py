"""Whether this machine has what locating needs: one finding for each part, and what to do where it is not well."""

from __future__ import annotations
