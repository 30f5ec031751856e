"""Initial parameters. Numbers come from a NumPy generator, or from the seed of one.

Weights of layers written `X @ W` have the shape (n_in, n_out); the last two axes count, and axes
before these are further factors of both (a convolution's places). Where weights are written
`W @ x`, pass `fan=(n_in, n_out)`.

    >>> import numpy as np
    >>> from symdiff.learn import init
    >>> rng = np.random.default_rng(0)
    >>> W = init.xavier_normal((300, 100), rng)
    >>> W.shape, round(float(W.var() * (300 + 100)), 2)
    ((300, 100), 1.99)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError

Array = np.ndarray[Any, np.dtype[Any]]
Shape = int | Sequence[int]
Seed = int | np.random.Generator
Fan = tuple[int, int]

__all__ = [
    "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "normal", "output_bias",
    "uniform", "xavier_normal", "xavier_uniform", "zeros",
]  # fmt: skip


def zeros(shape: Shape) -> Array:
    """Zeros: what the biases of hidden layers begin with."""
    return np.zeros(shape)


def uniform(shape: Shape, rng: Seed, r: float) -> Array:
    """Numbers uniform in [-r, r)."""
    if not r > 0:
        raise ArgumentError(f"uniform: r={r!r} is to be above 0")
    return _generator(rng).uniform(-r, r, shape)


def normal(shape: Shape, rng: Seed, deviation: float) -> Array:
    """Normal numbers of mean 0 and the given standard deviation."""
    if not deviation > 0:
        raise ArgumentError(f"normal: deviation={deviation!r} is to be above 0")
    return _generator(rng).normal(0.0, deviation, shape)


def xavier_normal(shape: Shape, rng: Seed, fan: Fan | None = None) -> Array:
    """Normal numbers with variance 2 / (n_in + n_out), for tanh and sigmoid.

    Glorot and Bengio 2010, Understanding the difficulty of training deep feedforward networks.
    """
    n_in, n_out = _fan(shape, fan)
    return normal(shape, rng, math.sqrt(2.0 / (n_in + n_out)))


def xavier_uniform(shape: Shape, rng: Seed, fan: Fan | None = None) -> Array:
    """Numbers uniform in [-r, r), r = sqrt(6 / (n_in + n_out)): the same variance."""
    n_in, n_out = _fan(shape, fan)
    return uniform(shape, rng, math.sqrt(6.0 / (n_in + n_out)))


glorot_normal, glorot_uniform = xavier_normal, xavier_uniform


def he_normal(shape: Shape, rng: Seed, fan: Fan | None = None) -> Array:
    """Normal numbers with variance 2 / n_in, for relu.

    He, Zhang, Ren and Sun 2015, Delving deep into rectifiers, arXiv:1502.01852.
    """
    return normal(shape, rng, math.sqrt(2.0 / _fan(shape, fan)[0]))


def he_uniform(shape: Shape, rng: Seed, fan: Fan | None = None) -> Array:
    """Numbers uniform in [-r, r), r = sqrt(6 / n_in): the same variance."""
    return uniform(shape, rng, math.sqrt(6.0 / _fan(shape, fan)[0]))


def output_bias(targets: Any, kind: str = "mean", classes: int | None = None) -> Any:
    """The output bias that is best if all weights are 0.

    `targets` are those of the training data, examples along the first axis. `kind` says what the
    output is:

    - "mean": a regression with squared error; the mean target.
    - "logistic": the score of a logistic loss; the inverse sigmoid of the mean target.
    - "softmax": scores of classes, `targets` being whole numbers or one-hot rows; the logarithms
      of the frequencies. `classes` is their number, if it is more than the targets show.

    No frequency is taken to be nearer to 0 (or 1) than half an example would make it, so that no
    bias is infinite.

        >>> round(float(output_bias([1, 0, 0, 0], "logistic")), 4)
        -1.0986
        >>> np.exp(output_bias([0, 1, 1, 1], "softmax"))
        array([0.25, 0.75])
    """
    given = np.asarray(targets)
    if not given.shape or not given.shape[0]:
        raise ArgumentError("output_bias: expected at least one target, along the first axis")
    least = 0.5 / given.shape[0]
    if kind == "mean":
        return np.asarray(given.mean(axis=0))
    if kind == "logistic":
        if given.min() < 0 or given.max() > 1:
            raise ArgumentError("output_bias: targets of a logistic loss are between 0 and 1")
        mean = np.clip(given.mean(axis=0), least, 1.0 - least)
        return np.asarray(np.log(mean) - np.log1p(-mean))
    if kind == "softmax":
        frequencies = _frequencies(given, classes)
        return np.log(np.maximum(frequencies, least))
    raise ArgumentError(f'kind={kind!r}: expected "mean", "logistic" or "softmax"')


def _frequencies(targets: Array, classes: int | None) -> Array:
    if targets.ndim == 1 and targets.dtype.kind in "iub":
        if targets.min() < 0:
            raise ArgumentError("output_bias: classes are counted from 0")
        counts = np.bincount(targets.astype(np.int64), minlength=classes or 0)
    elif targets.ndim == 2:
        counts = targets.sum(axis=0)
    else:
        raise ArgumentError(
            "output_bias: targets of a softmax are whole numbers, or rows of probabilities"
        )
    if classes is not None and len(counts) != classes:
        raise ArgumentError(f"output_bias: {len(counts)} classes in the targets, not {classes}")
    return counts / len(targets)


def _generator(rng: Seed) -> np.random.Generator:
    return np.random.default_rng(rng)


def _fan(shape: Shape, fan: Fan | None) -> Fan:
    if fan is not None:
        return fan
    extents = (shape,) if isinstance(shape, int) else tuple(shape)
    if len(extents) < 2:
        raise ArgumentError(
            f"weights of shape {extents} do not say how many inputs and outputs there are; "
            "pass fan=(n_in, n_out)"
        )
    places = math.prod(extents[:-2])
    return extents[-2] * places, extents[-1] * places
