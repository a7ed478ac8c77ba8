from __future__ import annotations

import pytest
from tests.edge.machine_trees import write_tree

from pigeon_edge.system.instructions import bfloat16_instructions, int8_instructions


@pytest.mark.parametrize(
    ("cpuinfo", "int8", "bfloat16"),
    [
        ("flags\t\t: fpu avx2 avx512_vnni amx_bf16 amx_int8 avx512_bf16\n", "amx_int8", "amx_bf16"),
        ("flags\t\t: fpu avx2 avx512_vnni avx512_bf16\n", "avx512_vnni", "avx512_bf16"),
        ("flags\t\t: fpu avx2 avx_vnni\n", "avx_vnni", None),
        ("processor\t: 0\nflags\t\t: fpu avx2 bmi2\nprocessor\t: 1\nflags\t\t: amx_int8\n", "avx2", None),
        ("Features\t: fp asimd asimddp\n", "asimddp", None),
        ("Features\t: fp asimd asimddp i8mm bf16\n", "i8mm", "bf16"),
        ("flags\t\t: fpu sse2\n", None, None),
        ("model name\t: nothing of flags\n", None, None),
    ],
)
def test_the_quickest_instructions_of_the_first_processor_are_named(tmp_path, cpuinfo, int8, bfloat16):
    write_tree(tmp_path, {"proc/cpuinfo": cpuinfo})
    assert (int8_instructions(tmp_path), bfloat16_instructions(tmp_path)) == (int8, bfloat16)


def test_a_system_without_proc_names_none(tmp_path):
    assert int8_instructions(tmp_path) is bfloat16_instructions(tmp_path) is None
