"""Dead ReLUs: elements at which max(x, 0), in whatever way it is written, is flat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff import ir, ops
from symdiff.debugging.findings import called
from symdiff.graph import Node


@dataclass(frozen=True, slots=True)
class Relu:
    """A rectifier, and how much of it lets no gradient through.

    Attributes:
        node: the operation.
        elements, dead: how many elements it has, and at how many its derivative is 0.
        units, dead_units: with a batch in front, how many units the last axis has, and how many of
            them are flat at every point of the batch; 0 without one.
    """

    node: Node
    elements: int
    dead: int
    units: int = 0
    dead_units: int = 0

    @property
    def fraction(self) -> float:
        """The part of the elements at which the derivative is 0."""
        return self.dead / max(1, self.elements)

    def __str__(self) -> str:
        place = self.node.place
        where = "" if place is None else f", {place}"
        line = f"{called(self.node)}{where}: {self.dead} of {self.elements} elements are flat"
        if self.units:
            line += f"; {self.dead_units} of {self.units} units are, for the whole batch"
        return line


def relus(nodes: Sequence[Node]) -> list[Relu]:
    """The rectifiers among the nodes, which have values: `max(x, 0)`, and `where(x > 0, x, 0)`
    with the condition and the branches written either way."""
    found: list[Relu] = []
    for node in nodes:
        flat = _flat(node)
        if flat is None:
            continue
        units = flat.all(axis=tuple(range(flat.ndim - 1))) if flat.ndim > 1 else np.zeros(0, bool)
        found.append(Relu(node, flat.size, int(flat.sum()), units.size, int(units.sum())))
    return found


def _flat(node: Node) -> Any:
    """Where a rectifier has the derivative 0; None if `node` is none."""
    core = node.core
    if core.op is ops.max:
        operands = [n for n, a in zip(node.inputs, core.args, strict=True) if not _is_zero(a)]
        return np.asarray(operands[0].value) < 0 if len(operands) == 1 else None
    if core.op is not ops.where:
        return None
    condition, taken, other = core.args
    if _is_zero(taken) == _is_zero(other) or condition.op not in (ops.lt, ops.le):
        return None
    kept = other if _is_zero(taken) else taken
    lesser, greater = condition.args
    if not (lesser is kept and _is_zero(greater)) and not (greater is kept and _is_zero(lesser)):
        return None
    # A rectifier keeps what is positive: where(x < 0, 0, x), not where(x < 0, x, 0).
    if (greater is kept) != (kept is taken):
        return None
    holds = np.asarray(node.inputs[0].value)
    return ~holds if kept is taken else holds


def _is_zero(value: ir.Value) -> bool:
    return value.literal is not None and value.literal.scalar == 0.0
