"""What optimisers have in common: the state of all parameters, and one step for each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.learn.optim.checks import not_below_zero
from symdiff.learn.options import expect
from symdiff.learn.rows import Rows
from symdiff.learn.structures import (
    Leaves,
    Patterns,
    by_path,
    chosen,
    is_real,
    like,
    matches,
    rebuilt,
)

State = dict[str, Any]  # "step": how many there were; "slots": by path, what a parameter needs
Slots = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Optimizer(ABC):
    """A rule that changes a parameter by its gradient.

    Attributes:
        lr: the learning rate, where a step is not given another one.
        sparse: whether gradients are `Rows`.
    """

    lr: float
    sparse: ClassVar[bool] = False

    def __post_init__(self) -> None:
        not_below_zero(self, "lr")

    @abstractmethod
    def slots(self, leaf: Any) -> Slots:
        """What is remembered for a parameter from step to step, as it is before the first."""

    @abstractmethod
    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """A parameter and its slots after step number `t`, counted from 1, with gradient `g`."""

    def rule(self, path: str) -> tuple[Optimizer, float]:
        """The optimiser of the parameter at `path`, and what its learning rate is multiplied by."""
        return self, 1.0

    def init(self, params: Any, frozen: Patterns = ()) -> State:
        """The state before the first step: its slots say which parameters are trained.

        These are all that have floating-point numbers, except those that `frozen` names, by paths
        or patterns such as `"layers.0"` and `"*.b"`.

        Raises:
            ArgumentError: a pattern names no parameter, or nothing is left to train.
        """
        leaves = by_path(params)[1]
        paths = list(leaves)
        left_out = set(chosen(frozen, paths, "frozen"))
        trained = [p for p in paths if p not in left_out and is_real(leaves[p])]
        if not trained:
            raise ArgumentError(
                "there is nothing to train: no floating-point parameter is left that is not frozen"
            )
        slots = {path: self.rule(path)[0].slots(np.asarray(leaves[path])) for path in trained}
        return {"step": np.zeros(()), "slots": slots}

    def update(
        self, params: Any, gradients: Any, state: State, lr: Any = None
    ) -> tuple[Any, State]:
        """Parameters and state after a step.

        `gradients` has the structure of `params`, or is a dict by paths; parameters without slots
        in the state are left alone and need none.

        Raises:
            ArgumentError: a gradient is missing.
        """
        tree, leaves = by_path(params)
        given: Leaves = by_path(gradients)[1]
        rate = self.lr if lr is None else lr
        step = state["step"] + 1.0
        slots: dict[str, Slots] = {}
        changed = dict(leaves)
        for path, before in state["slots"].items():
            if path not in given:
                raise ArgumentError(f"the gradient of {path or 'the parameter'} is missing")
            rule, factor = self.rule(path)
            own = rate if factor == 1.0 else rate * factor
            leaf, g = leaves[path], given[path]
            changed[path], slots[path] = rule.change(
                leaf, g, before, like(own, leaf), like(step, leaf)
            )
        return rebuilt(tree, changed), {"step": step, "slots": slots}


def an_optimizer(what: str, value: Any) -> None:
    """Nothing, if `value` is an optimiser.

    Raises:
        ArgumentError: it is none; the message begins with `what`.
    """
    expect(isinstance(value, Optimizer), what, value, "an optimiser, such as learn.optim.Adam()")


def dense(gradient: Any, optimizer: Optimizer) -> Any:
    """The gradient, if it is one of all elements.

    Raises:
        ArgumentError: it is of some rows.
    """
    if isinstance(gradient, Rows):
        raise ArgumentError(f"{type(optimizer).__name__} takes dense gradients, got Rows")
    return gradient


@dataclass(frozen=True, kw_only=True)
class Groups(Optimizer):
    """Different optimisers for different parameters; the first pattern that fits counts.

    A step's learning rate is that of `otherwise`; the others keep their proportion to it.

    Attributes:
        groups: optimisers by paths or patterns.
        otherwise: the one of all other parameters.

        >>> from symdiff.learn.optim import Adam, SparseAdam
        >>> mixed = Groups(groups={"words": SparseAdam(lr=0.01)}, otherwise=Adam(lr=0.001))
        >>> mixed.rule("words")[1], mixed.rule("W")[1]
        (10.0, 1.0)
    """

    groups: Mapping[str, Optimizer]
    otherwise: Optimizer
    lr: float = -1.0  # that of `otherwise`

    def __post_init__(self) -> None:
        an_optimizer("Groups: otherwise", self.otherwise)
        groups: Any = self.groups
        a_dict = isinstance(groups, Mapping)
        expect(a_dict, "Groups: groups", groups, "a dict of optimisers by paths or patterns")
        for pattern, optimizer in self.groups.items():
            an_optimizer(f"Groups: {pattern}", optimizer)
        object.__setattr__(self, "lr", self.otherwise.lr)
        if not self.lr > 0:
            raise ArgumentError("Groups: the learning rate of otherwise= is to be above 0")

    def rule(self, path: str) -> tuple[Optimizer, float]:
        """The optimiser of the first pattern that fits, and its share of the learning rate."""
        for pattern, optimizer in self.groups.items():
            if matches(pattern, path):
                inner, factor = optimizer.rule(path)
                return inner, factor * (optimizer.lr / self.lr)
        return self.otherwise.rule(path)

    def init(self, params: Any, frozen: Patterns = ()) -> State:
        """As of any optimiser.

        Raises:
            ArgumentError: a pattern of the groups, too, names no parameter.
        """
        chosen(list(self.groups), list(by_path(params)[1]), "groups")
        return super().init(params, frozen)

    def slots(self, leaf: Any) -> Slots:
        """Those of `otherwise`."""
        return self.otherwise.slots(leaf)

    def change(self, p: Any, g: Any, slots: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
        """As `otherwise` does it."""
        return self.otherwise.change(p, g, slots, lr, t)
