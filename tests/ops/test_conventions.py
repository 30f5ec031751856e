"""What single operations say at their odd points, beside Python and 50-digit arithmetic."""

from __future__ import annotations

import itertools
import math

import mpmath
import pytest

import symdiff as sd

HALVES = [-7.5, -6.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.5, 3.0, 6.0, 7.5]


@pytest.mark.parametrize("operator", ["%", "//"])
def test_division_with_remainder_is_pythons(operator: str) -> None:
    """To the bit, signed zeros included."""
    kernel = sd.compile(f"x {operator} y")
    for x, y in itertools.product(HALVES, HALVES):
        if y != 0.0:
            expected = x % y if operator == "%" else x // y
            got = kernel(x, y)
            assert got == expected, (x, y)
            assert math.copysign(1.0, got) == math.copysign(1.0, expected), (x, y)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 20])
@pytest.mark.parametrize("x", [-4.5, -2.25, -0.5, -0.49, 0.1, 0.5, 3.7, 40.0])
def test_polygamma_on_both_sides(n: int, x: float) -> None:
    with mpmath.workdps(40):
        expected = float(mpmath.psi(n, mpmath.mpf(x)))
        scale = max(abs(expected), abs(float(mpmath.psi(n, mpmath.mpf(abs(x) % 1 or 1)))))
    assert sd.compile(f"polygamma({n}, x)")(x) == pytest.approx(
        expected, rel=1e-12, abs=1e-14 * scale
    )


def test_rounding_is_to_even() -> None:
    kernel = sd.compile("round(x)")
    assert [kernel(x) for x in (0.5, 1.5, 2.5, -0.5)] == [0.0, 2.0, 2.0, 0.0]


def test_a_nan_operand_gives_a_nan() -> None:
    for name in ("max", "min"):
        kernel = sd.compile(f"{name}(x, y)")
        assert math.isnan(kernel(math.nan, 1.0))
        assert math.isnan(kernel(1.0, math.nan))
