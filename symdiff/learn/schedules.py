"""Learning rates over time: functions of t, the epochs that have passed.

`learn.fit` asks for the rate before every step, so t is 2.5 in the middle of the third epoch. Any
function of t will do; those here print as what they are, and combine:

    >>> from symdiff.learn import schedules
    >>> rate = schedules.warmup(3, schedules.halving(0.1, every=10))
    >>> rate(0.0), rate(1.5), rate(9.0), rate(10.0), rate(25.0)
    (0.0, 0.05, 0.1, 0.05, 0.025)
    >>> half = 0.5 * rate
    >>> half(25.0)
    0.0125
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from symdiff.errors import ArgumentError

_ROUNDING: Final = 2.5 * sys.float_info.epsilon

Rate = Callable[[float], float]

__all__ = [
    "Schedule", "chain", "constant", "cosine", "cyclic", "exponential", "halving", "warmup",
]  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """A learning rate as a function of the epochs that have passed.

    Attributes:
        text: how it was written.
        rate: the function.
    """

    text: str
    rate: Rate

    def __call__(self, t: float) -> float:
        """The learning rate after `t` epochs."""
        return self.rate(t)

    def __repr__(self) -> str:
        return self.text

    def __mul__(self, factor: float | Schedule) -> Schedule:
        """The product with a number, or with another schedule at the same time."""
        other = factor if isinstance(factor, Schedule) else constant(factor)
        shown = f"{other}" if isinstance(factor, Schedule) else f"{factor!r}"
        return Schedule(f"{self} * {shown}", lambda t: self(t) * other(t))

    __rmul__ = __mul__


def constant(lr: float) -> Schedule:
    """lr, always."""
    return Schedule(f"constant({lr!r})", lambda t: lr)


def halving(lr0: float, every: float) -> Schedule:
    """lr0, halved after every `every` epochs: lr0 / 2**floor(t / every).

    Times that are a multiple of `every` but for rounding are one:

        >>> halving(1.0, every=0.1)(0.3)
        0.125
    """
    _above_zero("halving", every=every)
    return Schedule(
        f"halving({lr0!r}, every={every!r})", lambda t: lr0 * 0.5 ** _whole_periods(t, every)
    )


def exponential(lr0: float, k: float) -> Schedule:
    """lr0 exp(-k t)."""
    return Schedule(f"exponential({lr0!r}, k={k!r})", lambda t: lr0 * math.exp(-k * t))


def cosine(lr0: float, epochs: float, low: float = 0.0) -> Schedule:
    """From lr0 down to `low` along half a cosine in `epochs` epochs, then `low`.

    low + (lr0 - low) (1 + cos(pi t / epochs)) / 2: Loshchilov and Hutter 2017, arXiv:1608.03983,
    without restarts.
    """
    _above_zero("cosine", epochs=epochs)

    def rate(t: float) -> float:
        return low + 0.5 * (lr0 - low) * (1.0 + math.cos(math.pi * min(t / epochs, 1.0)))

    return Schedule(f"cosine({lr0!r}, epochs={epochs!r}, low={low!r})", rate)


def cyclic(low: float, high: float, period: float) -> Schedule:
    """Straight up from `low` to `high` and down again, once in every `period` epochs.

    The triangular policy of Smith 2017, arXiv:1506.01186; its step size is half a period.

        >>> rate = cyclic(0.1, 0.3, period=4)
        >>> [round(rate(t), 3) for t in (0, 1, 2, 3, 4)]
        [0.1, 0.2, 0.3, 0.2, 0.1]
    """
    _above_zero("cyclic", period=period)

    def rate(t: float) -> float:
        phase = t / period - math.floor(t / period)
        return low + (high - low) * (1.0 - abs(2.0 * phase - 1.0))

    return Schedule(f"cyclic({low!r}, {high!r}, period={period!r})", rate)


def warmup(epochs: float, then: Rate, start: float = 0.0) -> Schedule:
    """`then(t)`, during the first `epochs` times a factor that grows from `start` to 1.

    The factor is start + (1 - start) t / epochs; Goyal et al. 2017, arXiv:1706.02677.
    """
    _above_zero("warmup", epochs=epochs)

    def rate(t: float) -> float:
        return then(t) * (start + (1.0 - start) * t / epochs if t < epochs else 1.0)

    return Schedule(f"warmup({epochs!r}, {then!r}, start={start!r})", rate)


def chain(first: Rate, epochs: float, then: Rate) -> Schedule:
    """`first` for so many epochs, and then `then`, whose time begins at 0 there.

    >>> rate = chain(constant(0.1), 5, exponential(0.1, k=0.5))
    >>> rate(4.9), rate(5.0), round(rate(7.0), 4)
    (0.1, 0.1, 0.0368)
    """
    _above_zero("chain", epochs=epochs)

    def rate(t: float) -> float:
        return first(t) if t < epochs else then(t - epochs)

    return Schedule(f"chain({first!r}, {epochs!r}, {then!r})", rate)


def _whole_periods(t: float, period: float) -> int:
    """How many whole periods there are in `t`, as if all numbers were exact.

    A time is an epoch plus a fraction of one: it is rounded twice, the period and the quotient
    once each. What is nearer to a whole number than these four halves of an epsilon, and that of
    the product which compares them, is that number: 0.3 / 0.1 is 2.9999999999999996.
    """
    quotient = t / period
    nearest = round(quotient)
    return nearest if abs(quotient - nearest) <= _ROUNDING * nearest else math.floor(quotient)


def _above_zero(name: str, **numbers: float) -> None:
    for what, number in numbers.items():
        if not number > 0:
            raise ArgumentError(f"{name}: {what}={number!r} is to be above 0")
