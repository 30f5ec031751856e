"""Kernels in notebooks: a short table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from symdiff.runtime.program import Operand, Program


def table_of(program: Program, code_size: int) -> str:
    """Name, parameters, outputs, operations, code, lanes and stages, as HTML."""
    cost = program.texts["cost"]()
    lanes = program.texts["lanes"]()
    rows = [
        ("parameters", _operands(program.params)),
        ("outputs", _operands(program.outputs)),
        ("operations of the value", _counts(cost.value)),
        ("with derivatives", f"{_counts(cost.value_and_grad)}; {cost.ratio:.1f} times as many"),
        ("machine code", f"{code_size} bytes"),
        ("a batch", f"{lanes} points at once" if lanes > 1 else "one point after the other"),
        ("compiled in", _stages(program.stages)),
    ]
    if cost.value == cost.value_and_grad:
        rows[2:4] = [("operations", _counts(cost.value))]
    lines = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(text)}</td></tr>'
        for name, text in rows
    )
    caption = f'<caption style="text-align:left"><b>{escape(program.name)}</b></caption>'
    return f"<table>{caption}{lines}</table>"


def _operands(operands: Sequence[Operand]) -> str:
    shown = [f"{o.name}: {o.dtype}{list(o.shape) if o.shape else ''}" for o in operands[:12]]
    more = len(operands) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") or "none"


def _counts(counts: Any) -> str:
    kinds = ", ".join(f"{n} {name}" for name, n in sorted(counts.items()))
    return f"{counts.total} ({kinds})" if kinds else "none"


def _stages(stages: Mapping[str, float]) -> str:
    parts = ", ".join(f"{name} {1e3 * seconds:.1f}" for name, seconds in stages.items())
    return f"{1e3 * sum(stages.values()):.1f} ms ({parts})"
