"""What a command says on stderr."""

from __future__ import annotations


def one_line(stderr: str) -> str:
    """Return its last line, which is the program's own and no traceback's."""
    assert "Traceback" not in stderr
    assert stderr.startswith("pigeon-edge: ")
    return stderr.strip().splitlines()[-1]
