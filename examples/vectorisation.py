"""The lecture's example of vectorisation: the scores of 500 windows, d = 300, for C = 5 classes.

One window after the other, all of them as one matrix, and one window's function mapped over all of
them by `vmap`, which makes the product of matrices out of the products with vectors.

Run it: python examples/vectorisation.py
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import symdiff as sd

N, D, C = 500, 300, 5


@dataclass
class Way:
    """A way of doing it: what it gives, C x N, and the seconds that it takes."""

    name: str
    scores: Any
    seconds: float


def measure(repeats: int = 200, rounds: int = 5) -> list[Way]:
    """All ways, with their best times. Kernels write into memory that is there already."""
    rng = np.random.default_rng(0)
    W = rng.random((C, D))
    windows = [rng.random(D) for _ in range(N)]
    matrix = np.ascontiguousarray(np.stack(windows, axis=1))

    def score(W: Any, x: Any) -> Any:
        return W @ x

    one = sd.compile(score, args={"W": f"f64[{C},{D}]", "x": f"f64[{D}]"})
    whole = sd.compile(score, args={"W": f"f64[{C},{D}]", "x": f"f64[{D},{N}]"}).bind(W, matrix)
    every: Any = sd.vmap(score, in_axes=(None, 1), args={"W": f"f64[{C},{D}]", "x": f"f64[{D}]"})
    mapped = sd.compile(every).bind(W, matrix)

    ways: list[tuple[str, Callable[[], Any], int]] = [
        ("one by one, NumPy", lambda: [W @ x for x in windows], repeats // 10),
        ("one by one, symdiff", lambda: [one(W, x) for x in windows], repeats // 10),
        ("one matrix, NumPy", lambda: W @ matrix, repeats),
        ("one matrix, symdiff", whole, repeats),
        ("vmap, symdiff", mapped, repeats),
    ]
    found = {name: run() for name, run, _ in ways}
    best = dict.fromkeys(found, np.inf)
    for _ in range(rounds):  # in turns, so that a busy moment of the machine hits all of them
        for name, run, count in ways:
            best[name] = min(best[name], timeit.timeit(run, number=count) / count)
    return [Way(name, in_columns(name, found[name]), best[name]) for name in found]


def in_columns(name: str, scores: Any) -> Any:
    """The scores as C x N; all but the products of matrices have a row for each window."""
    return scores if "matrix" in name else np.stack(list(scores), axis=1)


def main() -> None:
    ways = measure()
    for way in ways:
        print(f"{way.name:20} {way.seconds * 1e6:7.1f} us")


if __name__ == "__main__":
    main()
