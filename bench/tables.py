"""Markdown tables and durations, as the benchmarks print them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The table with its columns padded; the first is set left, the others right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(header))]
    marks = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    lines.insert(1, marks)
    padded = (
        [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        for line in lines
    )
    return "\n".join(f"| {' | '.join(cells)} |" for cells in padded)


def duration(seconds: float) -> str:
    """Three digits and a unit: `51.2 ns`, `13.4 ms`, `1.02 s`."""
    for unit, size in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        number = seconds / size
        if number < 999.5:
            return f"{number:.0f} {unit}" if number >= 99.95 else f"{number:.3g} {unit}"
    return f"{seconds:.3g} s"


def machine() -> str:
    """What was measured on: cores, architecture, Python's version, and the date."""
    cores = os.cpu_count() or 1
    today = datetime.now(UTC).date()
    return f"{cores}-core {platform.machine()}, Python {platform.python_version()}, {today}"
