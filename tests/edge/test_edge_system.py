from __future__ import annotations

import os
import time

import pytest
from tests.edge.machine_trees import laptop, orin_nano, thor, write_program, write_tree

from pigeon_edge.errors import EngineError, MissingToolError, TemporaryError
from pigeon_edge.system.machine import l4t_branch, l4t_release, power_mode, this_machine
from pigeon_edge.system.memory import available_bytes, free_contiguous_bytes, meminfo, process_memory
from pigeon_edge.system.programs import ask
from pigeon_edge.system.sensors import cpu_mhz, gpu_load, temperatures_c


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder whose programs are found first."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "bin"


def test_a_laptop_tells_temperatures_clocks_and_no_gpu(tmp_path):
    root = laptop(tmp_path)
    assert temperatures_c(root) == {"acpitz": 41.5, "acpitz (thermal_zone1)": 27.8}
    assert cpu_mhz(root) == {"cpu0": 1800.0, "cpu1": 2400.0}
    assert gpu_load(root) == {}
    machine = this_machine(root)
    assert (machine.board, machine.l4t, machine.processor) == (None, None, "Some CPU @ 2.0GHz")
    assert machine.memory_bytes == 16000 * 2**20


def test_a_jetson_tells_its_board_release_and_gpu_load_and_leaves_silent_zones_out(tmp_path):
    root = orin_nano(tmp_path / "orin")
    assert temperatures_c(root) == {"cpu-thermal": 51.093}
    assert gpu_load(root) == {"gpu": 0.985}
    machine = this_machine(root)
    assert machine.board == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"
    assert machine.l4t == "36.4.3"
    assert this_machine(thor(tmp_path / "thor")).l4t == "39.2.0"


def test_an_empty_system_tells_nothing(tmp_path):
    told = (temperatures_c, cpu_mhz, gpu_load, meminfo)
    assert [tell(tmp_path) for tell in told] == [{}] * 4
    assert process_memory(tmp_path) is None
    assert this_machine(tmp_path).memory_bytes is None


@pytest.mark.parametrize("text", ["", "# R36\n", "R36 (release), REVISION: 4.3", "nonsense"])
def test_what_is_no_release_is_none(tmp_path, text):
    root = write_tree(tmp_path, {"etc/nv_tegra_release": text})
    assert l4t_release(root) is None
    assert l4t_branch(root) is None


@pytest.mark.parametrize(
    ("release", "branch"), [("36 (release), REVISION: 4.3", "36.4"), ("39 (release), REVISION: 2.0", "39.2")]
)
def test_the_branch_of_a_release_is_major_and_minor(tmp_path, release, branch):
    line = f"# R{release}, GCID: 38968081, BOARD: generic, EABI: aarch64\n# KERNEL: oot\n"
    assert l4t_branch(write_tree(tmp_path, {"etc/nv_tegra_release": line})) == branch


def test_memory_that_is_left_is_what_the_kernel_says(tmp_path):
    root = write_tree(tmp_path, {"proc/meminfo": "MemTotal:  7990272 kB\nMemAvailable:    2048 kB\nCmaFree:  1 kB\n"})
    assert available_bytes(root) == 2048 * 1024
    assert free_contiguous_bytes(root) == 1024
    bare = write_tree(tmp_path / "bare", {"proc/meminfo": "MemTotal:  7990272 kB\n"})
    assert free_contiguous_bytes(bare) is None
    with pytest.raises(EngineError, match=r"meminfo: expected MemAvailable, found none"):
        available_bytes(bare)


def test_memory_of_this_process_is_told_apart_by_what_the_kernel_can_drop(tmp_path):
    memory = process_memory(laptop(tmp_path))
    kib = [size // 1024 for size in (memory.private, memory.anonymous, memory.mapped, memory.peak)]
    assert kib == [70000, 39000, 51000, 95000]
    own = process_memory()
    if own is None:
        pytest.skip("this kernel has no /proc/self/smaps_rollup")
    assert 0 < own.anonymous <= own.resident <= own.peak
    assert own.mapped > 0


def test_sizes_of_memory_are_bytes_and_counts_are_left_out(tmp_path):
    told = meminfo(orin_nano(tmp_path))
    assert told["CmaTotal"] == 256 * 2**20
    assert "HugePages_Total" not in told


@pytest.mark.parametrize(
    ("script", "mode"),
    [
        ("printf 'NV Power Mode: MAXN_SUPER\\n2\\n'", "MAXN_SUPER"),
        ("echo 'NVPM VERB: Current mode: NV Power Mode: 25W'; echo 1", "25W"),
        ("echo 'NVPM ERROR: optMask is 1, no request for power mode' >&2; exit 255", None),
        ("sleep 60", None),
    ],
)
def test_the_power_mode_is_what_nvpmodel_says(programs, script, mode):
    write_program(programs, "nvpmodel", script)
    assert power_mode(timeout_s=0.5) == mode


def test_without_nvpmodel_there_is_no_power_mode(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert power_mode() is None


@pytest.mark.parametrize("end", ["wait", "exit 0"])
def test_a_program_that_hangs_is_killed_with_all_that_it_started(programs, tmp_path, end):
    write_program(programs, "hangs", f"sleep 60 & echo $! > {tmp_path / 'child'}; {end}")
    with pytest.raises(TemporaryError, match=r"hangs did not answer within 0.5 s"):
        ask(["hangs"], timeout_s=0.5)
    child = (tmp_path / "child").read_text().strip()
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.05)
    assert not _runs(child)


def _runs(process):
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_end_of_a_program_is_told_in_words(programs):
    write_program(programs, "says", "echo out; echo first >&2; echo last >&2; exit 3")
    write_program(programs, "silent", "exit 4")
    write_program(programs, "dies", "kill -SEGV $$")
    told = ask(["says"], 5)
    assert (told.code, told.output, told.ending) == (3, "out\n", "last")
    assert [ask([name], 5).ending for name in ("silent", "dies")] == ["exit code 4", "killed by SIGSEGV"]
    with pytest.raises(MissingToolError, match="no-such-program is not installed"):
        ask(["no-such-program"], 5)
