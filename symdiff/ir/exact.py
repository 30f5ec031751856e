"""A function in arbitrary precision: what the mathematics says, digits to spare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symdiff.errors import UnsupportedError
from symdiff.ir.graph import CONST, ITEM, Function, Value


def evaluate_exactly(fn: Function, args: Sequence[Any], mp: Any) -> list[Any]:
    """The outputs of `fn` at `args` (numbers), in the arithmetic of the mpmath context `mp`.

    Constants stand for the binary numbers that they are.

    Raises:
        UnsupportedError: an operation has no reference in mpmath, or has axes.
    """
    env: dict[Value, Any] = {p: mp.mpf(a) for p, a in zip(fn.params, args, strict=True)}
    for value in fn.live():
        if value not in env:
            env[value] = _evaluate(value, [env[a] for a in value.args], mp)
    return [env[v] for v in fn.outputs]


def _evaluate(value: Value, operands: list[Any], mp: Any) -> Any:
    op = value.op
    if op is CONST:
        number = value.literal.scalar if value.literal else None
        if number is None or value.type.shape:
            raise UnsupportedError("exact evaluation is for scalars")
        return number if isinstance(number, bool) else mp.mpf(number)
    if op is ITEM:
        return operands[0][value.attr("index")]
    if op.exact is not None:
        return op.exact(mp, *operands, **dict(value.attrs))
    reference = getattr(mp, op.name, None)
    if reference is None:
        raise UnsupportedError(f"{op.name} has no reference in arbitrary precision")
    return reference(*operands)
