"""What the tests of the doctor examine."""

from __future__ import annotations

from pathlib import Path

from tests.edge.machine_trees import laptop

from pigeon_edge.cli.options import TOY_PLANET
from pigeon_edge.doctor.host import Host

HEALTHY = """
case "$3" in
  cuda) echo '{"version": "12.6", "gpus": ["Orin (8.7)"]}';;
  tensorrt)
    echo 'a library that talks'
    echo '{"flavour": "tensorrt", "version": "10.3.0", "label": "TensorRT 10.3.0"}'
    ;;
  pycuda) echo '{"version": "2026.1", "gpu": "Orin (8.7)"}';;
  faiss) echo '{"version": "1.15.1", "maps": true}';;
  pillow) echo '{"version": "13.0.0"}';;
  av) echo '{"version": "17.1.0"}';;
  engine) echo '{"precision": "int8", "reason": "1.15 times as quick as fp16"}';;
  self_test) echo "{\\"engine\\": \\"$5\\", \\"cosine\\": 0.9991, \\"least\\": 0.98}";;
esac
"""
"""What a healthy Jetson's Python would answer: no test here has one."""


def laptop_host(tmp_path):
    return Host(TOY_PLANET, laptop(tmp_path / "laptop"), Path("/no/such/python"))
