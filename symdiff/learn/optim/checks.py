"""What hyperparameters must be: refused where an optimiser is made, not in the middle of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from symdiff.learn.options import expect, is_number


def not_below_zero(optimizer: Any, *names: str) -> None:
    """Nothing, if these attributes are finite numbers from 0 on."""
    _check(optimizer, names, lambda v: is_number(v) and v >= 0, "a finite number from 0 on")


def fraction(optimizer: Any, *names: str) -> None:
    """Nothing, if these attributes are numbers from 0 to below 1."""
    _check(optimizer, names, _is_fraction, "a number from 0 to below 1")


def two_fractions(optimizer: Any, *names: str) -> None:
    """Nothing, if these attributes are pairs of numbers from 0 to below 1."""
    expected = "two numbers from 0 to below 1, such as (0.9, 0.999)"
    _check(optimizer, names, _are_two_fractions, expected)


def flags(optimizer: Any, *names: str) -> None:
    """Nothing, if these attributes are True or False."""
    _check(optimizer, names, lambda v: isinstance(v, bool), "True or False")


def _is_fraction(value: Any) -> bool:
    return is_number(value) and 0 <= value < 1


def _are_two_fractions(value: Any) -> bool:
    if not isinstance(value, (tuple, list)):
        return False
    values = cast("list[Any]", value)
    return len(values) == 2 and all(map(_is_fraction, values))


def _check(
    optimizer: Any, names: tuple[str, ...], fits: Callable[[Any], bool], expected: str
) -> None:
    for name in names:
        value = getattr(optimizer, name)
        expect(fits(value), f"{type(optimizer).__name__}: {name}", value, expected)
