"""Operations on arrays as formulas have them: what is printed, in text and in LaTeX.

Text follows NumPy. Broadcasting is silent where an operation on elements does it anyway, and what
reduces or selects along axes swallows the reshape that drops them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from symdiff.codegen.source import ATOM, PRODUCT
from symdiff.errors import UnsupportedError
from symdiff.ir import Function, Op, Value
from symdiff.ops import (
    argmax,
    argmin,
    broadcast,
    concatenate,
    contract,
    cumsum,
    embed,
    gather,
    reduce_max,
    reduce_min,
    reduce_sum,
    reshape,
    slice_,
    transpose,
)

_REDUCTIONS: Final = {reduce_sum: "sum", reduce_max: "max", reduce_min: "min"}
_SIGNS: Final = {reduce_sum: r"\sum", reduce_max: r"\max", reduce_min: r"\min"}


class Shown(NamedTuple):
    """How an operation on arrays is written: templates for text and LaTeX, with `{}` for operands.

    `precedence` is that of both; `needed` is what every operand must have without parentheses.
    """

    text: str
    latex: str
    precedence: int = ATOM
    needed: tuple[int, ...] = ()


def sources(value: Value) -> tuple[Value, ...]:
    """The values that are printed as operands of `value`."""
    if value.op is reshape and _dropped(value) is not None:
        return value.args[0].args
    if not value.op.elementwise or not getattr(value.type, "shape", ()):
        return value.args
    bare = tuple(map(_before_broadcast, value.args))
    shapes = [() if _is_filled(v) else v.type.shape for v in bare]
    return bare if np.broadcast_shapes(*shapes) == value.type.shape else value.args


def _before_broadcast(value: Value) -> Value:
    while value.op is broadcast:
        (value,) = value.args
    return value


def _is_filled(value: Value) -> bool:
    return value.literal is not None and value.literal.scalar is not None


def loses_shape(user: Value | None, value: Value) -> bool:
    """Whether `value`, a constant that is one number repeated, must be printed with its shape.

    `user` is the operation that it is an operand of; None for an output.
    """
    if not _is_filled(value) or not value.type.shape:
        return False
    return user is None or not user.op.elementwise or sources(user) == user.args != () and all(
        _is_filled(a) or a.op is broadcast for a in user.args
    )


def spread(text: str, latex: str, shape: tuple[int, ...]) -> Shown:
    """One number, or an array, repeated to `shape`."""
    return Shown(
        f"broadcast_to({text}, {shape})",
        _operator(rf"broadcast}}_{{{{{_times(shape)}}}}}", latex),
    )


def shown(value: Value, what: str) -> Shown:
    """How the operation of `value` on its `sources` is written.

    Raises:
        UnsupportedError: `what`, a formula or LaTeX, has no notation for it.
    """
    rule = _RULES.get(value.op) or _RULES_BY_NAME.get(value.op.name)
    found = rule(value) if rule else None
    if found is None:
        raise UnsupportedError(f"{value.op.name} of type {value.type}: {what} has no notation for it")
    return found


# One rule for each operation.


def _broadcast(value: Value) -> Shown:
    return spread("{}", "{}", value.type.shape)


def _reduction(value: Value) -> Shown:
    kept = value.type.shape
    source = value.args[0].type.shape
    axes = _gone(source, kept)
    if len(axes) == len(source) and not kept:
        return _reduced(value.op, axes, "")
    if len(kept) == len(source):
        return _reduced(value.op, axes, ", keepdims=True")
    if not any(n == 1 and source[i - len(kept)] != 1 for i, n in enumerate(kept)):
        return _reduced(value.op, axes, "")
    inner = _reduced(value.op, axes, "")
    return Shown(f"reshape({inner.text}, {kept})", inner.latex, inner.precedence, inner.needed)


def _gone(source: Sequence[int], kept: Sequence[int]) -> tuple[int, ...]:
    """The axes along which a reduction runs."""
    lead = len(source) - len(kept)
    return (*range(lead), *(lead + i for i, n in enumerate(kept) if n != source[lead + i]))


def _reduced(op: Op, axes: tuple[int, ...], keep: str) -> Shown:
    rank = f", axis={axes[0] if len(axes) == 1 else axes}" if axes else ""
    whole = rank == "" or (not keep and False)
    return Shown(
        f"{_REDUCTIONS[op]}({{}}{'' if whole else rank}{keep})",
        rf"{_SIGNS[op]}_{{{{{','.join(map(str, axes))}}}}} \left({{}}\right)",
    )
