"""How large gradients are at every node: where they vanish, and where they explode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from symdiff.graph import Node
from symdiff.graph.norm import norm, parts

VANISHING: Final = 1e-6
EXPLODING: Final = 1e6


@dataclass(frozen=True, slots=True)
class Magnitude:
    """The size of a value and of its gradient.

    Attributes:
        node: the node.
        value, gradient: Euclidean norms.
        ratio: the largest entry of the gradient, as a part of the largest at the outputs.
        verdict: "vanishing" for a ratio below 1e-6, "exploding" for one above 1e6, "zero" if all
            entries are, else ""; what is not finite is among the findings.
    """

    node: Node
    value: float
    gradient: float
    ratio: float
    verdict: str


def magnitudes(nodes: Sequence[Node]) -> list[Magnitude]:
    """Those of all nodes that have a gradient, in topological order."""
    outputs = [node.gradient for node in nodes if node.is_output and node.gradient is not None]
    scale = max(map(_largest, outputs), default=0.0)
    found: list[Magnitude] = []
    for node in nodes:
        if node.gradient is None:
            continue
        largest = _largest(node.gradient)
        ratio = largest / scale if scale else largest
        sizes = norm(node.value), norm(node.gradient)
        found.append(Magnitude(node, *sizes, ratio, _verdict(ratio)))
    return found


def _verdict(ratio: float) -> str:
    if not ratio:
        return "zero"
    if not np.isfinite(ratio):
        return ""
    if ratio < VANISHING:
        return "vanishing"
    return "exploding" if ratio > EXPLODING else ""


def _largest(value: Any) -> float:
    if isinstance(value, float):  # as most are, and NumPy takes ten times as long
        return abs(value)
    return max((float(np.max(np.abs(n), initial=0.0)) for n in parts(value)), default=0.0)
