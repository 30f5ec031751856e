"""Local gradients: the derivative of one operation with respect to each of its operands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from symdiff import autodiff, ir
from symdiff.errors import DifferentiationError
from symdiff.graph.evaluation import Evaluation

MOST_ENTRIES: Final = 1024  # of the Jacobian of an array operation that is computed


class _Pullback(NamedTuple):
    """A function of the operands and a cotangent of the result; where what it gives stands."""

    function: ir.Function
    positions: tuple[int, ...]


def local_gradients(
    core: ir.Value,
    index: int | None,
    operands: Sequence[Any],
    wanted: Sequence[int],
    evaluation: Evaluation,
) -> dict[int, Any]:
    """The derivative of an operation by each of the `wanted` operands, at numbers.

    A number for scalars; an array of the shape of the result and then of the operand, where it
    has few entries. `index` is the element of the result that counts, for one that is a tuple.
    What has no derivative is left out, and so are the elements of a tuple, which have many.
    """
    types = tuple([a.type for a in core.args])
    if any(isinstance(type, ir.TupleType) for type in types):
        return {}
    rule = _pullback(core.op, core.attrs, types, index)
    if rule is None:
        return {}
    out = rule.function.params[-1].type
    found: dict[int, Any] = {}
    sizes = {i: out.size * core.args[i].type.size for i in wanted if i in rule.positions}
    kept = [i for i, size in sizes.items() if size <= MOST_ENTRIES]
    if not kept:
        return found
    arrays = [np.asarray(o, a.type.dtype.numpy) for o, a in zip(operands, core.args, strict=True)]
    units = np.eye(out.size, dtype=out.dtype.numpy).reshape((out.size, *out.shape))
    function = rule.function
    rows = [
        evaluation.evaluate(
            function.outputs[1:], dict(zip(function.params, [*arrays, unit], strict=True))
        )
        for unit in units
    ]
    for i in kept:
        at = rule.positions.index(i)
        shape = (*out.shape, *core.args[i].type.shape)
        found[i] = np.array([row[at] for row in rows]).reshape(shape)
    return found


@lru_cache(maxsize=1024)
def _pullback(
    op: ir.Op, attrs: ir.Attrs, types: tuple[ir.Type, ...], index: int | None
) -> _Pullback | None:
    """The rule of the op table for one operation alone; None if it has none."""
    graph = ir.Graph()
    params = [graph.param(f"operand {i}", type) for i, type in enumerate(types)]
    out = graph.add(op, tuple(params), attrs)
    if index is not None:
        out = graph.add(ir.ITEM, (out,), (("index", index),))
    positions = tuple([i for i, type in enumerate(types) if type.dtype.kind == "f"])
    if out.type.dtype.kind != "f" or not positions:
        return None
    try:
        rule = autodiff.vjp(ir.Function("local", tuple(params), (out,)), positions, bare=False)
    except DifferentiationError:
        return None
    return _Pullback(rule, positions)
