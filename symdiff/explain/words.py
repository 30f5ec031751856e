"""Figures in words, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from symdiff.explain.explanation import Explanation

STAGES: Final = {
    "parse": "reading the formula",
    "autodiff": "differentiation",
    "passes": "passes",
    "lowering": "layout of the code",
    "lower": "LLVM text",
    "llvm": "LLVM to machine code",
    "load": "loading",
}


def duration(seconds: float) -> str:
    """A time with three digits: 1.23 ms."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def facts(e: Explanation) -> list[tuple[str, str]]:
    """Names and figures: operations, memory, vectors, calls."""
    served, machine = e.served, e.machine
    total = served.value.total + served.derivative.total + served.both.total
    alone = e.value_cost.total
    rows = [("operations", f"{total} ({listed(_summed(e))})")]
    if e.output != "value":
        ratio = f", {total / alone:.1f} times as many in all" if alone else ""
        rows.append(("of the value alone", f"{alone} ({listed(e.value_cost)}){ratio}"))
        rows.append(("shared", f"{served.both.total} ({listed(served.both)})"))
    rows.append(("machine code", f"{e.code_size} bytes"))
    rows.append(("scratch memory", f"{machine.workspace} bytes a point"))
    rows.append(("library calls", listed(machine.calls, "none for one point")))
    if machine.lanes > 1:
        functions = ", ".join(machine.vector_calls)
        more = f"; {functions} as functions of vectors" if functions else ""
        rows.append(("a batch", f"{machine.lanes} points at once{more}"))
    if machine.widths:
        size = 4 if e.options["dtype"] in ("float32", "f32") else 8
        widths = [f"{count} on {width // size} numbers" for width, count in machine.widths.items()]
        rows.append(("vector instructions", ", ".join(widths)))
    return rows


def _summed(e: Explanation) -> dict[str, int]:
    found: dict[str, int] = {}
    for count in (e.served.value, e.served.derivative, e.served.both):
        for name, number in count.items():
            found[name] = found.get(name, 0) + number
    return found


def listed(counts: Mapping[str, int], nothing: str = "none") -> str:
    """Counts by name: `2 mul, sin`."""
    return ", ".join(f"{n} {name}" for name, n in sorted(counts.items())) or nothing
