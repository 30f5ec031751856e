"""Points at which derivatives are checked, drawn where the user gives none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from symdiff import ir
from symdiff.errors import ArgumentError, IndexRangeError
from symdiff.points import Array

_RANGES: Final = ((0.5, 2.0), (-1.0, 1.0), (-10.0, 10.0), (0.0, 100.0))
_OF_ARRAYS: Final = (1, 0, 2, 3)  # sums of positive numbers are large, where functions are flat
_INTEGERS: Final = (4, 2, 1, 10)  # what drawn integers are below, which may be indices
_TRIED: Final = 200


def drawn(fn: ir.Function, numbers: Callable[[list[Array]], Iterator[Any]]) -> list[Array]:
    """A point at which the `numbers` that there are at it are finite, always the same one.

    Raises:
        ArgumentError: none was found.
    """
    rng = np.random.default_rng(0)
    arrays = any(param.type.shape for param in fn.params)
    for attempt in range(_TRIED):
        which = attempt % len(_RANGES)
        which = _OF_ARRAYS[which] if arrays else which
        point = [_random(rng, param.type, which) for param in fn.params]
        try:
            if all(np.all(np.isfinite(array)) for array in numbers(point)):
                return point
        except IndexRangeError:
            continue
    raise ArgumentError("no point with a finite value and gradient was found; give one with at=")


def _random(rng: np.random.Generator, type: ir.Type, which: int) -> Array:
    if type.dtype.kind == "f":
        numbers = rng.uniform(*_RANGES[which], type.shape)
    elif type.dtype.kind == "i":
        numbers = rng.integers(0, _INTEGERS[which], type.shape)
    else:
        numbers = rng.integers(0, 2, type.shape)
    return np.asarray(numbers, type.dtype.numpy)
