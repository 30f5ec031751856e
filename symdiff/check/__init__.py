"""Are the derivatives right? Compared with differences, and with 50-digit arithmetic."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final, cast

import numpy as np

from symdiff import api, ir
from symdiff.errors import ArgumentError

DIGITS: Final = 50
EXACT_TOLERANCE: Final = 1e-9  # relative; a formula may be ill-conditioned, a bug is larger
DIFFERENCE_TOLERANCE: Final = 1e-5  # what differences of float64 values can show
SETTLED: Final = 1e-6  # relative; what differences may still move by when the step is halved
_EXACT_RESOLUTION: Final = 1e-80  # the square of the step is 1e-100
_DIFFERENCE_RESOLUTION: Final = 1e-12
_POINTS_TRIED: Final = 200


@dataclass(frozen=True, slots=True)
class Row:
    """One derivative at one point.

    Attributes:
        output, parameter: what is differentiated with respect to what.
        gradient: symdiff's derivative.
        difference: by central differences, Richardson extrapolated; NaN where they do not settle,
            at a pole or a jump.
        exact: with 50 digits, rounded; None where an operation has no such reference, or there is
            no finite derivative.
        error: relative difference of `gradient` from the best reference, NaN without one.
        passed: whether it is small enough; without a reference nothing speaks against it.
    """

    output: str
    parameter: str
    gradient: float
    difference: float
    exact: float | None
    error: float
    passed: bool

    @property
    def reference(self) -> float | None:
        """The best reference, if there is one."""
        if self.exact is not None:
            return self.exact
        return self.difference if math.isfinite(self.difference) else None

    @property
    def verdict(self) -> str:
        """In words: "ok", "FAILED" or "no reference"."""
        if not self.passed:
            return "FAILED"
        return "no reference" if self.reference is None else "ok"

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        line = f"d {self.output} / d {self.parameter} = {self.gradient!r}"
        if self.reference is None:
            return f"{line}  (no reference)"
        line += f"  (reference {self.reference!r}, relative error {self.error:.1e})"
        return line if self.passed else f"{line}  FAILED"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check: where it was made, and a row per derivative."""

    at: Mapping[str, float]
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """Whether every derivative agrees with its reference, where there is one."""
        return all(row.passed for row in self.rows)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        where = ", ".join(f"{name}={value!r}" for name, value in self.at.items())
        lines = [f"{'passed' if self.passed else 'FAILED'} at {where}"]
        lines += [f"  {row}" for row in self.rows]
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
        DifferentiationError: an output that is not real.

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
    values = [float(v) for v in ir.flatten(fn.ir.result, fn(*point))]
    exact = _exact_jacobian(fn.ir, point, values)
    rows: list[Row] = []
    for k, output in enumerate(fn.outputs):
        for i, parameter in enumerate(fn.parameters):
            gradient = float(gradients[k * len(fn.parameters) + i])
            difference, resolution = math.nan, math.nan
            if math.isfinite(values[k]):
                difference, resolution = _difference(_restricted(fn, point, i, k), point[i])
            row = Row(output, parameter, gradient, difference, exact[i][k], math.nan, True)
            rows.append(_judged(row, resolution))
    return Report(dict(zip(fn.parameters, point, strict=True)), tuple(rows))


def _judged(row: Row, resolution: float) -> Row:
    """The row with its error; `resolution` is the least that the differences can show."""
    reference, tolerance = row.reference, EXACT_TOLERANCE
    if reference is None:
        return row
    if row.exact is None:
        tolerance = DIFFERENCE_TOLERANCE
    else:
        resolution = _EXACT_RESOLUTION
    distance = abs(row.gradient - reference)
    if math.isfinite(distance):
        largest = max(abs(reference), abs(row.gradient))
        error = 0.0 if distance <= resolution else distance / largest
    else:
        error = distance
    return replace(row, error=error, passed=error <= tolerance)


