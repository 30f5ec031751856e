"""A function in arbitrary precision: what the mathematics says, digits to spare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.ir.graph import CONST, ITEM, Function, Value
from symdiff.ir.op import Op
from symdiff.ir.types import TupleType, Type


def evaluate_exactly(fn: Function, args: Sequence[Any], mp: Any) -> list[Any]:
    """The outputs of `fn` at `args` (numbers and arrays), in the arithmetic of the mpmath context
    `mp`: its numbers, and object arrays of them.

    Constants stand for the binary numbers that they are. Integers and Booleans stay what they are
    in NumPy.

    Raises:
        UnsupportedError: an operation has no reference in mpmath.
    """
    env: dict[Value, Any] = {
        p: _exactly(a, p.type, mp) for p, a in zip(fn.params, args, strict=True)
    }
    for value in fn.live():
        if value not in env:
            env[value] = _evaluate(value, [env[a] for a in value.args], mp)
    return [env[v] for v in fn.outputs]


def _exactly(given: Any, type: Type, mp: Any) -> Any:
    """A number, or an array of numbers, as values of `type` are represented here."""
    if not type.shape:
        number = cast("Any", given).item() if isinstance(given, (np.ndarray, np.generic)) else given
        return mp.mpf(number) if type.dtype.kind == "f" else number
    if type.dtype.kind != "f":
        return np.asarray(given, type.dtype.numpy)
    elements: Any = np.broadcast_to(np.asarray(given), type.shape).reshape(-1)
    return _array([mp.mpf(number) for number in elements.tolist()], type)


def _evaluate(value: Value, operands: list[Any], mp: Any) -> Any:
    op = value.op
    if op is CONST and value.literal is not None:
        return _exactly(value.literal.array, value.literal.type, mp)
    if op is ITEM:
        return operands[0][value.attr("index")]
    attrs = dict(value.attrs)
    if op.elementwise:
        return _mapped(_reference(op, attrs, mp), operands, value.type)
    if op.exact is not None:
        return op.exact(mp, *operands, **attrs)
    # It moves, compares and adds elements, which NumPy does with objects as well.
    result: Any = np.asarray(op.value(*operands, **attrs))
    kind = value.type.dtype.kind
    if (kind == "f") != (result.dtype == object) and result.size:
        raise UnsupportedError(f"{op.name} has no reference in arbitrary precision")
    return result if result.ndim else result.item()


def _reference(op: Op, attrs: dict[str, Any], mp: Any) -> Callable[..., Any]:
    """The operation on single numbers."""
    exact = op.exact
    if exact is not None:
        return lambda *numbers: exact(mp, *numbers, **attrs)
    function = getattr(mp, op.name, None)
    if function is None:
        raise UnsupportedError(f"{op.name} has no reference in arbitrary precision")
    return function


def _mapped(function: Callable[..., Any], operands: list[Any], type: Type | TupleType) -> Any:
    """The results of `function` for each element of the operands, which have one shape."""
    shape = _element(type).shape
    if not shape:
        return _settled(function(*operands), type)
    flat = [np.asarray(o).reshape(-1).tolist() for o in operands]
    results = [_settled(function(*numbers), type) for numbers in zip(*flat, strict=True)]
    if isinstance(type, TupleType):
        parts = zip(type.elements, zip(*results, strict=True), strict=True)
        return tuple([_array(part, t) for t, part in parts])
    return _array(results, type)


def _element(type: Type | TupleType) -> Type:
    return type.elements[0] if isinstance(type, TupleType) else type


def _settled(result: Any, type: Type | TupleType) -> Any:
    """A result as a number of the kind that its type says."""
    kind = _element(type).dtype.kind
    return int(result) if kind == "i" else bool(result) if kind == "b" else result


def _array(numbers: Sequence[Any], type: Type) -> Any:
    made: Any = np.empty(type.shape, object if type.dtype.kind == "f" else type.dtype.numpy)
    made.reshape(-1)[:] = numbers
    return made
