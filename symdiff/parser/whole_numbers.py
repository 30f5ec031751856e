"""Arithmetic of whole numbers that are sums of indices."""

from __future__ import annotations

from symdiff.parser.affine import Affine
from symdiff.parser.items import Remainder


def arithmetic_of(
    kind: str, left: Affine | None, right: Affine | None
) -> Affine | Remainder | None:
    """`left` and `right` combined; None where that is not a sum of indices, or one of the two.

    Literals alone are numbers of the formula, not whole numbers: one operand has to be more.
    """
    if left is None or right is None:
        return None
    if kind in "+-":
        return left.plus(right, 1 if kind == "+" else -1)
    if kind == "*" and not (left.terms and right.terms):
        return left.times(right.offset) if not right.terms else right.times(left.offset)
    if right.terms:
        return None
    n = right.offset
    if kind == "**" and not left.terms and 0 <= n <= 64:
        power = left.offset**n
        return Affine(power) if abs(power) < 2**53 else None
    if kind not in ("//", "%") or n == 0:
        return None
    low, high = left.bounds
    quotient = low // n
    if quotient == high // n:  # the same for all indices
        return Affine(quotient) if kind == "//" else left.plus(Affine(-quotient * n))
    if kind == "%" and n > 0 and len(left.terms) == 1:
        return Remainder(left, n)
    return None
