"""Gradients cut down to size, against steps that explode.

>>> import numpy as np
>>> from symdiff.learn import clipping
>>> clipped = clipping.by_global_norm(1.0)({"W": np.array([3.0]), "b": np.array([4.0])})
>>> [float(g[0].round(4)) for g in clipped.values()]
[0.6, 0.8]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

import numpy as np

from symdiff.learn.options import expect, is_number
from symdiff.learn.rows import Rows
from symdiff.learn.structures import Leaves, like

__all__ = ["Clip", "by_global_norm", "by_value", "global_norm"]

_TINY: Final = 1e-6  # what PyTorch's clip_grad_norm_ adds to the norm


@dataclass(frozen=True)
class Clip:
    """A change of the gradients, by their paths.

    Attributes:
        text: how it was written.
        change: the function.
    """

    text: str
    change: Callable[[Leaves], Leaves]

    def __call__(self, gradients: Leaves) -> Leaves:
        """The gradients, changed."""
        return self.change(gradients)

    def __repr__(self) -> str:
        return self.text


def global_norm(gradients: Leaves) -> Any:
    """The norm of all gradients as one vector; rows that were looked up twice count as one."""
    scale, relative = _norm(gradients)
    return scale * relative


def by_global_norm(limit: float) -> Clip:
    """All gradients times min(1, limit / (norm + 1e-6)), the norm being that of all together.

    Pascanu, Mikolov and Bengio 2013, arXiv:1211.5063; as `torch.nn.utils.clip_grad_norm_`, but for
    finite gradients whose squares, or whose norm, are beyond the largest number: these are clipped
    like others.
    """
    _check(limit)

    def change(gradients: Leaves) -> Leaves:
        scale, relative = _norm(gradients)
        unit = np.maximum(scale, 1.0)  # of both sides of the quotient: the norm may be beyond range
        factor = np.minimum(1.0, (limit / unit) / (relative * (scale / unit) + _TINY / unit))
        return _mapped(lambda g: g * like(factor, g), gradients)

    return Clip(f"by_global_norm({limit!r})", change)


def by_value(limit: float) -> Clip:
    """Every element within [-limit, limit]; as `torch.nn.utils.clip_grad_value_`."""
    _check(limit)
    return Clip(
        f"by_value({limit!r})",
        lambda gradients: _mapped(lambda g: np.clip(g, -limit, limit), gradients),
    )


def _check(limit: float) -> None:
    expect(is_number(limit) and limit > 0, "clip: limit", limit, "a finite number above 0")


def _norm(gradients: Leaves) -> tuple[Any, Any]:
    """The norm as a product: the largest absolute value, and the norm of all divided by it.

    No square overflows, nor vanishes where it counts. Without a largest one that is above 0 and
    finite nothing is divided.
    """
    values = [v for v in map(_values, gradients.values()) if 0 not in np.shape(v)]
    largest: Any = reduce(np.maximum, [np.max(np.abs(v)) for v in values], 0.0)
    scale = np.where((largest > 0.0) & (largest < np.inf), largest, 1.0)
    parts: list[Any] = [np.sum(np.square(v / scale)) for v in values]
    return scale, np.sqrt(sum(parts))


def _values(gradient: Any) -> Any:
    return gradient.values if isinstance(gradient, Rows) else gradient


def _mapped(change: Callable[[Any], Any], gradients: Leaves) -> Leaves:
    return {
        path: g.with_values(change(g.values)) if isinstance(g, Rows) else change(g)
        for path, g in gradients.items()
    }