def _given(fn: api.Function, at: Any) -> list[float]:
    names = fn.parameters
    if isinstance(at, Mapping):
        named = cast("Mapping[Any, Any]", at)
        missing = [name for name in names if name not in named]
        unknown = [str(name) for name in named if name not in names]
        if missing or unknown:
            wrong = [f"missing {', '.join(missing)}"] if missing else []
            wrong += [f"unknown {', '.join(unknown)}"] if unknown else []
            raise ArgumentError(f"at: {'; '.join(wrong)}; parameters are {', '.join(names)}")
        values = [named[name] for name in names]
    else:
        try:
            values = None if isinstance(at, (str, bytes, Set)) else list(at)
        except TypeError:
            values = None
        if values is None:
            expected = f"expected numbers by name or in order, for {', '.join(names)}"
            raise ArgumentError(f"at={at!r:.60}: {expected}")
        if len(values) != len(names):
            raise ArgumentError(f"at: {len(values)} numbers for the parameters {', '.join(names)}")
    return [_real(name, value) for name, value in zip(names, values, strict=True)]


def _real(name: str, value: Any) -> float:
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except OverflowError:
        raise ArgumentError(f"at: {name} is too large for a float64") from None
    except (TypeError, ValueError):
        pass
    raise ArgumentError(f"at: {name} is {value!r:.60}, expected a number")


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


def _difference(f: Callable[[float], float], x: float) -> tuple[float, float]:
    """The derivative by central differences, Richardson extrapolated (Ridders 1982), and how
    much of it may be rounding. NaN if the differences do not settle: no derivative is there.
    """
    step = max(abs(x), 1e-2) * 2.0**-4
    previous: list[float] = []
    best, best_error, best_step, largest = math.nan, math.inf, step, 0.0
    for _ in range(10):
        above, below = f(x + step), f(x - step)
        largest = max(largest, abs(above), abs(below))
        row = [(above - below) / (2 * step)]
        for k, coarse in enumerate(previous):
            row.append(row[k] + (row[k] - coarse) / (4.0 ** (k + 1) - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - coarse))
            if error < best_error:
                best, best_error, best_step = row[-1], error, step
        previous, step = row, step / 2
    resolution = max(_DIFFERENCE_RESOLUTION, 2.0**-49 * largest / best_step)
    settled = best_error <= SETTLED * abs(best) + resolution
    return (best if settled else math.nan), resolution


def _exact_jacobian(
    fn: ir.Function, point: list[float], values: list[float]
) -> list[list[float | None]]:
    """For each parameter the derivative of each output: central differences in arithmetic of so
    many digits that they are exact to 50. `values` are the outputs, in float64.
    """
    mpmath: Any = import_module("mpmath")
    with mpmath.workdps(3 * DIGITS):
        mp = mpmath.mp
        here = _exactly(fn, [mp.mpf(v) for v in point], mp) or values
        columns: list[list[float | None]] = []
        for i, x in enumerate(point):
            h = mp.mpf(10) ** -DIGITS * (min(1.0, abs(x)) or 1.0)
            slopes = zip(
                _exact_slopes(fn, point, i, h, mp),
                _exact_slopes(fn, point, i, h / 2, mp),
                strict=True,
            )
            # Differences across a pole may agree, by symmetry; its value tells.
            columns.append(
                [
                    _limit(coarse, fine) if mp.isfinite(value) else None
                    for value, (coarse, fine) in zip(here, slopes, strict=True)
                ]
            )
    return columns


def _exact_slopes(fn: ir.Function, point: list[float], i: int, h: Any, mp: Any) -> list[Any]:
    shifted = [[mp.mpf(v) for v in point] for _ in range(2)]
    shifted[0][i] += h
    shifted[1][i] -= h
    above, below = (_exactly(fn, p, mp) for p in shifted)
    if above is None or below is None:
        return [math.nan] * len(fn.outputs)
    return [(a - b) / (2 * h) for a, b in zip(above, below, strict=True)]


def _exactly(fn: ir.Function, point: list[Any], mp: Any) -> list[Any] | None:
    """The outputs; None off the domain, or for an operation without such a reference.

    What mpmath raises off the domain of a function is its own affair, so everything is caught.
    """
    try:
        return ir.evaluate_exactly(fn, point, mp)
    except Exception:
        return None


def _limit(coarse: Any, fine: Any) -> float | None:
    """The derivative to which slopes with one step and with half of it point, if it is finite."""
    largest = max(abs(coarse), abs(fine))
    if not (abs(coarse - fine) <= SETTLED * largest or largest <= _EXACT_RESOLUTION):
        return None
    try:
        slope = float(fine)
    except TypeError:  # complex
        return None
    return slope if math.isfinite(slope) else None
