"""Optimisers with a learning rate for every element: Adagrad, RMSprop, Adam, AdamW."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.learn.optim.base import Optimizer, Slots, dense
from symdiff.learn.optim.checks import flags, fraction, not_below_zero, two_fractions
from symdiff.learn.optim.descent import decayed


@dataclass(frozen=True, kw_only=True)
class Adagrad(Optimizer):
    """p - lr' g / (sqrt(s) + eps), where s is the sum of all g^2.

    Duchi, Hazan and Singer 2011; `torch.optim.Adagrad`, with lr' = lr / (1 + (t - 1) lr_decay).
    """

    lr: float = 1e-2
    lr_decay: float = 0.0
    weight_decay: float = 0.0
    initial_accumulator_value: float = 0.0
    eps: float = 1e-10

    def __post_init__(self) -> None:
        not_below_zero(self, "lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")

    def slots(self, leaf: Any) -> Slots:
        """The sum of squares."""
        return {"sum": np.full_like(leaf, self.initial_accumulator_value)}

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """The parameter after a step, and the sum of squares."""
        g = decayed(dense(g, self), p, self.weight_decay)
        rate = lr / (1.0 + (t - 1.0) * self.lr_decay) if self.lr_decay else lr
        total = slots["sum"] + g * g
        return p - rate * (g / (np.sqrt(total) + self.eps)), {"sum": total}


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimizer):
    """p - lr g / (sqrt(v) + eps), where v = alpha v + (1 - alpha) g^2.

    Tieleman and Hinton 2012, lecture 6.5; `torch.optim.RMSprop`. Centered (Graves 2013,
    arXiv:1308.0850), v is less the square of a running mean of g; a difference that rounding
    takes below 0 counts as 0. With momentum, b = momentum b + g / (sqrt(v) + eps) is stepped along.
    """

    lr: float = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False

    def __post_init__(self) -> None:
        not_below_zero(self, "lr", "eps", "weight_decay", "momentum")
        fraction(self, "alpha")
        flags(self, "centered")

    def slots(self, leaf: Any) -> Slots:
        """The running mean of squares; that of gradients, and the direction, where asked for."""
        names = ["square"]
        names += ["mean"] if self.centered else []
        names += ["momentum"] if self.momentum else []
        return {name: np.zeros_like(leaf) for name in names}

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """The parameter after a step, and its slots."""
        g = decayed(dense(g, self), p, self.weight_decay)
        made: Slots = {"square": self.alpha * slots["square"] + (1.0 - self.alpha) * (g * g)}
        square = made["square"]
        if self.centered:
            made["mean"] = self.alpha * slots["mean"] + (1.0 - self.alpha) * g
            square = np.maximum(square - made["mean"] * made["mean"], 0.0)
        direction = g / (np.sqrt(square) + self.eps)
        if self.momentum:
            direction = made["momentum"] = self.momentum * slots["momentum"] + direction
        return p - lr * direction, made


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """p - lr m' / (sqrt(v') + eps), of running means m of g and v of g^2 without their bias.

    m' = m / (1 - betas[0]^t), v' = v / (1 - betas[1]^t). Kingma and Ba 2015, arXiv:1412.6980;
    `torch.optim.Adam`. `amsgrad` takes the largest v so far (Reddi, Kale and Kumar 2018). Weight
    decay adds weight_decay p to g.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False

    def __post_init__(self) -> None:
        not_below_zero(self, "lr", "eps", "weight_decay")
        two_fractions(self, "betas")
        flags(self, "amsgrad")

    def slots(self, leaf: Any) -> Slots:
        """Both running means, and the largest second one where it counts."""
        names = ["m", "v", *(["largest"] if self.amsgrad else [])]
        return {name: np.zeros_like(leaf) for name in names}

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """The parameter after a step, and the running means."""
        return self._stepped(p, decayed(dense(g, self), p, self.weight_decay), slots, lr, t)

    def _stepped(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        first, second = self.betas
        made: Slots = {
            "m": first * slots["m"] + (1.0 - first) * g,
            "v": second * slots["v"] + (1.0 - second) * (g * g),
        }
        v = made["v"]
        if self.amsgrad:
            v = made["largest"] = np.maximum(slots["largest"], v)
        # Numbers that are the same for all elements are put together: one division an element.
        scale = np.sqrt(1.0 - second**t)
        rate = lr / (1.0 - first**t) * scale
        return p - rate * made["m"] / (np.sqrt(v) + self.eps * scale), made


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam after p - lr weight_decay p: weight decay apart from the gradient.

    Loshchilov and Hutter 2019, arXiv:1711.05101; `torch.optim.AdamW`.
    """

    weight_decay: float = 1e-2

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """The parameter after a step, and the running means."""
        return self._stepped(p * (1.0 - lr * self.weight_decay), dense(g, self), slots, lr, t)
