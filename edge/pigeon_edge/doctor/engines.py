"""Does the graph run here, and does it give what it must?"""

from __future__ import annotations

from pigeon_edge.bundle.format import open_bundle
from pigeon_edge.doctor.cuda import NO_GPU
from pigeon_edge.doctor.finding import Finding, Status, broken, fail, ok, warn
from pigeon_edge.doctor.host import Host
from pigeon_edge.encoders.select import on_processor, reason_on_processor
from pigeon_edge.errors import BundleError, PigeonError, TemporaryError


def check_cpu_engine(host: Host) -> Finding:
    """Open the bundle's graph on the CPU and hold it against the golden probes."""
    try:
        open_bundle(host.bundle)
    except BundleError:
        return warn("not tested: there is no bundle to test it with", "see the line on the bundle")
    name = on_processor().value
    tested = _self_test(host, name, f"see that the lines on bundle and memory are ok; pip install --upgrade {name}")
    return ok(f"{tested.what} ({reason_on_processor()})") if tested.status is Status.OK else tested


def check_engine(host: Host) -> Finding:
    """Look for a TensorRT engine of the bundle's graph for this machine, and hold it against the golden probes."""
    if not host.has_gpu:
        return ok(NO_GPU)
    build = f"pigeon-edge export engine --bundle {host.bundle}"
    try:
        built = host.probe("engine", str(host.bundle))
    except PigeonError as error:
        return warn(
            str(error).partition("; build one: ")[0], f"{build}, once the lines on CUDA, TensorRT and pycuda are ok"
        )
    tested = _self_test(host, "tensorrt", f"build it again: {build}")
    return ok(f"{tested.what}, {built['precision']}: {built['reason']}") if tested.status is Status.OK else tested


def _self_test(host: Host, engine: str, remedy: str) -> Finding:
    try:
        told = host.self_test(engine)
    except TemporaryError as error:  # a large graph on a small processor, or one that hangs
        return warn(f"not tested: {error}", "see how long pigeon-edge locate takes with one photograph")
    except PigeonError as error:
        return broken(error, remedy)
    near = f"{told['engine']} gives the golden probes at a cosine of {told['cosine']:.5f}"
    if not told["cosine"] >= told["least"]:  # NaN is not
        return fail(f"{near}, {told['least']} is the least", remedy)
    return ok(near)
