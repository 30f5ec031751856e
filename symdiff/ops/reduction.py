"""Reductions other than the sum, and running sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from symdiff.ir import Op, Type, Value, i64
from symdiff.ops.arithmetic import div
from symdiff.ops.comparison import lt, not_, where
from symdiff.ops.define import Masked, define, like, operand_error
from symdiff.ops.structure import (
    batch_reduction,
    broadcast,
    convert,
    normal,
    reduce_sum,
    reduce_type,
    reduction,
    tensor,
)


def _extremum(name: str, function: Any, chosen: Any) -> Op:
    """The largest or smallest element; `chosen(x, y)` says that x is as extreme as y."""

    def shares(out: Value, x: Value) -> tuple[Value, Value]:
        """Where the extremum is attained, and how often."""
        here = chosen(x, broadcast(out, shape=x.type.shape))
        count = reduce_sum(convert(here, dtype=x.type.dtype.name), shape=out.type.shape)
        return here, count

    def pull(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Masked:
        (x,) = args
        here, count = shares(out, x)
        return Masked(broadcast(div(bar, count), shape=x.type.shape), here)

    def push(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
        (x,), (dx,) = args, tangents
        if dx is None:
            return None
        here, count = shares(out, x)
        return div(reduce_sum(where(here, dx, like(dx, 0.0)), shape=out.type.shape), count)

    op = define(
        name,
        type=reduce_type(name, "fi"),
        value=reduction(function),
        vjp=pull,
        jvp=push,
        batch=batch_reduction(lambda: op),
        samples=normal(2, 3, 4),
        attr_samples=(("shape", (3, 1)),),
        note="elements that tie share the derivative; a NaN gives NaN",
        intuition="routes the upstream gradient to the element that was chosen; others get none",
    )
    return op


# "Not less" rather than "equal": where the extremum is a NaN, every element is chosen and the
# derivative is not silently zero.
reduce_max = _extremum("reduce_max", np.max, lambda x, y: not_(lt(x, y)))
reduce_min = _extremum("reduce_min", np.min, lambda x, y: not_(lt(y, x)))


def _position(name: str, function: Any) -> Op:
    def rule(types: tuple[Any, ...], axis: int) -> Type:
        x = tensor(name, types)
        if not 0 <= axis < len(x.shape) or x.shape[axis] == 0 or x.dtype.kind == "b":
            raise operand_error(name, types, f"a tensor of numbers with elements along axis {axis}")
        return Type(i64, x.shape[:axis] + x.shape[axis + 1 :])

    op = define(
        name,
        type=rule,
        value=lambda x, axis: np.asarray(function(x, axis), np.int64),
        batch=lambda args, batched, size, axis: op(args[0], axis=axis + 1),
        samples=normal(2, 3, 4),
        attr_samples=(("axis", 1),),
        note="the first one where several tie; the first NaN where there is one",
        intuition="a position: nothing flows back through it",
    )
    return op


argmax = _position("argmax", np.argmax)
argmin = _position("argmin", np.argmin)


def _cumsum_type(types: tuple[Any, ...], axis: int, reverse: bool) -> Type:
    x = tensor("cumsum", types)
    if not 0 <= axis < len(x.shape) or x.dtype.kind == "b":
        raise operand_error("cumsum", types, f"a tensor of numbers with an axis {axis}")
    return x


def _cumsum_value(x: Any, axis: int, reverse: bool) -> Any:
    x = np.flip(x, axis) if reverse else np.asarray(x)
    total = np.cumsum(x, axis, dtype=x.dtype)
    return np.flip(total, axis) if reverse else total


def _cumsum_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    (dx,) = tangents
    return dx and cumsum(dx, axis=out.attr("axis"), reverse=out.attr("reverse"))


cumsum = define(
    "cumsum",
    type=_cumsum_type,
    value=_cumsum_value,
    vjp=lambda i, bar, out, args: cumsum(
        bar, axis=out.attr("axis"), reverse=not out.attr("reverse")
    ),
    jvp=_cumsum_jvp,
    batch=lambda args, batched, size, axis, reverse: cumsum(
        args[0], axis=axis + 1, reverse=reverse
    ),
    samples=normal(2, 3, 4),
    attr_samples=(("axis", 1), ("reverse", False)),
    intuition="distributes: each summand gets the sum of what comes to all partial sums that "
    "it is in",
)
