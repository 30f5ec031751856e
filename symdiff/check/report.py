"""What a check finds: a row per output and parameter, and the report of all rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from symdiff import ir

_SHORT: Final = 12  # elements of an array that may be written out
_WIDTH: Final = 60  # characters that it may take


@dataclass(frozen=True, slots=True)
class Row:
    """The derivative of one output with respect to one parameter, at one point.

    For an array it is the derivative that is the most wrong of those that were looked at: entries,
    and derivatives along random directions. An output that is an array is multiplied with a random
    cotangent, and the products are added.

    Attributes:
        output, parameter: what is differentiated with respect to what.
        gradient: symdiff's derivative.
        difference: by central differences, Richardson extrapolated; NaN where they do not settle,
            at a pole or a jump.
        exact: with 50 digits, rounded; None where an operation has no such reference, there is no
            finite derivative, or it would take too long.
        error: relative difference of `gradient` from the best reference, NaN without one. What
            may be rounding alone is relative to the largest entry of the gradient.
        passed: whether all are right enough; without a reference nothing speaks against it.
        absolute: the largest absolute difference from a reference, NaN without one.
        shape: of the parameter.
        index: the entry of the parameter; None for a number, and for a random direction.
        entries, directions: how many were looked at.
        output_shape: of the output.
        plain: by central differences with a step of 1e-4 alone, (f(x + h) - f(x - h)) / 2h: good
            to some 8 digits where the function is tame. Shown for comparison; nothing is judged
            by it.
    """

    output: str
    parameter: str
    gradient: float
    difference: float
    exact: float | None
    error: float
    passed: bool
    absolute: float = math.nan
    shape: tuple[int, ...] = ()
    index: tuple[int, ...] | None = None
    entries: int = 1
    directions: int = 0
    output_shape: tuple[int, ...] = ()
    plain: float = math.nan

    @property
    def reference(self) -> float | None:
        """The best reference, if there is one."""
        if self.exact is not None:
            return self.exact
        return self.difference if math.isfinite(self.difference) else None

    @property
    def verdict(self) -> str:
        """In words: "ok", "FAILED", "no reference", or "empty" for an array without elements."""
        if not self.passed:
            return "FAILED"
        if not self.entries:
            return "empty"
        return "no reference" if self.reference is None else "ok"

    @property
    def label(self) -> str:
        """The derivative as it is written: `d value / d W[8,4]`."""
        output = f"sum(c * {self.output})" if self.output_shape else self.output
        return f"d {output} / d {self.parameter}{_brackets(self.shape)}"

    @property
    def place(self) -> str:
        """Where in an array the derivative is; "" for a number."""
        if not self.shape or not self.entries:
            return ""
        return "in a random direction" if self.index is None else f"at {_brackets(self.index)}"

    @property
    def extent(self) -> str:
        """How much of an array was looked at; "" for a number."""
        size = math.prod(self.shape)
        if not self.shape or not size:
            return ""
        entries = f"all {size}" if self.entries == size else f"{self.entries} of {size}"
        more = f", {self.directions} directions" if self.directions else ""
        return f"{entries} entries{more}"

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        if not self.entries:
            return f"{self.label}: no entries"
        line = " ".join(part for part in (self.label, self.place) if part) + f" = {self.gradient!r}"
        facts = ["no reference"]
        if self.reference is not None:
            facts = [f"reference {self.reference!r}", f"relative error {self.error:.1e}"]
        if self.shape and self.reference is not None:
            facts.append(f"absolute {self.absolute:.1e}")
        if self.shape:
            facts.append(self.extent)
        line += f"  ({', '.join(facts)})"
        return line if self.passed else f"{line}  FAILED"


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of a check: where it was made, and a row per output and parameter.

    Attributes:
        at: the point: numbers, arrays and structures of them.
        rows: the derivatives.
        skipped: parameters and outputs that have no derivatives, with their types.
    """

    at: Mapping[str, Any]
    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every derivative agrees with its reference, where there is one."""
        return all(row.passed for row in self.rows)

    @property
    def notes(self) -> list[str]:
        """What there is to say about how the rows came about."""
        notes = [f"not differentiated: {', '.join(self.skipped)}"] if self.skipped else []
        if any(row.output_shape for row in self.rows):
            notes.append("c: random cotangents, one for each element of the output")
        return notes

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        where = ", ".join(f"{name}={brief(value)}" for name, value in self.at.items())
        lines = [f"{'passed' if self.passed else 'FAILED'} at {where}"]
        lines += [f"  {line}" for line in (*self.rows, *self.notes)]
        return "\n".join(lines)


def _brackets(numbers: Sequence[int]) -> str:
    return f"[{','.join(map(str, numbers))}]" if numbers else ""


def brief(value: Any) -> str:
    """An argument in a few words: short arrays written out, of others their types."""
    if isinstance(value, np.ndarray):
        array = cast("Any", value)
        written = repr(array.tolist()) if array.size <= _SHORT else ""
        return (
            written
            if 0 < len(written) <= _WIDTH
            else f"{ir.dtype_named(array.dtype)}{_brackets(array.shape)}"
        )
    if isinstance(value, float):
        return repr(float(value))
    tree, leaves = ir.destructure(value)
    return repr(value) if isinstance(tree, ir.Leaf) else f"<{len(leaves)} arrays and numbers>"
