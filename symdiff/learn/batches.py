"""Data in minibatches: shuffled by a seed, copied into memory that is used again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from symdiff.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]


class Batches:
    """The examples of a data set, in a new order every epoch.

    The order depends on the seed and the number of the epoch alone, so that training goes on from
    a checkpoint as if it had never stopped. The last batch of an epoch has what examples are left.

    Attributes:
        arrays: the data, examples along the first axis.
        count: the number of examples.
        size: of a batch, in examples.
    """

    def __init__(self, arrays: tuple[Array, ...], size: int, seed: int) -> None:
        self.arrays = arrays
        self.count = len(arrays[0])
        self.size = min(size, self.count)
        self._seed = seed
        self._memory: dict[int, tuple[Array, ...]] = {}

    def __len__(self) -> int:
        """The number of batches of an epoch."""
        return -(-self.count // self.size)

    def memory(self, size: int) -> tuple[Array, ...]:
        """The arrays that batches of `size` examples are copied into."""
        if size not in self._memory:
            self._memory[size] = tuple(np.empty((size, *a.shape[1:]), a.dtype) for a in self.arrays)
        return self._memory[size]

    def order(self, epoch: int) -> Array:
        """The examples in the order of an epoch, which is counted from 0."""
        return np.random.default_rng([self._seed, epoch]).permutation(self.count)

    def epoch(self, epoch: int) -> Iterator[int]:
        """The size of one batch after the other, each in its `memory`."""
        order = self.order(epoch)
        for start in range(0, self.count, self.size):
            picked = order[start : start + self.size]
            for source, target in zip(self.arrays, self.memory(len(picked)), strict=True):
                # mode="clip" since NumPy buffers what it writes to `out` otherwise.
                np.take(source, picked, axis=0, out=target, mode="clip")
            yield len(picked)


def data_arrays(data: Any, names: list[str], what: str) -> tuple[Array, ...]:
    """`data` as arrays of real numbers of equal length, one for each of the loss's parameters.

    Raises:
        ArgumentError: there are more or fewer, they differ in length, or are no numbers.
    """
    given = cast("tuple[Any, ...]", data if isinstance(data, tuple) else (data,))
    if len(given) != len(names):
        raise ArgumentError(
            f"{what}: the loss takes {len(names)} arrays of a batch ({', '.join(names)}), "
            f"got {len(given)}"
        )
    arrays: list[Array] = []
    for name, array in zip(names, given, strict=True):
        made = np.ascontiguousarray(array)
        if made.dtype.kind not in "biuf":
            raise ArgumentError(f"{what}: {name} has no real numbers but {made.dtype}")
        if made.dtype.kind in "iu":
            made = made.astype(np.int64)
        elif made.dtype.kind == "f" and made.dtype != np.float32:
            made = made.astype(np.float64)
        arrays.append(made)
    lengths = {
        name: np.shape(a)[0] if np.ndim(a) else 0 for name, a in zip(names, given, strict=True)
    }
    if len(set(lengths.values())) > 1 or not arrays or not min(lengths.values()):
        shown = ", ".join(f"{name}: {n}" for name, n in lengths.items()) or "nothing"
        raise ArgumentError(
            f"{what}: expected arrays with as many examples each, at least one, along the first "
            f"axis; got {shown}"
        )
    return tuple(arrays)
