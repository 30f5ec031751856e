"""Functions that operations express, and the names under which the front ends find everything."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, Literal

from symdiff.ir import Op, Value
from symdiff.ops import arithmetic, comparison, control, rounding, special, transcendental
from symdiff.ops.arithmetic import add, div, mul, sign, sub
from symdiff.ops.comparison import eq, le, lt, ne, where
from symdiff.ops.define import OPS, like
from symdiff.ops.special import digamma, gamma, lgamma, polygamma
from symdiff.ops.transcendental import cos, cosh, exp, hypot, log, sin, sinh, tan, tanh

Conditions = tuple[int, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class NamedFunction:
    """A function that formulas may call: `build(*operands)`, with `least` to `most` operands.

    `conditions` are the positions of operands that are conditions rather than numbers, or "all".
    """

    name: str
    build: Callable[..., Value]
    least: int
    most: float
    conditions: Conditions = ()

    def takes_condition(self, position: int) -> bool:
        """Whether the operand at `position` is a condition rather than a number."""
        return self.conditions == "all" or position in self.conditions

    @property
    def expects(self) -> str:
        """The number of operands in words: `1 argument`, `2 to 3 arguments`."""
        if self.most == self.least:
            return f"{self.least} argument{'s' * (self.least != 1)}"
        return f"{self.least} or more arguments" if math.isinf(self.most) else (
            f"{self.least} to {int(self.most)} arguments"
        )  # fmt: skip


FUNCTIONS: Final[dict[str, NamedFunction]] = {}
# All that have elementwise operations: these are in the table when they get their names here.
FAMILIES: Final = (arithmetic, comparison, control, rounding, special, transcendental)


def function(
    *names: str, least: int = 1, most: float | None = None, conditions: Conditions = ()
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Register a builder under its own name and `names`."""

    def register(build: Callable[..., Value]) -> Callable[..., Value]:
        entry = NamedFunction(
            build.__name__, build, least, least if most is None else most, conditions
        )
        _enter(entry, (build.__name__, *names))
        return build

    return register


def _enter(entry: NamedFunction, names: tuple[str, ...]) -> None:
    for name in names:
        if name in FUNCTIONS:
            raise ValueError(f"function {name!r} is defined twice")
        FUNCTIONS[name] = entry


# Functions written over operations.


@function()
def square(x: Value) -> Value:
    return mul(x, x)


@function()
def reciprocal(x: Value) -> Value:
    return div(1.0, x)


@function("greater", "Gt", least=2)
def gt(x: Value, y: Value) -> Value:
    return lt(y, x)


@function("greater_equal", "Ge", least=2)
def ge(x: Value, y: Value) -> Value:
    return le(y, x)


@function("ReLU")
def relu(x: Value) -> Value:
    """max(x, 0) with derivative 0 at 0; a NaN stays one."""
    return where(le(x, 0.0), 0.0, x)


@function("LeakyReLU", most=2)
def leaky_relu(x: Value, slope: Value | float = 0.01) -> Value:
    """x for x > 0, slope * x elsewhere, at 0 too."""
    return where(le(x, 0.0), mul(slope, x), x)


@function("hardtanh")
def hard_tanh(x: Value) -> Value:
    """x within [-1, 1], the nearer end outside; derivative 1 at both ends."""
    return where(lt(1.0, x), 1.0, where(lt(x, -1.0), -1.0, x))


@function("Heaviside", most=2)
def heaviside(x: Value, at_zero: Value | float = 0.5) -> Value:
    """0 for x < 0, 1 for x > 0, `at_zero` (1/2) at 0; derivative 0."""
    at_zero = like(x, at_zero) if isinstance(at_zero, (int, float)) else at_zero
    return where(eq(x, 0.0), at_zero, mul(0.5, add(1.0, sign(x))))


@function(least=3)
def clip(x: Value, low: Value, high: Value) -> Value:
    """x within [low, high]; at the ends the derivative is 1."""
    return where(lt(x, low), low, where(lt(high, x), high, x))


