"""Gradient descent with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.learn.optim.base import Optimizer, Slots, dense
from symdiff.learn.optim.checks import flags, not_below_zero


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """p - lr g; with momentum p - lr b, where b = momentum b + g begins with 0.

    Nesterov's form steps along g + momentum b. Weight decay adds weight_decay p to g first.
    Sutskever, Martens, Dahl and Hinton 2013, in the form that `torch.optim.SGD` has (its
    dampening is 0).

    Attributes:
        momentum: the share of the last step's direction that is kept.
        nesterov: Nesterov's form of momentum.
        weight_decay: L2 regularisation: the gradient of weight_decay |p|^2 / 2.
    """

    lr: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        not_below_zero(self, "lr", "momentum", "weight_decay")
        flags(self, "nesterov")
        if self.nesterov and not self.momentum:
            raise ArgumentError("SGD: nesterov=True needs a momentum above 0")

    def slots(self, leaf: Any) -> Slots:
        """The direction, if there is momentum."""
        return {"momentum": np.zeros_like(leaf)} if self.momentum else {}

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """The parameter after a step, and its direction."""
        g = decayed(dense(g, self), p, self.weight_decay)
        if not self.momentum:
            return p - lr * g, {}
        buffer = self.momentum * slots["momentum"] + g
        direction = g + self.momentum * buffer if self.nesterov else buffer
        return p - lr * direction, {"momentum": buffer}


def decayed(g: Any, p: Any, weight_decay: float) -> Any:
    """The gradient with that of weight_decay |p|^2 / 2 added."""
    return g + weight_decay * p if weight_decay else g
