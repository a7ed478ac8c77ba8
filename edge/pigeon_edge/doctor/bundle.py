"""Is the bundle whole?"""

from __future__ import annotations

from pigeon_edge.bundle.format import open_bundle, verify
from pigeon_edge.doctor.finding import Finding, fail, ok
from pigeon_edge.doctor.host import Host
from pigeon_edge.errors import BundleError


def check_bundle(host: Host) -> Finding:
    """Open the bundle and compare every file with its checksum."""
    try:
        bundle = open_bundle(host.bundle)
        verify(bundle)
    except BundleError as error:
        what, _, remedy = str(error).rpartition("; ")
        return fail(what or remedy, remedy if what else "copy the bundle again", BundleError)
    size_mb = sum(size for size, _ in bundle.files.values()) / 1e6
    return ok(f"{bundle.label}: {size_mb:,.1f} MB in {len(bundle.files)} files, all as the manifest says")
