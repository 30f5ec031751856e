"""Forward mode: tangents from the parameters to the outputs, operation by operation.

Griewank and Walther, "Evaluating Derivatives" (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.errors import DifferentiationError
from symdiff.ir import Graph, Value, live
from symdiff.ops import like


def push_forward(
    graph: Graph, outputs: Sequence[Value], tangents: Mapping[Value, Value]
) -> list[Value]:
    """The tangent of each output, given those of some values, built in `graph`.

    Raises:
        DifferentiationError: an operation on the way has no derivative rule.
    """
    known: dict[Value, Value | None] = dict(tangents)
    for value in live(outputs):
        if value in known or not value.args:
            continue
        incoming = tuple(known.get(a) for a in value.args)
        if all(t is None for t in incoming):
            continue
        if value.op.jvp is None:
            raise DifferentiationError(f"{value.op.name} has no derivative rule for forward mode")
        graph.location = value.location
        known[value] = value.op.jvp(incoming, value, value.args)
    graph.location = None
    found = [known.get(v) for v in outputs]
    return [like(v, 0.0) if t is None else t for v, t in zip(outputs, found, strict=True)]
