"""One training step as one program: loss, gradient, clipping and update."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

import numpy as np

from symdiff.api import Function, value_and_grad
from symdiff.api import compile as compile_
from symdiff.errors import ArgumentError
from symdiff.learn.batches import Array
from symdiff.learn.clipping import Clip, by_global_norm
from symdiff.learn.history import History, Row
from symdiff.learn.optim import Optimizer, State
from symdiff.learn.rows import rows_of
from symdiff.learn.structures import Leaves, by_path, rebuilt
from symdiff.runtime import BoundKernel

_OWN: Final = ("params", "state", "lr", "trained", "fixed")


def training_step(
    loss: Callable[..., Any], optimizer: Optimizer, *, clip: Clip | float | None = None
) -> Callable[..., Any]:
    """The source `step(params, state, *batch, lr) -> (params, state, loss)`.

    `loss(params, *batch)` is any source that returns one number, differentiated with respect to
    the parameters that have slots in the state (`optimizer.init(params, frozen=...)`); the others
    come back as they are. `clip` is a `Clip`, or a number, the largest global norm. The loss is
    that before the step. Compiled, all of it is one kernel.

    Raises:
        ArgumentError: the loss has no parameters.

        >>> import numpy as np
        >>> import symdiff as sd
        >>> from symdiff.learn import optim, training_step
        >>> def loss(w, x, y):
        ...     return np.mean((x @ w - y) ** 2)
        >>> optimizer = optim.SGD(lr=0.5)
        >>> step = sd.compile(training_step(loss, optimizer))
        >>> w, x = np.zeros(2), np.eye(2)
        >>> w, state, value = step(w, optimizer.init(w), x, np.array([1.0, 2.0]), 0.5)
        >>> w, value
        (array([0.5, 1. ]), 2.5)
    """
    batch = _apart(parameters_of(loss)[1:])
    limit = clip if clip is None or callable(clip) else by_global_norm(clip)

    def step(params: Any, state: Any, *rest: Any) -> tuple[Any, Any, Any]:
        *given, lr = rest
        tree, leaves = by_path(params)
        trained: Leaves = {path: leaves[path] for path in state["slots"]}
        fixed: Leaves = {path: leaf for path, leaf in leaves.items() if path not in trained}

        def objective(trained: Leaves, fixed: Leaves, *batch: Any) -> Any:
            every = {**trained, **fixed}
            return loss(rebuilt(tree, {path: every[path] for path in leaves}), *batch)

        _named(objective, ["trained", "fixed", *batch])
        value, gradients = value_and_grad(objective, wrt="trained")(trained, fixed, *given)
        found: Leaves = {
            path: rows_of(g, path) if optimizer.rule(path)[0].sparse else g
            for path, g in zip(trained, gradients.values(), strict=True)
        }
        if limit is not None:
            found = limit(found)
        changed, state = optimizer.update(params, found, state, lr)
        return changed, state, value

    return _named(step, ["params", "state", *batch, "lr"])


class Stepper:
    """A training step bound to its memory: parameters and state change where they are.

    The kernel of every size of batch is compiled when the first batch of it comes.
    """

    def __init__(
        self,
        source: Callable[..., Any],
        params: Any,
        state: State,
        memory: Callable[[int], tuple[Array, ...]],
        options: dict[str, Any],
    ) -> None:
        self._kernel = compile_(source, donate=["params", "state"], **options)
        self._held = (params, state)
        self._memory = memory
        self._lr = np.zeros(())
        self._bound: dict[int, BoundKernel] = {}

    def step(self, size: int, lr: float) -> float:
        """The loss of the batch that is in `memory(size)`, before the step that it leads to."""
        bound = self._bound.get(size)
        if bound is None:
            bound = self._kernel.bind(*self._held, *self._memory(size), self._lr)
            self._bound[size] = bound
        self._lr[...] = lr
        return float(bound()[2])


@dataclass
class Training:
    """Where training is: what callbacks get after every epoch, and what checkpoints keep.

    Attributes:
        params, state: of the parameters and of the optimiser, now. Arrays that the next step
            writes into: copy what is to be kept.
        epoch: the number of epochs that are done.
        rows: of the history.
        best: the lowest value of the validation so far, and the epoch (from 1) that had it.
        best_params: a copy of the parameters then; None without early stopping.
        stopped: why it ends before the last epoch; "" as long as it does not.
    """

    params: Any
    state: State
    epoch: int = 0
    rows: list[Row] = field(default_factory=list[Row])
    best: tuple[float, int] = (math.inf, 0)
    best_params: Any = None
    stopped: str = ""

    @property
    def history(self) -> History:
        """The epochs so far."""
        return History(self.rows, self.stopped)


def _apart(names: list[str]) -> list[str]:
    """The names of a batch, with underscores after those that mean something else in a step."""
    taken = {*_OWN, *names}
    found: list[str] = []
    for name in names:
        made = name
        while made in _OWN or (made != name and made in taken):
            made += "_"
        taken.add(made)
        found.append(made)
    return found


def _named(function: Callable[..., Any], names: list[str]) -> Callable[..., Any]:
    """`function` with these parameters in place of a `*batch`."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    cast("Any", function).__signature__ = signature
    return function


def parameters_of(loss: Any) -> list[str]:
    """The names of the parameters of a loss: what is learned, then the arrays of a batch.

    Raises:
        ArgumentError: there are none, or their number is open.
    """
    if isinstance(loss, Function):
        names = list(loss.parameters)
    else:
        parameters = inspect.signature(loss).parameters.values()
        if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.KEYWORD_ONLY) for p in parameters):
            raise ArgumentError(
                "the loss is to have a fixed number of parameters, each by position: "
                "loss(params, x, y)"
            )
        names = [p.name for p in parameters]
    if not names:
        raise ArgumentError("the loss has no parameters: write it as loss(params, x, y)")
    return names
