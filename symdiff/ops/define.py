"""How entries of the op table are written: the helpers, and what follows from partials."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ir import BOOL, CONST, F64, ITEM, PARAM, Notation, Op, Type, Value

# Binding powers in formulas, those of Python's grammar.
OR, AND, NOT, COMPARE, SUM, PRODUCT, UNARY, POWER, ATOM = 20, 30, 40, 50, 60, 70, 80, 90, 100

Partial = Callable[..., Any]
Samples = Callable[..., tuple[Any, ...]]


class Masked(NamedTuple):
    """A cotangent that counts only where `mask` holds, whatever `value` is elsewhere.

    Reverse mode multiplies `value` on through the graph and selects at the end, so that
    `0 * inf` on a branch not taken never becomes a NaN.
    """

    value: Value
    mask: Value | None


OPS: Final[dict[str, Op]] = {"const": CONST, "param": PARAM, "item": ITEM}


def define(name: str, /, **entry: Any) -> Op:
    """A new operation in the table. The arguments are the fields of `Op`."""
    if name in OPS:
        raise ValueError(f"operation {name!r} is defined twice")
    OPS[name] = op = Op(name, **entry)
    return op


def elementwise(
    name: str,
    /,
    *,
    value: Callable[..., Any],
    partials: tuple[Partial | None, ...],
    samples: Samples,
    vjp: tuple[Partial | None, ...] | None = None,
    jvp: Callable[..., Any] | None = None,
    result: Callable[..., Any] | None = None,
    **entry: Any,
) -> Op:
    """An operation on each element alone. Type, vjp and jvp follow from the partial derivatives.

    `partials` has one rule per operand, `rule(out, *args)`, or None where the derivative is zero
    wherever it exists. `vjp` overrides what follows from them: `rule(bar, out, *args)` each.
    """
    pullbacks = vjp or tuple(_pullback(p) for p in partials)

    def pull(i: int, bar: Value, out: Value, args: tuple[Value, ...]) -> Any:
        rule = pullbacks[i]
        return None if rule is None else rule(bar, out, *args)

    def push(
        tangents: tuple[Value | None, ...], out: Value, args: tuple[Value, ...]
    ) -> Value | None:
        total: Value | None = None
        for partial, tangent in zip(partials, tangents, strict=True):
            if partial is not None and tangent is not None:
                term = OPS["mul"](partial(out, *args), tangent)
                total = term if total is None else OPS["add"](total, term)
        return total

    return define(
        name,
        type=result or _same_type(name, "fi" if entry.get("integers") else "f"),
        value=value,
        vjp=pull,
        jvp=jvp or push,
        samples=samples,
        elementwise=True,
        arity=len(partials),
        **entry,
    )


def _pullback(partial: Partial | None) -> Partial | None:
    if partial is None:
        return None
    return lambda bar, out, *args: OPS["mul"](bar, partial(out, *args))


def _same_type(name: str, kinds: str) -> Callable[..., Any]:
    """The type rule of arithmetic: all operands have one type of `kinds`, and so has the result."""
    expected = "operands that are numbers" if kinds == "fi" else "floating-point operands"

    def rule(types: tuple[Any, ...], **_: Any) -> Any:
        first = types[0]
        for other in types:
            if other is not first and other != first:
                raise operand_error(name, types, "operands of one type")
        if first is not F64 and (not isinstance(first, Type) or first.dtype.kind not in kinds):
            raise operand_error(name, types, expected)
        return first

    return rule


def comparison_type(name: str) -> Callable[..., Any]:
    """The type rule of comparisons: two operands of one type, Boolean out."""

    def rule(types: tuple[Any, ...]) -> Any:
        if types[0] != types[1] or not isinstance(types[0], Type):
            raise operand_error(name, types, "two operands of one type")
        return BOOL.with_shape(types[0].shape)

    return rule


def logical_type(name: str) -> Callable[..., Any]:
    """The type rule of logic: Boolean in, Boolean out."""

    def rule(types: tuple[Any, ...]) -> Any:
        if any(t != types[0] for t in types) or not _is_bool(types[0]):
            raise operand_error(name, types, "Boolean operands of one shape")
        return types[0]

    return rule


def _is_bool(type: Any) -> bool:
    return isinstance(type, Type) and type.dtype is BOOL.dtype


def operand_error(name: str, types: tuple[Any, ...], expected: str) -> ShapeError:
    """The error for operands that do not fit, naming the operation and their types."""
    return ShapeError(f"{name}: expected {expected}, got {', '.join(map(str, types))}")


# Notation.


def infix(symbol: str, precedence: int, latex: str | None = None, right: int = 1) -> Notation:
    """`a symbol b`; the right operand must bind tighter by `right`."""
    spaced = f"{{}} {symbol} {{}}"
    return Notation(
        spaced, f"{{}} {latex or symbol} {{}}", precedence, (precedence, precedence + right)
    )


def call(name: str, latex: str, arity: int = 1) -> Notation:
    """`name(a, b)` in text; `latex` applied to parenthesised operands."""
    slots = ", ".join(["{}"] * arity)
    return Notation(f"{name}({slots})", rf"{latex}\left({slots}\right)")


# Sample points.


def uniform(low: float, high: float, count: int = 1) -> Samples:
    """`count` operands drawn evenly from [low, high)."""
    return lambda rng, n: tuple(rng.uniform(low, high, n) for _ in range(count))


def each(*ranges: tuple[float, float]) -> Samples:
    """One operand per range."""
    return lambda rng, n: tuple(rng.uniform(low, high, n) for low, high in ranges)


def signed(low: float, high: float) -> Samples:
    """One operand with magnitude in [low, high) and either sign."""
    return lambda rng, n: (rng.uniform(low, high, n) * rng.choice([-1.0, 1.0], n),)


def booleans(count: int) -> Samples:
    """Boolean operands."""
    return lambda rng, n: tuple(rng.integers(0, 2, n).astype(bool) for _ in range(count))


def scipy_special(name: str) -> Callable[..., Any]:
    """A function of `scipy.special`, loaded when it is first called."""

    def value(*operands: Any) -> Any:
        result = getattr(import_module("scipy.special"), name)(*operands)
        return np.asarray(result, np.result_type(*operands))

    return value


def like(x: Value, number: float) -> Value:
    """The constant `number` with the type of `x`."""
    return x.graph.const(number, x.type)
