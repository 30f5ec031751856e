"""What is asked of options, and of what the functions among them return."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import numpy as np

from symdiff.errors import ArgumentError

_REAL: Final = (int, float, np.integer, np.floating)


def expect(fits: bool, what: str, value: Any, expected: str) -> None:
    """Nothing, if it fits.

    Raises:
        ArgumentError: it does not.
    """
    if not fits:
        raise ArgumentError(f"{what}={value!r}: expected {expected}")


def is_number(value: Any) -> bool:
    """Whether `value` is one finite real number, Python's or NumPy's."""
    if isinstance(value, bool) or not isinstance(value, _REAL):
        return False
    return math.isfinite(cast("float", value))


def whole_numbers(**numbers: Any) -> None:
    """Nothing, if all of them are whole and from 1 on."""
    for name, number in numbers.items():
        whole = isinstance(number, int) and not isinstance(number, bool)
        expect(whole and number >= 1, name, number, "a whole number from 1 on")


def checkpoint_place(path: Any) -> None:
    """Nothing, if a file of that name can be made: its folder is there."""
    named = isinstance(path, (str, os.PathLike))
    expect(named, "checkpoint", path, "the path of a file")
    expect(not Path(path).is_dir(), "checkpoint", path, "the path of a file, not of a folder")
    folder = Path(path).parent
    if not folder.is_dir():
        raise ArgumentError(f"checkpoint={path!r}: there is no folder {str(folder)!r}; make it")


def learning_rate(schedule: Callable[[float], Any], t: float) -> float:
    """The learning rate of a schedule after `t` epochs.

    Raises:
        ArgumentError: it is none.
    """
    given = schedule(t)
    rate = _number(given)
    if rate is None or not 0 <= rate < math.inf:
        raise ArgumentError(
            f"the schedule {schedule!r} returned {given!r} after {t:g} epochs: expected a learning "
            "rate, a finite number from 0 on"
        )
    return rate


def measured(validation: Callable[[Any], Any], params: Any) -> float:
    """What a function of the parameters says of them.

    Raises:
        ArgumentError: it is not one number.
    """
    given = validation(params)
    value = _number(given)
    if value is None:
        raise ArgumentError(
            f"validation: the function {validation!r} returned {given!r}: expected one number, "
            "lower being better"
        )
    return value


def _number(given: Any) -> float | None:
    """`given`, if it is one real number: an array without axes is one, a text is none."""
    try:
        return None if isinstance(given, (str, bytes)) else float(given)
    except (TypeError, ValueError):
        return None
