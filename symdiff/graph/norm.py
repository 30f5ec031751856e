"""The length of what a node has: a number, an array, or a tuple of these."""

from __future__ import annotations

from typing import Any, cast

import numpy as np


def parts(value: Any) -> list[Any]:
    """The arrays in a value or a gradient; none for None."""
    if isinstance(value, tuple):
        return [n for part in cast("tuple[Any, ...]", value) for n in parts(part)]
    return [] if value is None else [np.asarray(value)]


def norm(value: Any) -> float:
    """The Euclidean norm of all numbers in a value or a gradient.

    Only what no float64 can hold is infinite or zero: the squares are those of the numbers over a
    power of two, which rounds nothing.

    >>> norm(np.full(4, 1e200)), norm((1e-200, np.full(3, 1e-200))), norm(None)
    (2e+200, 2e-200, 0.0)
    """
    if isinstance(value, float):  # as most are, and NumPy takes ten times as long
        return abs(value)
    found = parts(value)
    if not found:
        return 0.0
    numbers = np.concatenate([np.asarray(n, np.float64).ravel() for n in found])
    largest = np.max(np.abs(numbers), initial=0.0)
    with np.errstate(all="ignore"):
        if not np.isfinite(largest):
            return float(largest)
        exponent = np.frexp(largest)[1]
        return float(np.ldexp(np.linalg.norm(np.ldexp(numbers, -exponent)), exponent))
