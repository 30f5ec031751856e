"""The polynomials of symdiff/codegen/vector_math, fitted anew.

    python scripts/vector_math_coefficients.py            writes coefficients.py
    python scripts/vector_math_coefficients.py --check    exits with 1 if it holds anything else

Every polynomial is the best one of its degree on an interval, weighted so that its error counts
relative to the function's value. The fit is Lawson's: least squares on Chebyshev's points, whose
weights grow where the error is large until it is level; all of it in 60-digit arithmetic. The
coefficients are then rounded to doubles.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parents[1] / "symdiff" / "codegen" / "vector_math" / "coefficients.py"
DIGITS: Final = 60
ROUNDS: Final = 12  # of Lawson's reweighting
Real = Any  # mpmath's numbers have no types
mp: Any = import_module("mpmath").mp


@dataclass(frozen=True, slots=True)
class Fit:
    """A polynomial for `function` on (low, high), where an error e there counts e * weight."""

    name: str
    comment: str
    function: Callable[[Real], Real]
    weight: Callable[[Real], Real]
    low: str
    high: str
    count: int  # coefficients


def _root(z: Real) -> Real:
    return mp.sqrt(z)


def _log_tail(z: Real) -> Real:
    return (2 * mp.atanh(_root(z)) / _root(z) - 2) / z


FITS: Final = (
    Fit(
        "EXP",
        "(exp(r) - 1 - r - r**2/2) / r**3, |r| <= log(2)/2",
        lambda r: (mp.exp(r) - 1 - r - r * r / 2) / r**3,
        lambda r: r**3 / mp.exp(r),
        "-0.34661",
        "0.34661",
        9,
    ),
    Fit(
        "EXPM1",
        "the same for -log(4/3) <= r <= log(3/2)",
        lambda r: (mp.exp(r) - 1 - r - r * r / 2) / r**3,
        lambda r: r**3 / mp.expm1(r),
        "-0.28769",
        "0.40547",
        10,
    ),
    Fit(
        "LOG",
        "(2 atanh(s) - 2 s) / s**3 in z = s**2, |s| <= (sqrt(2) - 1)/(sqrt(2) + 1)",
        _log_tail,
        lambda z: z,
        "0",
        "0.029438",
        7,
    ),
    Fit(
        "LOG_TAIL",
        "the same without its first term: (2 atanh(s) - 2 s - 2/3 s**3) / s**5",
        lambda z: (_log_tail(z) - mp.mpf(2) / 3) / z,
        lambda z: z * z,
        "0",
        "0.029438",
        8,
    ),
    Fit(
        "SIN",
        "(r - sin(r)) / r**3 in z = r**2, |r| <= pi/4",
        lambda z: (1 - mp.sin(_root(z)) / _root(z)) / z,
        lambda z: z,
        "0",
        "0.6170",
        6,
    ),
    Fit(
        "COS",
        "(cos(r) - 1 + r**2/2) / r**4 in z = r**2, |r| <= pi/4",
        lambda z: (mp.cos(_root(z)) - 1 + z / 2) / (z * z),
        lambda z: z * z,
        "0",
        "0.6170",
        6,
    ),
    Fit(
        "ATAN",
        "(t - atan(t)) / t**3 in z = t**2, |t| <= 1/2",
        lambda z: (1 - mp.atan(_root(z)) / _root(z)) / z,
        lambda z: z,
        "0",
        "0.25001",
        12,
    ),
    Fit(
        "ASIN",
        "(asin(t) - t) / t**3 in z = t**2, |t| <= 1/2",
        lambda z: (mp.asin(_root(z)) / _root(z) - 1) / z,
        lambda z: z,
        "0",
        "0.25001",
        13,
    ),
)


def fitted(fit: Fit) -> tuple[list[float], Real]:
    """The coefficients of a fit, lowest power first, and the largest weighted error."""
    low, high = mp.mpf(fit.low), mp.mpf(fit.high)
    n = 16 * fit.count
    points = [
        (low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n))
        for k in range(n)
    ]
    rows = [[fit.weight(x) * x**j for j in range(fit.count)] for x in points]
    sides = [fit.weight(x) * fit.function(x) for x in points]
    shares: list[Real] = [mp.mpf(1)] * n
    found: Real = None
    for _ in range(ROUNDS):
        normal = mp.matrix(fit.count)
        right = mp.matrix(fit.count, 1)
        for row, side, share in zip(rows, sides, shares, strict=True):
            for i, left in enumerate(row):
                right[i] += share * left * side
                for j, other in enumerate(row):
                    normal[i, j] += share * left * other
        found = mp.lu_solve(normal, right)
        errors = [
            abs(sum(c * f for c, f in zip(row, found, strict=True)) - side)
            for row, side in zip(rows, sides, strict=True)
        ]
        shares = [share * error for share, error in zip(shares, errors, strict=True)]
        total = sum(shares) / n
        shares = [share / total for share in shares]
    rounded = [float(c) for c in found]
    worst = max(
        abs(sum(c * f for c, f in zip(row, rounded, strict=True)) - side)
        for row, side in zip(rows, sides, strict=True)
    )
    return rounded, worst


def written() -> str:
    """The text of coefficients.py."""
    lines = [
        '"""Coefficients of polynomials, lowest power first.',
        "",
        "Written by scripts/vector_math_coefficients.py, which says how they come about.",
        '"""',
        "",
        "from typing import Final",
    ]
    with mp.workdps(DIGITS):
        for fit in FITS:
            coefficients, worst = fitted(fit)
            bits = mp.nstr(mp.log(worst, 2), 4)
            lines += ["", f"# {fit.comment}: 2**{bits}", f"{fit.name}: Final = ("]
            lines += [f"    {c!r}," for c in coefficients]
            lines += [")"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    text = written()
    if not parser.parse_args().check:
        FILE.write_text(text, encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != text:
        print(f"{FILE} is not what this script writes")
        sys.exit(1)


if __name__ == "__main__":
    main()
