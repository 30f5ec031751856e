"""Reverse mode: cotangents from the outputs back to the parameters, in one sweep.

Griewank and Walther, "Evaluating Derivatives" (2008), chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.errors import DifferentiationError
from symdiff.ir import Graph, Value
from symdiff.ops import Masked, add, and_, like, or_, where


def backpropagate(
    graph: Graph,
    outputs: Sequence[Value],
    cotangents: Sequence[Value],
    wrt: Sequence[Value],
) -> list[Value]:
    """The cotangent of each value in `wrt`, given those of `outputs`, built in `graph`.

    A value that the outputs do not depend on gets zero.

    Raises:
        DifferentiationError: an operation on the way has no derivative rule.
    """
    active = _dependents(graph, wrt)
    pending: dict[Value, Masked] = {}
    for output, bar in zip(outputs, cotangents, strict=True):
        if output in active:
            _accumulate(pending, output, Masked(bar, None))
    stop = min((v.index for v in wrt), default=0)
    top = max((v.index for v in pending), default=-1)
    done: dict[Value, Masked] = {}
    for index in range(top, stop - 1, -1):
        value = graph.values[index]
        bar = pending.pop(value, None)
        if bar is None:
            continue
        done[value] = bar
        if value.args:
            _pull(graph, value, bar, active, pending)
    graph.location = None
    return [_selected(done[v]) if v in done else like(v, 0.0) for v in wrt]


def _pull(
    graph: Graph, value: Value, bar: Masked, active: set[Value], pending: dict[Value, Masked]
) -> None:
    """Pass the cotangent of `value` on to those operands that matter."""
    graph.location = value.location
    if not value.op.elementwise and bar.mask is not None:
        bar = Masked(_selected(bar), None)  # a mask travels along elementwise operations only
    for i, arg in enumerate(value.args):
        if arg not in active:
            continue
        if value.op.vjp is None:
            raise DifferentiationError(f"{value.op.name} has no derivative rule for reverse mode")
        share = value.op.vjp(i, bar.value, value, value.args)
        if share is None:
            continue
        if not isinstance(share, Masked):
            share = Masked(share, None)
        _accumulate(pending, arg, Masked(share.value, _both(bar.mask, share.mask)))


def _accumulate(pending: dict[Value, Masked], value: Value, share: Masked) -> None:
    # Sum cotangents in operand order: float addition does not associate,
    # and kernels must be reproducible from one run to the next.
    held = pending.get(value)
    if held is None:
        pending[value] = share
    elif held.mask is share.mask:
        pending[value] = Masked(add(held.value, share.value), held.mask)
    else:
        total = add(_selected(held), _selected(share))
        either = held.mask and share.mask and or_(held.mask, share.mask)
        pending[value] = Masked(total, either)


def _both(first: Value | None, second: Value | None) -> Value | None:
    if first is None or second is None or first is second:
        return first or second
    return and_(first, second)


def _selected(bar: Masked) -> Value:
    """The cotangent with its mask applied: zero where it does not count."""
    return bar.value if bar.mask is None else where(bar.mask, bar.value, like(bar.value, 0.0))


def _dependents(graph: Graph, roots: Sequence[Value]) -> set[Value]:
    """The values of `graph` through which a derivative with respect to `roots` runs."""
    found = set(roots)
    for value in graph.values[min((v.index for v in roots), default=0) :]:
        if any(a in found for a in value.args) and _carries_derivative(value):
            found.add(value)
    return found


def _carries_derivative(value: Value) -> bool:
    elements = getattr(value.type, "elements", (value.type,))
    return any(t.dtype.kind == "f" for t in elements)
