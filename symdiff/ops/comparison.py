"""Comparison, logic and choice. Here are the kinks: `where`, `min` and `max` route cotangents."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from symdiff.ir import BOOL, Notation, Op, Type, Value
from symdiff.ops.arithmetic import add, mul
from symdiff.ops.define import (
    AND,
    COMPARE,
    NOT,
    OR,
    Masked,
    booleans,
    comparison_type,
    elementwise,
    infix,
    like,
    logical_type,
    operand_error,
    uniform,
)

_YES_OR_NO: Final = "a yes or no: nothing flows back through it"


def _comparison(name: str, value: Any, symbol: str, latex: str, alias: str, **entry: Any) -> Op:
    return elementwise(
        name,
        value=value,
        result=comparison_type(name),
        partials=(None, None),
        emit=lambda b, x, y: getattr(b, name)(x, y),
        exact=lambda mp, x, y: bool(value(x, y)),
        notation=Notation(  # without parentheses, comparisons would chain
            f"{{}} {symbol} {{}}", f"{{}} {latex} {{}}", COMPARE, (COMPARE + 1, COMPARE + 1)
        ),
        samples=uniform(-1, 1, count=2),
        aliases=(alias,),
        intuition=_YES_OR_NO,
        **entry,
    )


lt = _comparison("lt", np.less, "<", "<", "less")
le = _comparison("le", np.less_equal, "<=", r"\le", "less_equal")
eq = _comparison("eq", np.equal, "==", "=", "equal", commutative=True)
ne = _comparison("ne", np.not_equal, "!=", r"\ne", "not_equal", commutative=True)


def _logical(name: str, value: Any, notation: Notation, aliases: tuple[str, ...]) -> Op:
    arity = len(notation.operands)
    return elementwise(
        name,
        value=value,
        result=logical_type(name),
        partials=(None,) * arity,
        emit=lambda b, *operands: getattr(b, name + "_")(*operands),
        exact=lambda mp, *operands: bool(value(*operands)),
        notation=notation,
        samples=booleans(arity),
        aliases=aliases,
        commutative=arity == 2,
        intuition=_YES_OR_NO,
    )


and_ = _logical("and", np.logical_and, infix("and", AND, r"\land"), ("logical_and", "And"))
or_ = _logical("or", np.logical_or, infix("or", OR, r"\lor"), ("logical_or", "Or"))
not_ = _logical(
    "not",
    np.logical_not,
    Notation("not {}", r"\lnot {}", NOT, (NOT,), latex_operands=(COMPARE + 1,)),
    ("logical_not", "Not"),
)


def _where_type(types: tuple[Any, ...]) -> Any:
    condition, x, y = types
    if x != y or not isinstance(x, Type) or condition != Type(BOOL.dtype, x.shape):
        raise operand_error("where", types, "a Boolean and two operands of one type and shape")
    return x


def _where_jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
    condition, x, y = args
    _, dx, dy = tangents
    if dx is None and dy is None:
        return None
    return where(condition, like(x, 0.0) if dx is None else dx, like(y, 0.0) if dy is None else dy)


where = elementwise(
    "where",
    value=np.where,
    result=_where_type,
    partials=(
        None,
        lambda out, c, x, y: where(c, 1.0, like(x, 0.0)),
        lambda out, c, x, y: where(c, 0.0, like(x, 1.0)),
    ),
    vjp=(
        None,
        lambda bar, out, c, x, y: Masked(bar, c),
        lambda bar, out, c, x, y: Masked(bar, not_(c)),
    ),
    jvp=_where_jvp,
    emit=lambda b, c, x, y: b.select(c, x, y),
    exact=lambda mp, c, x, y: x if c else y,
    notation=Notation(
        "where({}, {}, {})",
        r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
        latex_precedence=0,
    ),
    samples=lambda rng, n: (rng.integers(0, 2, n).astype(bool), *uniform(-3, 3, 2)(rng, n)),
    note="nothing of the branch not taken gets through, not even a NaN",
    intuition="routes: the branch taken gets the upstream gradient, the other one none",
)


def _extremum(name: str, value: Any, before: Any, aliases: tuple[str, ...]) -> Op:
    """`min` or `max`; `before(x, y)` says that x is chosen or tied."""

    def partial(out: Value, x: Value, y: Value, chosen: Value) -> Value:
        return where(eq(x, y), 0.5, where(chosen, like(x, 1.0), 0.0))

    def pull(bar: Value, x: Value, y: Value, chosen: Value) -> Masked:
        return Masked(where(eq(x, y), mul(0.5, bar), bar), chosen)

    def jvp(tangents: Any, out: Value, args: tuple[Value, ...]) -> Value | None:
        x, y = args
        dx, dy = (like(a, 0.0) if t is None else t for a, t in zip(args, tangents, strict=True))
        tied = mul(0.5, add(dx, dy))
        return where(eq(x, y), tied, where(before(x, y), dx, dy))

    return elementwise(
        name,
        value=value,
        partials=(
            lambda out, x, y: partial(out, x, y, before(x, y)),
            lambda out, x, y: partial(out, x, y, before(y, x)),
        ),
        vjp=(
            lambda bar, out, x, y: pull(bar, x, y, before(x, y)),
            lambda bar, out, x, y: pull(bar, x, y, before(y, x)),
        ),
        jvp=jvp,
        emit=lambda b, x, y: getattr(b, name + "imum")(x, y),
        exact=lambda mp, x, y: value(x, y),
        notation=Notation(f"{name}({{}}, {{}})", rf"\{name}\left({{}}, {{}}\right)"),
        samples=uniform(-3, 3, count=2),
        aliases=aliases,
        note="ties give half to each side; a NaN operand gives NaN",
        intuition="routes the upstream gradient to the operand that is chosen; the other gets none",
        integers=True,
    )


# "Not less" rather than "greater or equal": with a NaN both operands are chosen, and the
# derivative is not silently zero where the value is NaN.
min = _extremum("min", np.minimum, lambda x, y: not_(lt(y, x)), ("minimum", "Min"))
max = _extremum("max", np.maximum, lambda x, y: not_(lt(x, y)), ("maximum", "Max"))
