"""What C and NumPy source have in common: infix operators and one line per value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from symdiff.codegen.names import Names
from symdiff.codegen.origins import mark
from symdiff.errors import UnsupportedError
from symdiff.ir import CONST, ITEM, PARAM, DType, Function, TupleType, Value, f64

# Binding powers common to C and Python, as far as expressions nest here.
CHOICE, LOGIC, COMPARE, SUM, PRODUCT, UNARY, ATOM = 10, 20, 50, 60, 70, 80, 100


class Term(NamedTuple):
    """An expression as text, and how tightly its outermost operator binds."""

    text: str
    precedence: int = ATOM

    def within(self, needed: int, group: str = "({})") -> str:
        """The text, grouped unless it binds at least as tightly as `needed`."""
        return self.text if self.precedence >= needed else group.format(self.text)


def infix(x: Term, symbol: str, y: Term, precedence: int) -> Term:
    """`x symbol y`, where neither operand may be another such expression on the right."""
    left = precedence + (precedence <= COMPARE)  # comparisons would chain
    return Term(f"{x.within(left)} {symbol} {y.within(precedence + 1)}", precedence)


class InfixEmitter(ABC):
    """The part of `ops.Emitter` that C and Python write alike. Operands are Terms.

    `dtype` is that of the operands of the operation being emitted.
    """

    dtype: DType = f64

    def neg(self, x: Term) -> Term:
        return Term(f"-{x.within(ATOM)}", UNARY)

    def add(self, x: Term, y: Term) -> Term:
        return infix(x, "+", y, SUM)

    def sub(self, x: Term, y: Term) -> Term:
        return infix(x, "-", y, SUM)

    def mul(self, x: Term, y: Term) -> Term:
        return infix(x, "*", y, PRODUCT)

    def div(self, x: Term, y: Term) -> Term:
        return infix(x, "/", y, PRODUCT)

    def lt(self, x: Term, y: Term) -> Term:
        return infix(x, "<", y, COMPARE)

    def le(self, x: Term, y: Term) -> Term:
        return infix(x, "<=", y, COMPARE)

    def eq(self, x: Term, y: Term) -> Term:
        return infix(x, "==", y, COMPARE)

    def ne(self, x: Term, y: Term) -> Term:
        return infix(x, "!=", y, COMPARE)

    @abstractmethod
    def const(self, number: float) -> Term: ...

    @abstractmethod
    def libm(self, name: str, *operands: Term) -> Term: ...

    def sincos(self, x: Term) -> tuple[Term, Term]:
        return self.libm("sin", x), self.libm("cos", x)


def call(name: str, *operands: Term) -> Term:
    """`name(a, b)`."""
    return Term(f"{name}({', '.join(x.text for x in operands)})")


def write_lines(
    fn: Function,
    emitter: InfixEmitter,
    names: Names,
    terms: dict[Value, Any],
    declare: Callable[[Value, str, str], str],
    traced: bool = False,
) -> list[str]:
    """One line per computed value of `fn`, made by `declare(value, name, expression)`.

    With `traced`, marked with the `location` of the value.

    `terms` holds the parameters' Terms and grows by those of all values.

    Raises:
        UnsupportedError: an operation that has to be expanded first.
    """
    lines: list[str] = []

    def assign(value: Value, term: Term) -> Term:
        name = names.temporary()
        tail = mark(value.location) if traced else ""
        lines.append(declare(value, name, term.text) + tail)
        return Term(name)

    for value in fn.live():
        op = value.op
        if op is PARAM:
            continue
        if op is ITEM:
            terms[value] = terms[value.args[0]][value.attr("index")]
            continue
        emitter.dtype = (value.args[-1] if value.args else value).type.dtype
        if op is CONST:
            terms[value] = emitter.const(scalar(value))
            continue
        if op.emit is None:
            raise UnsupportedError(f"{op.name} must be expanded before source is written for it")
        result = op.emit(emitter, *[terms[a] for a in value.args], **dict(value.attrs))
        if isinstance(value.type, TupleType):
            terms[value] = tuple([assign(value, term) for term in result])
        else:
            terms[value] = assign(value, result)
    return lines


def scalar(value: Value) -> float:
    """The number that a scalar constant is."""
    number = value.literal.scalar if value.literal else None
    assert number is not None
    return number


def element_type(value: Value) -> DType:
    """The dtype of a value, or the one that all its elements have."""
    type: Any = value.type
    return type.elements[0].dtype if isinstance(type, TupleType) else type.dtype


def require_scalars(fn: Function, back_end: str) -> None:
    """Check that `fn` computes scalars from scalars.

    Raises:
        UnsupportedError: the first value that is none, by operation and type.
    """
    for value in (*fn.params, *fn.live()):
        parts = value.type.elements if isinstance(value.type, TupleType) else (value.type,)
        if any(part.shape for part in parts):
            named = f"parameter {value.attr('name')}" if value.op is PARAM else value.op.name
            raise UnsupportedError(f"{named}: {back_end} takes scalars, not {value.type}")
