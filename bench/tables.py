"""Markdown tables and durations, as the benchmarks print them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any


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


PACKAGES = (
    "llvmlite", "numpy", "scipy", "sympy", "autograd", "casadi", "heyoka", "jax", "numba",
    "pytensor", "symengine", "torch",
)  # fmt: skip


def environment() -> dict[str, Any]:
    """What was measured on, and with which versions of which packages."""
    versions: dict[str, str] = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {
        "date": str(datetime.now(UTC).date()),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "packages": versions,
    }


def headline() -> str:
    """The same in a sentence or two."""
    return sentence(environment())


def sentence(facts: dict[str, Any]) -> str:
    """An environment in a sentence or two."""
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    return (
        f"{facts['date']}, {facts['cores']} cores ({facts['processor']}), "
        f"Python {facts['python']}; {packages}."
    )


def _processor() -> str:
    """What the processor calls itself, and its widest vectors."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): text.strip() for name, text in facts.items()}
    name = facts.get("model name") or platform.processor() or platform.machine()
    return f"{name}, AVX-512" if "avx512f" in facts.get("flags", "") else name
