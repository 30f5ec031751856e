"""Are the derivatives right? Compared with differences, and with 50-digit arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np

from symdiff import api, ir
from symdiff.errors import ArgumentError, UnsupportedError

DIGITS: Final = 50
EXACT_TOLERANCE: Final = 1e-9  # relative; a formula may be ill-conditioned, a bug is larger
DIFFERENCE_TOLERANCE: Final = 1e-5  # what differences of float64 values can show
_POINTS_TRIED: Final = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One derivative at one point.

    Attributes:
        output, parameter: what is differentiated with respect to what.
        gradient: symdiff's derivative.
        difference: by central differences, Richardson extrapolated.
        exact: with 50 digits, rounded; None where an operation has no such reference.
        error: relative difference of `gradient` from the best reference.
        passed: whether it is small enough.
    """

    output: str
    parameter: str
    gradient: float
    difference: float
    exact: float | None
    error: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check: where it was made, and a row per derivative."""

    at: Mapping[str, float]
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every derivative agrees with its reference."""
        return all(row.passed for row in self.rows)

    def __str__(self) -> str:
        where = ", ".join(f"{name}={value!r}" for name, value in self.at.items())
        lines = [f"{'passed' if self.passed else 'FAILED'} at {where}"]
        lines += [
            f"  d {row.output} / d {row.parameter} = {row.gradient!r}"
            f"  (reference {row.difference if row.exact is None else row.exact!r},"
            f" relative error {row.error:.1e}){'' if row.passed else '  FAILED'}"
            for row in self.rows
        ]
        return "\n".join(lines)


def check(
    source: api.Source,
    at: Mapping[str, float] | Sequence[float] | None = None,
    *,
    args: api.Args | None = None,
) -> Report:
    """The derivatives of `source` against references that know nothing of symdiff's rules.

    Args:
        source: text, SymPy, a Python function or a Function, of scalars.
        at: the point, by name or in order. Without it, one is drawn (always the same one for the
            same function) where the value is finite.
        args: see `symdiff.function`.

    Raises:
        ArgumentError: `at` does not fit the parameters, or no finite point was found.

        >>> import symdiff as sd
        >>> sd.check("x*sin(y)", at={"x": 2.0, "y": 0.5}).passed
        True
    """
    fn = api.function(source, args)
    if not fn.parameters:
        raise ArgumentError("nothing to check: the function has no parameters")
    jacobian = api.jacobian(fn, wrt=list(fn.parameters))
    point = _drawn(fn, jacobian) if at is None else _given(fn, at)
    gradients = ir.flatten(jacobian.ir.result, jacobian(*point))
    exact = _exact_jacobian(fn.ir, point)
    rows: list[Row] = []
    for k, output in enumerate(fn.outputs):
        for i, parameter in enumerate(fn.parameters):
            index = k * len(fn.parameters) + i
            gradient = float(gradients[index])
            difference = _difference(_restricted(fn, point, i, k), point[i])
            reference = None if exact is None else exact[index]
            rows.append(_row(output, parameter, gradient, difference, reference))
    return Report(dict(zip(fn.parameters, point, strict=True)), tuple(rows))


def _row(
    output: str, parameter: str, gradient: float, difference: float, exact: float | None
) -> Row:
    reference = difference if exact is None else exact
    tolerance = DIFFERENCE_TOLERANCE if exact is None else EXACT_TOLERANCE
    if gradient == reference or (math.isnan(gradient) and math.isnan(reference)):
        error = 0.0
    else:
        error = abs(gradient - reference) / max(abs(reference), abs(gradient), 1e-300)
    small = abs(gradient - reference) < 1e-12  # a difference of values cannot resolve less
    passed = error <= tolerance or (exact is None and small)
    return Row(output, parameter, gradient, difference, exact, error, passed)


def _given(fn: api.Function, at: Mapping[str, float] | Sequence[float]) -> list[float]:
    names = fn.parameters
    if isinstance(at, Mapping):
        missing, unknown = set(names) - set(at), set(at) - set(names)
        if missing or unknown:
            wrong = [f"missing {', '.join(sorted(missing))}"] if missing else []
            wrong += [f"unknown {', '.join(sorted(unknown))}"] if unknown else []
            raise ArgumentError(f"at: {'; '.join(wrong)}; parameters are {', '.join(names)}")
        return [float(at[name]) for name in names]
    if len(at) != len(names):
        raise ArgumentError(f"at: {len(at)} numbers for the parameters {', '.join(names)}")
    return [float(value) for value in at]


def _drawn(fn: api.Function, jacobian: api.Function) -> list[float]:
    """A point at which value and derivatives are finite."""
    rng = np.random.default_rng(0)
    for attempt in range(_POINTS_TRIED):
        low, high = ((0.5, 2.0), (-1.0, 1.0), (-10.0, 10.0), (0.0, 100.0))[attempt % 4]
        point = [float(v) for v in rng.uniform(low, high, len(fn.parameters))]
        values = ir.flatten(fn.ir.result, fn(*point))
        values += ir.flatten(jacobian.ir.result, jacobian(*point))
        if all(math.isfinite(v) for v in values):
            return point
    raise ArgumentError("no point with a finite value and gradient was found; give one with at=")


def _restricted(
    fn: api.Function, point: list[float], position: int, output: int
) -> Callable[[float], float]:
    """Output number `output` as a function of one parameter."""

    def value(x: float) -> float:
        moved = [*point[:position], x, *point[position + 1 :]]
        return float(ir.flatten(fn.ir.result, fn(*moved))[output])

    return value


def _difference(f: Callable[[float], float], x: float) -> float:
    """The derivative by central differences, Richardson extrapolated (Ridders 1982)."""
    step = max(abs(x), 1e-2) * 2.0**-4
    previous: list[float] = []
    best, best_error = math.nan, math.inf
    for _ in range(10):
        row = [(f(x + step) - f(x - step)) / (2 * step)]
        for k, coarse in enumerate(previous):
            row.append(row[k] + (row[k] - coarse) / (4.0 ** (k + 1) - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - coarse))
            if error < best_error:
                best, best_error = row[-1], error
        if math.isnan(best):
            best = row[-1]
        previous, step = row, step / 2
    return best


def _exact_jacobian(fn: ir.Function, point: list[float]) -> list[float] | None:
    """Central differences in arithmetic of so many digits that they are exact to 50."""
    mpmath: Any = import_module("mpmath")
    with mpmath.workdps(3 * DIGITS):
        mp = mpmath.mp
        h = mp.mpf(10) ** -DIGITS
        rows: list[list[float]] = [[] for _ in fn.outputs]
        try:
            for i in range(len(point)):
                shifted = [[mp.mpf(v) for v in point] for _ in range(2)]
                shifted[0][i] += h
                shifted[1][i] -= h
                above, below = (ir.evaluate_exactly(fn, p, mp) for p in shifted)
                for row, a, b in zip(rows, above, below, strict=True):
                    row.append(float((a - b) / (2 * h)))
        except (UnsupportedError, ZeroDivisionError, ValueError, TypeError):
            return None  # no reference for an operation, or off its domain: differences must do
        return [entry for row in rows for entry in row]
