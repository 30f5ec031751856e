"""Are the derivatives right? Compared with differences, and with 50-digit arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from symdiff import api, ir, passes
from symdiff.check.points import drawn
from symdiff.check.problem import Problem, arguments, hold, pose
from symdiff.check.references import (
    EXACT_RESOLUTION,
    PLAIN_STEP,
    Exact,
    Probe,
    difference,
    levels,
    probes,
)
from symdiff.check.report import Report, Row, brief
from symdiff.errors import ArgumentError
from symdiff.points import Array, given, typed

__all__ = ["Report", "Row", "brief", "check"]

EXACT_TOLERANCE: Final = 1e-9  # relative; a formula may be ill-conditioned, a bug is larger
DIFFERENCE_TOLERANCE: Final = 1e-5  # what differences of float64 values can show
SINGLE_TOLERANCE: Final = 1e-3  # for derivatives in float32
_ROUNDING: Final = 1e-12  # of an entry, relative to the largest of its array
_SINGLE_ROUNDING: Final = 1e-5
_EXACT_WORK: Final = 300_000  # operations with 150 digits that a check may take: some seconds


def check(
    source: api.Source,
    at: Mapping[str, Any] | Sequence[Any] | None = None,
    *,
    args: api.Args | None = None,
) -> Report:
    """The derivatives of `source` against references that know nothing of symdiff's rules.

    There is a row for each output and parameter. Of an array of up to 16 elements every entry is
    checked; of a larger one 8 entries and 4 directions, drawn at random. An output that is an
    array is multiplied with random cotangents first. What `stop_gradient` holds is held in the
    references too, but for that in loops.

    Args:
        source: text, SymPy, a Python function or a Function.
        at: the point, by name or in order: numbers, arrays, and structures of them, which also
            give the shapes of a function whose own are open. Without it, a point is drawn (always
            the same one for the same function) where values and derivatives are finite.
        args: see `symdiff.function`.

    Raises:
        ArgumentError: `at` does not fit the parameters, or no finite point was found.
        NeedsShapes: the shapes of the parameters are open, and there is no `at`.
        DifferentiationError: no output is real.

        >>> import numpy as np
        >>> import symdiff as sd
        >>> sd.check("x*sin(y)", at={"x": 2.0, "y": 0.5}).passed
        True
        >>> report = sd.check(lambda W, x: np.tanh(W @ x), [np.eye(2), np.array([0.5, 1.0])])
        >>> [(row.parameter, row.shape, row.verdict) for row in report.rows]
        [('W', (2, 2), 'ok'), ('x', (2,), 'ok')]
    """
    fn = typed(api.function(source, args), at)
    if not fn.parameters:
        raise ArgumentError("nothing to check: the function has no parameters")
    problem = pose(fn)

    def numbers(point: list[Array]) -> Iterator[Any]:
        whole = [*point, *problem.cotangents]
        yield from problem.results(whole)
        yield from problem.gradients(whole)

    point = drawn(fn.ir, numbers) if at is None else given(fn, at)
    rows = tuple(_rows(problem, [*point, *problem.cotangents]))
    leaves = iter(arguments(point))
    where = {name: ir.build(tree, leaves) for name, tree in fn.arguments}
    return Report(where, rows, problem.skipped)


def _rows(problem: Problem, point: list[Array]) -> Iterator[Row]:
    """The rows of the report; `point` has the cotangents too."""
    gradients = problem.gradients(point)
    references = _References(problem.function.ir, point, len(problem.params))
    rng = np.random.default_rng(2)
    columns = [references.at(probes(i, point[i], rng)) for i, _ in problem.params]
    for k, (output, type) in enumerate(problem.outputs):
        for j, (_, param) in enumerate(problem.params):
            gradient = np.asarray(gradients[k * len(problem.params) + j], np.float64)
            judged = [_judged(probe, gradient, found[k]) for probe, found in columns[j]]
            name, row = param.attr("name"), _worst(judged, param.type.shape)
            yield replace(row, output=output, parameter=name, output_shape=type.shape)


@dataclass(frozen=True, slots=True)
class _Reference:
    """What the derivative of an output in one direction should be.

    Attributes:
        difference: by central differences, or NaN.
        resolution: the least that these can show.
        exact: with 50 digits, or None.
        single: whether the derivative is computed in float32.
        plain: by central differences with the step PLAIN_STEP alone.
    """

    difference: float
    resolution: float
    exact: float | None
    single: bool
    plain: float


class _References:
    """The derivatives of a function at one point, without symdiff's rules for them."""

    def __init__(self, fn: ir.Function, point: list[Array], count: int) -> None:
        self._single = any(v.type.dtype is ir.f32 for v in (*fn.params, *fn.outputs))
        whole, held = hold(passes.as_dtype(fn, ir.f64) if self._single else fn, point)
        self._fn = api.Function(whole)
        self._point = [*point, *held]
        self._size = sum(p.size for p in point)
        self._values = self._at(arguments(self._point))
        work = max(1, passes.count_operations(whole).total)
        # Four evaluations for each direction, for each of `count` parameters; and one before.
        self._affordable = max(0, _EXACT_WORK // work - 1) // (4 * count)
        self._exact = Exact(whole, self._point, self._values) if self._affordable else None

    def _at(self, given: list[Any]) -> list[float]:
        return [float(v) for v in ir.flatten(self._fn.ir.result, self._fn(*given))]

    def at(self, where: list[Probe]) -> list[tuple[Probe, list[_Reference]]]:
        """The references of all outputs in the given directions."""
        found: list[tuple[Probe, list[_Reference]]] = []
        for count, probe in enumerate(where):
            given = arguments(self._point)

            def values(
                moved: Any, given: list[Any] = given, i: int = probe.position
            ) -> list[float]:
                given[i] = moved
                return self._at(given)

            steps = levels(values, probe, self._point[probe.position])
            x = self._point[probe.position]
            above, below = (values(probe.moved(x, h)) for h in (PLAIN_STEP, -PLAIN_STEP))
            exact: list[float | None] = [None] * len(self._values)
            if self._exact is not None and count < self._affordable:
                exact = self._exact.slopes(probe)
            references: list[_Reference] = []
            for k, value in enumerate(self._values):
                slope, resolution = math.nan, math.nan
                if math.isfinite(value):
                    slope, resolution = difference(steps, k, self._size)
                plain = (above[k] - below[k]) / (2 * PLAIN_STEP)
                references.append(_Reference(slope, resolution, exact[k], self._single, plain))
            found.append((probe, references))
        return found


def _judged(probe: Probe, gradient: Array, reference: _Reference) -> Row:
    """The row of one entry or direction, without names."""
    slope = probe.along(gradient)
    row = Row("", "", slope, reference.difference, reference.exact, math.nan, True)
    row = replace(row, shape=gradient.shape, index=probe.index, plain=reference.plain)
    best = row.reference
    if best is None:
        return row
    tolerance, resolution, rounding = EXACT_TOLERANCE, EXACT_RESOLUTION, _ROUNDING
    if row.exact is None:
        tolerance, resolution = DIFFERENCE_TOLERANCE, reference.resolution
    if reference.single:
        tolerance, rounding = SINGLE_TOLERANCE, _SINGLE_ROUNDING
    scale = probe.scale(gradient) if gradient.ndim else 0.0
    resolution = max(resolution, rounding * scale)
    distance = error = abs(slope - best)
    if distance <= resolution:
        error = distance / scale if scale > resolution else 0.0
    elif math.isfinite(distance):
        error = distance / max(abs(best), abs(slope))
    passed = distance <= resolution or error <= tolerance
    return replace(row, error=error, absolute=distance, passed=passed)


def _worst(rows: list[Row], shape: tuple[int, ...]) -> Row:
    """The row that is the most wrong, with the largest of the absolute errors."""
    directions = sum(row.index is None for row in rows)
    if not rows:
        nothing = Row("", "", math.nan, math.nan, None, math.nan, True)
        return replace(nothing, shape=shape, entries=0)

    def wrong(row: Row) -> tuple[bool, float, float]:
        known = row.reference is not None
        error = math.inf if known and math.isnan(row.error) else row.error
        return not row.passed, error if known else -1.0, row.absolute if known else -1.0

    worst = max(rows, key=wrong)
    errors = [row.absolute for row in rows if not math.isnan(row.absolute)]
    return replace(
        worst,
        absolute=max(errors, default=math.nan),
        index=worst.index or None,
        entries=len(rows) - directions,
        directions=directions,
    )
