"""What an operation is: one entry that says everything about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from symdiff.errors import ShapeError

if TYPE_CHECKING:
    from symdiff.ir.graph import Value

Attrs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Notation:
    """How an operation is written in a formula.

    The templates have one `{}` per operand. `precedence` is the binding power of the whole and
    `operands` those that each operand must have to stand without parentheses; () if any will do.
    LaTeX, where fractions and exponents group their operands, may have powers of its own.
    """

    text: str
    latex: str
    precedence: int = 100
    operands: tuple[int, ...] = ()
    latex_precedence: int | None = None
    latex_operands: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One operation, compared by identity. The entries live in `symdiff.ops`.

    Attributes:
        name: as printed in the IR.
        type: operand types and attributes to the result type; raises ShapeError.
        value: the meaning, on NumPy arrays; what the interpreter runs.
        vjp: `vjp(i, bar, out, args)`: the cotangent of operand i for the cotangent `bar` of the
            result, built from operations; None where no gradient flows.
        jvp: `jvp(tangents, out, args)`: the tangent of the result; a tangent may be None (zero).
        emit: the instructions for one element, spoken to an `Emitter`.
        expand: the same result from simpler operations, for operations without `emit`, or with
            it where the operation called `partner` is applied to the same operands too.
        elementwise: the operation acts on each element alone.
        commutative: the operands may be exchanged without changing a bit of the result.
        notation: how it is written in formulas; None for `name(a, b)`.
        samples: draws operand arrays for tests: `samples(rng, n)` gives one array per operand.
        attr_samples: the attributes that tests use with those operands.
        exact: the meaning in arbitrary precision: `exact(mp, *operands)` with mpmath's context.
        arity: the number of operands; None for any number.
        batch: `batch(args, batched, size, **attrs)`: the operation where the operands for which
            `batched` holds, and the result, have a new first axis of extent `size`.
        integers: the operation works on integers too.
        aliases: other names under which the front ends know it.
        note: the convention at kinks and poles, for the documentation.
        intuition: what it does to the gradient that comes to it, in words.
    """

    name: str
    type: Callable[..., Any]
    value: Callable[..., Any]
    vjp: Callable[[int, Value, Value, tuple[Value, ...]], Any] | None = None
    jvp: Callable[[tuple[Value | None, ...], Value, tuple[Value, ...]], Value | None] | None = None
    emit: Callable[..., Any] | None = None
    expand: Callable[..., Value] | None = None
    partner: str = ""
    elementwise: bool = False
    commutative: bool = False
    notation: Notation | None = None
    exact: Callable[..., Any] | None = None
    arity: int | None = 1
    batch: Callable[..., Value] | None = None
    integers: bool = False
    samples: Callable[..., tuple[Any, ...]] | None = None
    attr_samples: tuple[tuple[str, Any], ...] = ()
    aliases: tuple[str, ...] = ()
    note: str = ""
    intuition: str = ""

    def type_of(self, args: tuple[Value, ...], attrs: Attrs) -> Any:
        """The Type (or TupleType) of this operation on these operands.

        Raises:
            ShapeError: the operands do not fit.
        """
        types = tuple([a.type for a in args])
        if self.arity is not None and len(types) != self.arity:
            given = ", ".join(map(str, types)) or "none"
            raise ShapeError(f"{self.name}: expected {self.arity} operand(s), got {given}")
        return self.type(types, **dict(attrs)) if attrs else self.type(types)

    def __call__(self, *operands: Value | float, **attrs: Any) -> Value:
        """The result of this operation on `operands`, in the graph of the values among them.

        A Python number stands for a constant of the last value's type.
        """
        for operand in operands:
            if isinstance(operand, (int, float)):
                operands = self._lifted(operands)
                break
        args: Any = operands
        return args[0].graph.add(self, args, tuple(sorted(attrs.items())) if attrs else ())

    def _lifted(self, operands: tuple[Value | float, ...]) -> tuple[Value, ...]:
        """The operands with constants in place of Python numbers."""
        last = next(o for o in reversed(operands) if not isinstance(o, (int, float)))
        return tuple(
            last.graph.const(o, last.type) if isinstance(o, (int, float)) else o for o in operands
        )

    def __repr__(self) -> str:
        return f"<op {self.name}>"
