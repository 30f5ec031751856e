"""Losses and penalties: functions of traced values or arrays that return one number.

>>> import numpy as np
>>> from symdiff.learn import losses
>>> scores = np.array([[2.0, 0.0], [0.0, 0.0]])
>>> round(float(losses.softmax_cross_entropy(scores, np.array([0, 1]))), 6)
0.410038
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from symdiff import numpy as sdnp
from symdiff.errors import ArgumentError, ShapeError
from symdiff.learn.structures import Patterns, by_path, chosen, is_real

__all__ = ["l1", "l2", "logistic", "mean_squared_error", "softmax_cross_entropy"]


def softmax_cross_entropy(scores: Any, labels: Any) -> Any:
    """The mean of -log softmax(scores)[label] over all examples.

    Classes are the last axis of `scores`. `labels` are whole numbers, of the shape of `scores`
    without that axis; or one-hot rows (or any probabilities) of the shape of `scores`.

    Raises:
        ShapeError: the shapes fit neither.
        IndexRangeError: a label is not one of the classes, found when a kernel runs.
    """
    logs = sdnp.log_softmax(scores, axis=-1)
    shape, given = np.shape(logs), np.shape(labels)
    if given == shape:
        return -np.sum(labels * logs) / max(1, _count(shape[:-1]))
    if given != shape[:-1] or is_real(labels):
        raise ShapeError(
            f"softmax_cross_entropy: scores of shape {shape} take integer labels of shape "
            f"{shape[:-1]}, or probabilities of shape {shape}; got labels of shape {given}"
        )
    if not given:
        return -logs[labels]
    flat = np.reshape(logs, (-1, shape[-1]))
    picked = flat[np.arange(flat.shape[0]), np.reshape(labels, (-1,))]
    return -np.mean(picked)


def logistic(scores: Any, targets: Any) -> Any:
    """The mean of -log P(target) where P(1) = sigmoid(score); targets are 0 or 1, or between.

    It is log(1 + exp(s)) - t s, which neither overflows nor cancels.

        >>> round(float(logistic(np.array([0.0, 800.0]), np.array([1, 1]))), 6)
        0.346574
    """
    if np.shape(scores) != np.shape(targets):
        raise ShapeError(
            f"logistic: scores of shape {np.shape(scores)} and targets of shape "
            f"{np.shape(targets)} are to be the same"
        )
    return cast("Any", np.mean(sdnp.softplus(scores) - targets * scores))


def mean_squared_error(predictions: Any, targets: Any) -> Any:
    """The mean of the squared differences."""
    if np.shape(predictions) != np.shape(targets):
        raise ShapeError(
            f"mean_squared_error: predictions of shape {np.shape(predictions)} and targets of "
            f"shape {np.shape(targets)} are to be the same"
        )
    return cast("Any", np.mean((predictions - targets) ** 2))


def l2(params: Any, leaves: Patterns | None = None) -> Any:
    """The sum of squares of the elements of `params`: to be added to a loss, times a factor.

    `leaves` are paths or patterns (`"layers.*.W"`) of those that count; all by default.

        >>> params = {"W": np.array([1.0, 2.0]), "b": np.array([5.0])}
        >>> float(l2(params)), float(l2(params, "W"))
        (30.0, 5.0)
    """
    parts: list[Any] = [np.sum(leaf * leaf) for leaf in _leaves(params, leaves, "l2")]
    return sum(parts)


def l1(params: Any, leaves: Patterns | None = None) -> Any:
    """The sum of absolute values; as `l2`. Its derivative at 0 is 0."""
    parts: list[Any] = [np.sum(np.abs(leaf)) for leaf in _leaves(params, leaves, "l1")]
    return sum(parts)


def _leaves(params: Any, patterns: Patterns | None, what: str) -> list[Any]:
    found = {path: leaf for path, leaf in by_path(params)[1].items() if is_real(leaf)}
    if not found:
        raise ArgumentError(f"{what}: there are no floating-point parameters")
    if patterns is None:
        return list(found.values())
    return [found[path] for path in chosen(patterns, list(found), what)]


def _count(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))
