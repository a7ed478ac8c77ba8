"""How measurements are compared and shown."""

from __future__ import annotations

import pytest
from tests.bench import timing
from tests.bench.table import Table

TABLE = Table("Title", "A note.", ("way", "batch", "ms"), (("slow", 1, 1234.5), ("quick one", 8, 0.12345)))


def test_markdown_is_aligned_words_left_numbers_right():
    assert TABLE.to_markdown().splitlines() == [
        "## Title",
        "",
        "A note.",
        "",
        "| way       | batch |    ms |",
        "| --------- | ----: | ----: |",
        "| slow      |     1 | 1,234 |",
        "| quick one |     8 | 0.123 |",
    ]


def test_json_keeps_unrounded_numbers_by_column():
    assert TABLE.to_json()["rows"][1] == {"way": "quick one", "batch": 8, "ms": 0.12345}


@pytest.fixture
def clock(monkeypatch):
    """Return a clock that only the ways themselves advance."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    return clock


def test_ratio_is_taken_within_a_round(clock):
    """A machine that slows down for everyone leaves the ratio alone."""
    calls = []

    def way(name, seconds):
        def run():
            calls.append(name)
            clock.now += seconds * (1 + len(calls) // 4)

        return run

    found = timing.compare({"old": way("old", 6.0), "new": way("new", 2.0)}, "old", 5)
    assert found["old"].ratio == 1.0
    assert found["new"].ratio == pytest.approx(3.0)
    assert calls[4:] == ["old", "new"] * 5


def test_seconds_are_those_of_one_call_of_the_median_round(clock):
    def way():
        clock.now += 0.001

    assert timing.compare({"a": way}, "a", 3)["a"].seconds == pytest.approx(0.001)


def test_every_table_can_be_imported():
    from tests.bench.__main__ import _measures

    measures = _measures()
    assert len(set(measures.values())) == len(measures) >= 10


def test_a_table_that_is_none_is_refused_with_those_there_are(monkeypatch, capsys):
    from tests.bench.__main__ import main

    monkeypatch.setattr("sys.argv", ["bench", "encoders", "nonsense"])
    with pytest.raises(SystemExit):
        main()
    assert "found nonsense" in capsys.readouterr().err
