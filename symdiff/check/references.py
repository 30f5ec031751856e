"""References for derivatives that know nothing of their rules: differences of values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np

from symdiff import ir

DIGITS: Final = 50
SMALL: Final = 16  # elements of an array of which all entries are looked at
ENTRIES: Final = 8  # of a larger one
DIRECTIONS: Final = 4
PLAIN_STEP: Final = 1e-4  # the step of textbooks
SETTLED: Final = 1e-6  # relative; what differences may still move by when the step is halved
EXACT_RESOLUTION: Final = 1e-80  # the square of the step is 1e-100
_DIFFERENCE_RESOLUTION: Final = 1e-12
_LEVELS: Final = 10
_SMALLEST: Final = 1e-2  # the size of a number at or near 0, of which steps are parts

Array = np.ndarray[Any, np.dtype[Any]]
Levels = list[tuple[float, list[float], list[float]]]


@dataclass(frozen=True, slots=True)
class Probe:
    """A direction in which a parameter moves: one entry, or all entries at random.

    Attributes:
        position: the position of the parameter.
        index: the entry, () of a number; None where all entries move.
        direction: how far each entry moves in that case.
    """

    position: int
    index: tuple[int, ...] | None
    direction: Array | None = None

    @np.errstate(all="ignore")
    def along(self, gradient: Any) -> float:
        """The derivative in this direction."""
        if self.direction is not None:
            return float(np.sum(gradient * self.direction))
        return float(gradient[self.index])

    @np.errstate(all="ignore")
    def scale(self, gradient: Any) -> float:
        """The largest of the numbers to which rounding errors of the derivative are relative."""
        if self.direction is not None:
            gradient = gradient * self.direction
            return float(np.sum(np.abs(gradient), where=np.isfinite(gradient)))
        return float(np.max(np.abs(gradient), where=np.isfinite(gradient), initial=0.0))

    def step(self, x: Any) -> float:
        """The longest step in floating-point arithmetic."""
        size = 1.0 if self.direction is not None else max(abs(float(x[self.index])), _SMALLEST)
        return 2.0**-4 * size

    @np.errstate(all="ignore")
    def moved(self, x: Any, step: Any) -> Any:
        """The parameter, an array or a number, after a step."""
        if self.direction is not None:
            return x + step * self.direction
        if not np.ndim(x):
            return x.item() + step
        x = x.copy()
        x[self.index] += step
        return x


def probes(position: int, x: Array, rng: np.random.Generator) -> list[Probe]:
    """Every entry of a small array; of a larger one some of them, and random directions."""
    if x.size <= SMALL:
        return [Probe(position, index) for index in np.ndindex(x.shape)]
    chosen = np.sort(rng.choice(x.size, ENTRIES, replace=False))
    size: Array = np.maximum(np.abs(x), _SMALLEST)
    directions: list[Array] = [size * rng.standard_normal(x.shape) for _ in range(DIRECTIONS)]
    places = np.transpose(np.unravel_index(chosen, x.shape)).tolist()
    return [Probe(position, None, d) for d in directions] + [
        Probe(position, tuple(place)) for place in places
    ]


def levels(values: Callable[[Any], list[float]], probe: Probe, x: Array) -> Levels:
    """Steps, each half as long as the one before, and the values above and below `x`."""
    step = probe.step(x)
    found: Levels = []
    for _ in range(_LEVELS):
        found.append((step, values(probe.moved(x, step)), values(probe.moved(x, -step))))
        step /= 2
    return found


def difference(found: Levels, output: int, elements: int) -> tuple[float, float]:
    """The derivative by central differences, Richardson extrapolated (Ridders 1982), and how
    much of it may be rounding. NaN if the differences do not settle: no derivative is there.

    `elements` is the number of parameters, which the value may be a sum over.
    """
    previous: list[float] = []
    best, best_error, best_step, largest = math.nan, math.inf, found[0][0], 0.0
    for step, highs, lows in found:
        above, below = highs[output], lows[output]
        largest = max(largest, abs(above), abs(below))
        row = [(above - below) / (2 * step)]
        for k, coarse in enumerate(previous):
            row.append(row[k] + (row[k] - coarse) / (4.0 ** (k + 1) - 1))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - coarse))
            if error < best_error:
                best, best_error, best_step = row[-1], error, step
        previous = row
    rounding = 2.0**-49 * max(1.0, math.sqrt(elements) / 8)
    resolution = max(_DIFFERENCE_RESOLUTION, rounding * largest / best_step)
    settled = best_error <= SETTLED * abs(best) + resolution
    return (best if settled else math.nan), resolution


class Exact:
    """Derivatives by differences in arithmetic of so many digits that they are exact to 50.

    `values` are the outputs at the point, in float64.
    """

    def __init__(self, fn: ir.Function, point: Sequence[Any], values: list[float]) -> None:
        self._fn = fn
        self._point = list(point)
        self._mpmath: Any = import_module("mpmath")
        with self._mpmath.workdps(3 * DIGITS):
            here = self._values(self._point) or values
            self._finite = [self._mpmath.mp.isfinite(value) for value in here]

    def slopes(self, probe: Probe) -> list[float | None]:
        """The derivative of each output; None where there is no finite one, or no reference."""
        x: Any = self._point[probe.position]
        with self._mpmath.workdps(3 * DIGITS):
            h = self._mpmath.mp.mpf(10) ** -DIGITS
            if probe.direction is None:
                h *= min(1.0, abs(float(x[probe.index]))) or 1.0
            pairs = zip(self._slopes(probe, h), self._slopes(probe, h / 2), strict=True)
            # Differences across a pole may agree, by symmetry; its value tells.
            return [
                _limit(coarse, fine) if finite else None
                for finite, (coarse, fine) in zip(self._finite, pairs, strict=True)
            ]

    def _slopes(self, probe: Probe, h: Any) -> list[Any]:
        mp = self._mpmath.mp
        x = _as_mp(self._point[probe.position], mp)
        shifted = [list(self._point) for _ in range(2)]
        shifted[0][probe.position] = probe.moved(x, h)
        shifted[1][probe.position] = probe.moved(x, -h)
        above, below = (self._values(point) for point in shifted)
        if above is None or below is None:
            return [math.nan] * len(self._fn.outputs)
        return [(a - b) / (2 * h) for a, b in zip(above, below, strict=True)]

    def _values(self, point: list[Any]) -> list[Any] | None:
        """The outputs; None off the domain, or for an operation without such a reference.

        What mpmath raises off the domain of a function is its own affair, so all is caught.
        """
        try:
            return ir.evaluate_exactly(self._fn, point, self._mpmath.mp)
        except Exception:
            return None


def _as_mp(x: Any, mp: Any) -> Any:
    """An array of mpmath's numbers."""
    numbers: Any = np.empty(np.shape(x), object)
    numbers.reshape(-1)[:] = [mp.mpf(number) for number in np.reshape(x, -1).tolist()]
    return numbers


def _limit(coarse: Any, fine: Any) -> float | None:
    """The derivative to which slopes with one step and with half of it point, if it is finite."""
    largest = max(abs(coarse), abs(fine))
    if not (abs(coarse - fine) <= SETTLED * largest or largest <= EXACT_RESOLUTION):
        return None
    try:
        slope = float(fine)
    except TypeError:  # complex
        return None
    return slope if math.isfinite(slope) else None
