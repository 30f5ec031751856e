"""SymPy expressions taken apart into what operations are made of; no IR here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

from symdiff.errors import UnsupportedError

MAX_TERMS: Final = 10_000  # of all the sums and products in one source that are written out
_ONE: Final = Fraction(1)
_EXACT: Final = 2**53  # up to here doubles hold every integer

_HINTS: Final = {
    "AppliedUndef": "give the function a definition, or replace it: expr.subs(f(x), y)",
    "ImaginaryUnit": "symdiff works with real numbers",
    "ComplexInfinity": "symdiff works with real numbers",
    "NaN": "the expression has no value; look for 0/0 or oo - oo",
    "MatrixExpr": "write it with sums, products, transposes and traces, or try .as_explicit()",
    "Tuple": "lists of lists are not flattened; give one list",
}


def unsupported(node: Any, hint: str = "") -> UnsupportedError:
    """The error that names `node` by class and text, and says what to do."""
    if not hint:
        names = (_HINTS.get(base.__name__) for base in type(node).__mro__)
        hint = next(filter(None, names), "evaluate it first with .doit(), or rewrite it")
    return UnsupportedError(f"SymPy's {type(node).__name__} is not supported here: "
                            f"{shortened(node)}; {hint}")  # fmt: skip


def shortened(item: Any) -> str:
    """The text of `item`, at most 60 characters."""
    try:
        text = str(item)
    except RecursionError:
        return "(too deeply nested to print)"
    return text if len(text) <= 60 else f"{text[:57]}..."


# Numbers.


def to_double(number: Any) -> float:
    """The double nearest to a real number of SymPy, of any size and precision."""
    if number.is_Rational:
        return _nearest(int(number.p), int(number.q))
    if number.is_infinite:
        return math.inf if number.is_extended_positive else -math.inf
    # Twice the digits of a double: a constant so close to the middle of two is not known.
    sign, mantissa, exponent, bits = (number if number.is_Float else number.evalf(34))._mpf_
    magnitude = bits + exponent  # below 2**magnitude; the shift must not fill the memory
    if magnitude > 1100:
        value = math.inf
    elif magnitude < -1200:
        value = 0.0
    else:
        value = _nearest(int(mantissa) << max(exponent, 0), 1 << max(-exponent, 0))
    return -value if sign else value


def _nearest(p: int, q: int) -> float:
    try:
        return p / q  # Python divides integers with one rounding
    except OverflowError:
        return math.inf if p > 0 else -math.inf


def scale(number: Fraction) -> tuple[float, float]:
    """`p`, `q` such that x * p / q comes as close to x * number as it can; q is 1 if possible."""
    if number is _ONE:  # by far the most common, and fractions are slow
        return 1.0, 1.0
    nearest = _nearest(number.numerator, number.denominator)
    exact = math.isfinite(nearest) and Fraction(nearest) == number
    if not exact and abs(number.numerator) <= _EXACT and number.denominator <= _EXACT:
        return float(number.numerator), float(number.denominator)
    return nearest, 1.0


# Products.


class Factor(NamedTuple):
    """The base to a constant exponent; without one base**exponent, or exp of a single operand."""

    operands: tuple[Any, ...]
    exponent: float | None


class Product(NamedTuple):
    """`number` times the factors above over those below, negated if `negative`."""

    negative: bool
    number: Fraction  # >= 0
    above: list[Factor]
    below: list[Factor]

    @property
    def operands(self) -> list[Any]:
        return [operand for f in (*self.above, *self.below) for operand in f.operands]


def split(term: Any) -> Product:
    """`term` as a product; anything but a number, a product or a power is its one factor."""
    number = _ONE
    above: list[Factor] = []
    below: list[Factor] = []
    # A product of matrices is a Mul, too, but none of elements.
    for part in term.args if term.is_Mul and not term.is_Matrix else (term,):
        exact = _exact(part)
        if exact is not None:
            number *= exact
        elif not part.is_Pow:
            above.append(Factor((part,), 1.0))
        elif part.base.func.__name__ == "Exp1":
            above.append(Factor((part.exp,), None))
        elif not (part.exp.is_Rational or part.exp.is_Float):
            above.append(Factor((part.base, part.exp), None))
        else:
            exponent = to_double(part.exp)
            (below if exponent < 0 else above).append(Factor((part.base,), abs(exponent)))
    negative = number < 0
    return Product(negative, -number if negative else number, above, below)


def _exact(part: Any) -> Fraction | None:
    """`part` as a fraction, if it is a number of moderate size."""
    if part.is_Rational:
        return Fraction(int(part.p), int(part.q))
    if part.is_Float:
        sign, mantissa, exponent, _ = part._mpf_
        if abs(exponent) < 1000:
            value = Fraction(int(mantissa)) * Fraction(2) ** exponent
            return -value if sign else value
    return None


# Sums and products over ranges.


def written_out(node: Any, known: dict[Any, Any], budget: int) -> Sequence[Any] | None:
    """The terms of a Sum or Product over whole numbers; None if there are more than `budget`.

    `known` are symbols that stand for numbers. None, too, if the range is not one of such.

    Raises:
        UnsupportedError: SymPy fails to write the terms.
    """
    choices: list[dict[Any, Any]] = [dict(known)]
    for limit in reversed(node.limits):  # the last limit is the outermost
        grown: list[dict[Any, Any]] = []
        for chosen in choices:
            if len(limit) != 3:
                return None
            index, low, high = limit[0], limit[1].xreplace(chosen), limit[2].xreplace(chosen)
            if not (low.is_Integer and high.is_Integer and high >= low - 1):
                return None
            if len(grown) + int(high - low) + 1 > budget:
                return None
            grown += [{**chosen, index: low + k} for k in range(int(high - low) + 1)]
        choices = grown
    try:
        return [node.function.xreplace(chosen) for chosen in choices]
    except (ValueError, TypeError, RecursionError) as error:
        raise unsupported(node, f"its terms cannot be written out: {error}") from None
