"""Whole numbers that are sums of indices: what is known of them without running a loop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any


class Index:
    """The index of a loop: the whole numbers from `low` to `high`.

    The range covers all values that the index has anywhere, whatever the outer indices are. It may
    become narrower (`tighten`) until the first array along the index is built, of which element k
    belongs to the value `low + k`. `level` orders indices: outer loops come first.
    """

    __slots__ = ("high", "level", "low", "name")

    def __init__(self, name: str, level: int, low: int, high: int) -> None:
        self.name = name
        self.level = level
        self.low = low
        self.high = high

    @property
    def extent(self) -> int:
        return max(0, self.high - self.low + 1)

    @property
    def range(self) -> tuple[int, int]:
        return self.low, self.high

    @range.setter
    def range(self, ends: tuple[int, int]) -> None:
        self.low, self.high = ends


def by_level(indices: Iterable[Index]) -> tuple[Index, ...]:
    """The indices, each once, outer loops first."""
    return tuple(sorted(set(indices), key=lambda index: index.level))


@dataclass(frozen=True, eq=False, slots=True)
class Affine:
    """The whole number `offset` plus a multiple of each index in `terms`, none of them zero."""

    offset: int
    terms: tuple[tuple[Index, int], ...] = ()
    type: Any = None  # what a value has: an array or a number

    @staticmethod
    def of(index: Index) -> Affine:
        return Affine(0, ((index, 1),))

    def plus(self, other: Affine, factor: int = 1) -> Affine:
        """The number plus `factor` times the other."""
        factors = dict(self.terms)
        for index, n in other.terms:
            factors[index] = factors.get(index, 0) + factor * n
        terms = tuple((index, n) for index, n in factors.items() if n)
        return Affine(self.offset + factor * other.offset, terms)

    def minus(self, other: Affine) -> Affine:
        return self.plus(other, -1)

    def times(self, factor: int) -> Affine:
        return Affine(0).plus(self, factor)

    @property
    def indices(self) -> tuple[Index, ...]:
        return tuple(index for index, _ in self.terms)

    @property
    def bounds(self) -> tuple[int, int]:
        """The least and the greatest value, each index running freely over its range."""
        low = high = self.offset
        for index, n in self.terms:
            low += n * (index.low if n > 0 else index.high)
            high += n * (index.high if n > 0 else index.low)
        return low, high

    def __str__(self) -> str:
        parts = [_term(index.name, n) for index, n in self.terms]
        if self.offset or not parts:
            parts.append(f"{self.offset:+d}")
        return "".join(parts).removeprefix("+")


def _term(name: str, factor: int) -> str:
    sign = "-" if factor < 0 else "+"
    return f"{sign}{name}" if abs(factor) == 1 else f"{sign}{abs(factor)}*{name}"


def tighten(conditions: Sequence[Affine], free: Collection[Index]) -> bool:
    """Narrow the ranges of the indices in `free` to where all `conditions` can be 0 or more.

    Returns whether any values are left, as far as the ranges alone can tell.
    """
    for _ in range(2 * len(free) + 2):
        changed = False
        for condition in conditions:
            _, most = condition.bounds
            if most < 0:
                return False
            for index, n in condition.terms:
                if index not in free:
                    continue
                rest = most - n * (index.high if n > 0 else index.low)  # of all other terms
                low, high = index.range
                index.range = (
                    (max(low, -(rest // n)), high) if n > 0 else (low, min(high, rest // -n))
                )
                if index.low > index.high:
                    return False
                changed = changed or index.range != (low, high)
        if not changed:
            break
    return all(index.extent for index in free)


def narrow(conditions: Sequence[Affine], free: Collection[Index]) -> None:
    """Narrow the ranges of the indices in `free`; they are empty where no values are left."""
    if not tighten(conditions, free):
        for index in free:
            index.high = index.low - 1


def ruled_out(conditions: Sequence[Affine], indices: Iterable[Index]) -> bool:
    """Whether it is certain that no values of `indices` make every condition 0 or more."""
    free = by_level(indices)
    kept = [index.range for index in free]
    possible = tighten(conditions, free)
    for index, ends in zip(free, kept, strict=True):
        index.range = ends
    return not possible


def some_point(conditions: Sequence[Affine], indices: Iterable[Index]) -> dict[Index, int] | None:
    """Values of `indices` for which every condition is 0 or more.

    None where there are none, or where a search from the ends of the ranges finds none.
    """
    free = by_level(indices)
    kept = [index.range for index in free]
    try:
        if not tighten(conditions, free):
            return None
        for index in free:
            if not any(_settled(conditions, free, index, end) for end in index.range):
                return None
        point = {index: index.low for index in free}
        return point if all(c.bounds[0] >= 0 for c in conditions) else None
    finally:
        for index, ends in zip(free, kept, strict=True):
            index.range = ends


def _settled(
    conditions: Sequence[Affine], free: tuple[Index, ...], index: Index, value: int
) -> bool:
    """Fix `index` at `value`, if that leaves values for the others; else change nothing."""
    kept = [i.range for i in free]
    index.range = value, value
    if tighten(conditions, free):
        return True
    for i, ends in zip(free, kept, strict=True):
        i.range = ends
    return False
