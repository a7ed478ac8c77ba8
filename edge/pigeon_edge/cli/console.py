"""Talking to people: on stderr, in plain lines, with a progress bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

ItemT = TypeVar("ItemT")


def say(line: str) -> None:
    """Print one line on stderr."""
    print(line, file=sys.stderr, flush=True)


def progress(items: Iterable[ItemT], total: int, unit: str) -> Iterator[ItemT]:
    """Pass items through; on a terminal, draw a bar with rate and time left on stderr (``NO_COLOR`` is honoured)."""
    from rich.console import Console  # only long jobs draw bars
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(unit, total=total, rate="")
        for item in items:
            yield item
            bar.advance(task)
            speed = bar.tasks[0].speed
            bar.update(task, rate=f"{speed:.0f}/s" if speed else "")


@contextmanager
def fraction_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """Yield what takes a fraction (0..1) and what is going on; on a terminal, draw them on stderr."""
    from rich.console import Console  # only long jobs draw bars
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[phase]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=1.0, phase="")

        def report(fraction: float, phase: str) -> None:
            bar.update(task, completed=fraction, phase=phase)

        yield report
