"""What is measured: workloads, and the ways of doing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, cast

import numpy as np

Inputs = Mapping[str, Any]
Kind = Literal["symdiff", "limit", "by hand", "automatic"]

AGREEMENT: Final = 1e-10  # of results, relative to the largest element of each


class Workload(NamedTuple):
    """Something to be computed.

    Attributes:
        suite: "calls", "batches" or "tensors".
        title: what it is, for tables.
        inputs: the operands by name, in order, drawn from a fixed seed.
        points: how many points one call computes.
    """

    suite: str
    title: str
    inputs: Callable[[], dict[str, Any]]
    points: int = 1


class Ready(NamedTuple):
    """A contender that is ready to be called.

    Attributes:
        function: what is timed.
        operands: its arguments.
        results: from what it returns to the results in the workload's order, as arrays; by
            default the leaves of the tuples that it returns.
    """

    function: Callable[..., Any]
    operands: Sequence[Any] = ()
    results: Callable[[Any], Any] | None = None


Maker = Callable[[Inputs, int], Ready]


@dataclass(frozen=True)
class Way:
    """One way of doing a workload.

    Attributes:
        make: from inputs and the number of threads to what is timed.
        kind: whose work it is: symdiff's, the limit that C sets, code by hand, an automatic peer's.
        parallel: it can use several threads.
        packages: what is imported before the clock of "ready" starts.
    """

    make: Maker
    kind: Kind = "automatic"
    parallel: bool = False
    packages: tuple[str, ...] = ()


Ways = dict[str, dict[str, Way]]  # by workload, by label


def leaves(result: Any) -> list[Any]:
    """The arrays and numbers in whatever structure a package hands back."""
    if isinstance(result, (tuple, list)):
        parts = cast("Iterable[Any]", result)
        return [leaf for part in parts for leaf in leaves(part)]
    return [np.asarray(result, float)]


def difference(found: Sequence[Any], expected: Sequence[Any]) -> float:
    """The largest difference, relative to the largest element of each expected block.

    What is found may come in other blocks, as long as it has the elements in that order.

    Raises:
        ValueError: there are more elements than expected, or fewer.
    """
    flat = np.concatenate([np.ravel(block) for block in found])
    if flat.size != sum(np.size(block) for block in expected):
        raise ValueError(f"{flat.size} results instead of {sum(map(np.size, expected))}")
    worst, start = 0.0, 0
    for block in expected:
        here = flat[start : start + np.size(block)]
        start += np.size(block)
        scale = float(np.max(np.abs(block), initial=0.0)) or 1.0
        error = float(np.max(np.abs(here - np.ravel(block)), initial=0.0)) / scale
        worst = float(np.maximum(worst, error))  # which keeps a NaN
    return worst