@function("rad2deg")
def degrees(x: Value) -> Value:
    return mul(180.0 / math.pi, x)


@function("deg2rad")
def radians(x: Value) -> Value:
    return mul(math.pi / 180.0, x)


@function()
def sec(x: Value) -> Value:
    return div(1.0, cos(x))


@function()
def csc(x: Value) -> Value:
    return div(1.0, sin(x))


@function()
def cot(x: Value) -> Value:
    return div(1.0, tan(x))


@function()
def sech(x: Value) -> Value:
    return div(1.0, cosh(x))


@function()
def csch(x: Value) -> Value:
    return div(1.0, sinh(x))


@function()
def coth(x: Value) -> Value:
    return div(1.0, tanh(x))


@function("arccot")
def acot(x: Value) -> Value:
    return transcendental.atan(div(1.0, x))


@function("arcsec")
def asec(x: Value) -> Value:
    return transcendental.acos(div(1.0, x))


@function("arccsc")
def acsc(x: Value) -> Value:
    return transcendental.asin(div(1.0, x))


@function("arcsech")
def asech(x: Value) -> Value:
    return transcendental.acosh(div(1.0, x))


@function("arccsch")
def acsch(x: Value) -> Value:
    return transcendental.asinh(div(1.0, x))


@function("arccoth")
def acoth(x: Value) -> Value:
    return transcendental.atanh(div(1.0, x))


@function()
def factorial(x: Value) -> Value:
    return gamma(add(x, 1.0))


@function("Beta", least=2)
def beta(x: Value, y: Value) -> Value:
    """gamma(x) gamma(y) / gamma(x + y) for x, y > 0."""
    return exp(sub(add(lgamma(x), lgamma(y)), lgamma(add(x, y))))


@function("xor", "Xor", "logical_xor", least=2, conditions="all")
def exclusive_or(x: Value, y: Value) -> Value:
    return ne(x, y)


@function("ITE", least=3, conditions=(0,))
def select(condition: Value, x: Value, y: Value) -> Value:
    return where(condition, x, y)


def log_to_base(x: Value, base: Value | None = None) -> Value:
    """The natural logarithm, or the one to `base`."""
    return log(x) if base is None else div(log(x), log(base))


def derivative_of_digamma(n: Value, x: Value) -> Value:
    """polygamma(n, x) for a constant whole n.

    Raises:
        ValueError: n is not a constant, or not a whole number from 0 to 20.
    """
    order = n.literal.scalar if n.literal else None
    if order is None or order != int(order) or not 0 <= order <= 20:
        raise ValueError("polygamma(n, x) needs a constant whole number n from 0 to 20")
    return polygamma(x, n=int(order)) if order else digamma(x)


def _folded(op: Any) -> Callable[..., Value]:
    return lambda *operands: reduce(op, operands)


def _register_ops() -> None:
    variadic = {
        comparison.min: 1,
        comparison.max: 1,
        hypot: 1,
        comparison.and_: 1,
        comparison.or_: 1,
        transcendental.logaddexp: 2,
    }
    conditions: dict[Op, Conditions] = {
        comparison.where: (0,),
        comparison.not_: "all",
        comparison.and_: "all",
        comparison.or_: "all",
    }
    special_forms = {
        "log": (log_to_base, 1, 2),
        "polygamma": (derivative_of_digamma, 2, 2),
    }
    for op in OPS.values():
        if op.samples is None or not op.elementwise or op.name == "convert":
            continue
        arity = op.arity or 1  # elementwise operations have a fixed number
        build, least, most = special_forms.get(op.name, (op, arity, arity))
        if op in variadic:
            build, least, most = _folded(op), variadic[op], math.inf
        entry = NamedFunction(op.name, build, least, most, conditions.get(op, ()))
        _enter(entry, (op.name, *op.aliases))
    for keyword in ("and", "or", "not"):
        del FUNCTIONS[keyword]  # operators in text; And, Or, Not are the functions


_register_ops()
