"""Functions as SymPy expressions."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from symdiff.codegen.sympy_arrays import export
from symdiff.errors import UnsupportedError
from symdiff.ir import (
    CONST,
    ITEM,
    PARAM,
    Function,
    Graph,
    TupleType,
    Value,
    build,
    live,
    use_counts,
)


def to_sympy(fn: Function) -> Any:
    """What `fn` computes, as a SymPy expression or tuples of them in the structure of its result.

    Symbols bear the names of the parameters and no assumptions. Whole numbers become Integers and
    the double nearest to pi becomes pi; other numbers stay Floats.

    Raises:
        UnsupportedError: an array, an operation that SymPy lacks, or nesting too deep for SymPy.
    """
    sympy: Any = import_module("sympy")
    writer = Writer(sympy, fn)
    for value in fn.live():
        try:
            writer.write(value)
        except (TypeError, ValueError) as error:  # a condition on what SymPy knows to be complex
            raise UnsupportedError(f"SymPy refuses {value.op.name}: {error}") from None
        except RecursionError:
            raise UnsupportedError(f"{fn.name} is nested too deeply for SymPy") from None
    return build(fn.result, iter([writer.read(output) for output in fn.outputs]))


class Writer:
    """The expressions written so far.

    Sums and products that are used once, by a longer sum or product, are kept open as lists:
    SymPy sorts the terms of a sum each time one is added, so that n terms would take n**2 steps.
    """

    def __init__(self, sympy: Any, fn: Function) -> None:
        self.sympy = sympy
        self.uses = use_counts(fn)
        self.done: dict[Value, Any] = {}
        self.open: dict[Value, tuple[Any, list[Any]]] = {}

    def read(self, value: Value) -> Any:
        """The finished expression of `value`."""
        if value not in self.done:
            join, parts = self.open[value]
            self.done[value] = join(*parts)
        return self.done[value]

    def write(self, value: Value) -> None:
        """Compute the expression of `value` from those of its operands."""
        name, sympy = value.op.name, self.sympy
        if value.op is not ITEM and _has_axes(value):
            self.done[value] = export(self, value)
        elif name in ("add", "sub", "mul"):
            self.open[value] = self.joined(value, sympy.Mul if name == "mul" else sympy.Add)
        elif value.op is CONST:
            self.done[value] = self.number(value.attr("value").scalar)
        elif value.op is PARAM:
            self.done[value] = sympy.Symbol(value.attr("name"))
        elif value.op is ITEM:
            self.done[value] = self.read(value.args[0])[value.attr("index")]
        elif name == "convert":
            self.done[value] = self.converted(value)
        else:
            operands = [self.read(a) for a in value.args]
            if name in _SAME_FUNCTION:
                self.done[value] = getattr(sympy, _SAME_FUNCTION[name])(*operands)
            elif name in _FORMULAS:
                self.done[value] = _FORMULAS[name](sympy, *operands, **dict(value.attrs))
            elif value.op.expand is not None:
                self.done[value] = self.expanded(value, operands)
            else:
                raise UnsupportedError(f"SymPy has no equivalent of the operation {name}")

    def number(self, number: float) -> Any:
        """A number, whole ones as Integers."""
        return _number(self.sympy, number)

    def expanded(self, value: Value, operands: list[Any]) -> Any:
        """The expression of an operation that SymPy lacks, from the simpler ones it stands for."""
        graph = Graph()
        stand_ins = [graph.param(f"x{i}", a.type) for i, a in enumerate(value.args)]
        assert value.op.expand is not None
        result = value.op.expand(*stand_ins, **dict(value.attrs))
        return self.applied(value, stand_ins, result, operands)

    def of_elements(self, value: Value, operands: list[Any]) -> Any:
        """The operation of `value`, which is one on elements, on expressions of elements."""
        graph = Graph()
        types = [a.type.with_shape(()) for a in value.args]
        stand_ins = [graph.param(f"x{i}", type) for i, type in enumerate(types)]
        result = graph.add(value.op, tuple(stand_ins), value.attrs)
        return self.applied(value, stand_ins, result, operands)

    def applied(
        self, value: Value, stand_ins: list[Value], result: Value, operands: list[Any]
    ) -> Any:
        """`result`, a function of `stand_ins`, at `operands`."""
        inner = Writer(self.sympy, Function(value.op.name, tuple(stand_ins), (result,)))
        inner.done.update(zip(stand_ins, operands, strict=True))
        for step in live((result,)):
            if step not in inner.done:
                inner.write(step)
        return inner.read(result)

    def joined(self, value: Value, join: Any) -> tuple[Any, list[Any]]:
        """The terms of a sum or the factors of a product, those of its operands included."""
        left, right = (self.parts(a, join) for a in value.args)
        if value.op.name == "sub":
            right = [-part for part in right]
        if len(left) < len(right):  # the order does not matter; the longer list is not copied
            left, right = right, left
        left.extend(right)
        return join, left

    def parts(self, value: Value, join: Any) -> list[Any]:
        """`value` as terms or factors, in a list that may be kept."""
        if self.uses[value] == 1 and value in self.open and self.open[value][0] is join:
            return self.open.pop(value)[1]
        return [self.read(value)]

    def converted(self, value: Value) -> Any:
        """`value`, a conversion between numbers or to and from conditions."""
        operand = self.read(value.args[0])
        source, target = value.args[0].type.dtype.kind, value.type.dtype.kind
        if source == target or (source, target) == ("i", "f"):
            return operand
        if target == "b":
            return self.sympy.Ne(operand, 0)
        return _where(self.sympy, operand, 1, 0) if source == "b" else _trunc(self.sympy, operand)


def _has_axes(value: Value) -> bool:
    """Whether `value`, one of its parts or one of its operands is an array."""
    types = [value.type, *(a.type for a in value.args)]
    flat = [part for t in types for part in (t.elements if isinstance(t, TupleType) else (t,))]
    return any(t.shape for t in flat)


def _number(sympy: Any, number: float) -> Any:
    if isinstance(number, bool):
        return sympy.true if number else sympy.false
    if abs(number) == math.pi:
        return sympy.pi if number > 0 else -sympy.pi
    # Above 2**53 every double is whole, and its digits mean nothing.
    if math.isfinite(number) and number == int(number) and abs(number) <= 2**53:
        return sympy.Integer(int(number))
    return sympy.Float(number)


# Formulas.


def _where(sympy: Any, condition: Any, x: Any, y: Any) -> Any:
    if condition in (sympy.true, sympy.false):
        return x if condition is sympy.true else y
    # Evaluation would rewrite the conditions, which takes SymPy longer than all the rest.
    return sympy.Piecewise((x, condition), (y, True), evaluate=False)


def _trunc(sympy: Any, x: Any) -> Any:
    return sympy.sign(x) * sympy.floor(sympy.Abs(x))


def _round(sympy: Any, x: Any) -> Any:
    """Halves to even: x + 1/2 is rounded down, one further if x is 1/2 above an even number."""
    half = sympy.Rational(1, 2)
    return sympy.floor(x + half) - _where(sympy, sympy.Eq(sympy.Mod(x, 2), half), 1, 0)


def _copysign(sympy: Any, x: Any, y: Any) -> Any:
    return sympy.Abs(x) * _where(sympy, sympy.Lt(y, 0), -1, 1)


def _equal(sympy: Any, x: Any, y: Any) -> Any:
    return sympy.Not(sympy.Xor(x, y)) if _is_condition(x) else sympy.Eq(x, y)


def _unequal(sympy: Any, x: Any, y: Any) -> Any:
    return sympy.Xor(x, y) if _is_condition(x) else sympy.Ne(x, y)


def _is_condition(x: Any) -> bool:
    return bool(x.is_Boolean or x.is_Relational)


def _fma(sympy: Any, x: Any, y: Any, z: Any) -> Any:
    return x * y + z


def _polygamma(sympy: Any, x: Any, n: int) -> Any:
    return sympy.polygamma(n, x)


_SAME_FUNCTION: Final = {
    **{name: name for name in (
        "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "digamma", "erf",
        "erfc", "exp", "floor", "gamma", "log", "sign", "sin", "sinh", "sqrt", "tan", "tanh",
    )},
    "abs": "Abs",
    "and": "And",
    "ceil": "ceiling",
    "le": "Le",
    "lgamma": "loggamma",
    "lt": "Lt",
    "max": "Max",
    "min": "Min",
    "mod": "Mod",
    "not": "Not",
    "or": "Or",
}  # fmt: skip
_UNARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "cbrt": lambda sp, x: sp.sign(x) * sp.Abs(x) ** sp.Rational(1, 3),
    "exp2": lambda sp, x: 2**x,
    "expm1": lambda sp, x: sp.exp(x) - 1,
    "log10": lambda sp, x: sp.log(x) / sp.log(10),
    "log1p": lambda sp, x: sp.log(1 + x),
    "log2": lambda sp, x: sp.log(x) / sp.log(2),
    "neg": lambda sp, x: -x,
    "round": _round,
    "sech2": lambda sp, x: sp.sech(x) ** 2,
    "sigmoid": lambda sp, x: 1 / (1 + sp.exp(-x)),
    "sincos": lambda sp, x: (sp.sin(x), sp.cos(x)),
    "softplus": lambda sp, x: sp.log(1 + sp.exp(x)),
    "trunc": _trunc,
}
_BINARY: Final[dict[str, Callable[[Any, Any, Any], Any]]] = {
    "copysign": _copysign,
    "div": lambda sp, x, y: x / y,
    "eq": _equal,
    "floor_div": lambda sp, x, y: sp.floor(x / y),
    "fmod": lambda sp, x, y: x - y * _trunc(sp, x / y),
    "hypot": lambda sp, x, y: sp.sqrt(x**2 + y**2),
    "logaddexp": lambda sp, x, y: sp.log(sp.exp(x) + sp.exp(y)),
    "ne": _unequal,
    "pow": lambda sp, x, y: x**y,
}
_FORMULAS: Final[dict[str, Callable[..., Any]]] = {
    **_UNARY,
    **_BINARY,
    "fma": _fma,
    "polygamma": _polygamma,
    "where": _where,
}
