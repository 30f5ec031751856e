"""Adam for tables of which a step sees some rows only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.learn.optim.base import Optimizer, Slots
from symdiff.learn.optim.checks import not_below_zero, two_fractions
from symdiff.learn.rows import Rows


@dataclass(frozen=True, kw_only=True)
class SparseAdam(Optimizer):
    """Adam on the rows that the minibatch looked up; other rows, and their means, stay as they are.

    The step of a row is lr sqrt(1 - betas[1]^t) / (1 - betas[0]^t) m / (sqrt(v) + eps), t being the
    number of all steps, not of those that saw the row: `torch.optim.SparseAdam`. Unlike Adam's, its
    eps is added to sqrt(v) without the correction of v's bias. A row that was looked up several
    times gets one step with the sum of its gradients.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    sparse: ClassVar[bool] = True

    def __post_init__(self) -> None:
        not_below_zero(self, "lr", "eps")
        two_fractions(self, "betas")

    def slots(self, leaf: Any) -> Slots:
        """Both running means, of all rows."""
        if not leaf.shape:
            raise ArgumentError("SparseAdam is for tables of rows, not for single numbers")
        return {"m": np.zeros_like(leaf), "v": np.zeros_like(leaf)}

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """The table after a step, and the running means."""
        if not isinstance(g, Rows):
            raise ArgumentError("SparseAdam takes Rows for a gradient; use Adam for a dense one")
        first, second = self.betas
        m, v = g.of(slots["m"]), g.of(slots["v"])
        # Written as additions, so that the tables can be changed where they are.
        dm = (1.0 - first) * (g.values - m)
        dv = (1.0 - second) * (g.values * g.values - v)
        rate = lr * np.sqrt(1.0 - second**t) / (1.0 - first**t)
        step = -rate * ((m + dm) / (np.sqrt(v + dv) + self.eps))
        made = {"m": g.added(slots["m"], dm), "v": g.added(slots["v"], dv)}
        return g.added(p, step), made
