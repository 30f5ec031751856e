"""Training: epochs of steps, with what belongs around them."""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from symdiff.api import compile as compile_
from symdiff.errors import ArgumentError
from symdiff.learn.batches import Array, Batches, data_arrays
from symdiff.learn.clipping import Clip
from symdiff.learn.history import History, Row
from symdiff.learn.optim import Adam, Optimizer, State
from symdiff.learn.optim.base import an_optimizer
from symdiff.learn.options import (
    checkpoint_place,
    expect,
    is_number,
    learning_rate,
    measured,
    whole_numbers,
)
from symdiff.learn.progress import bar
from symdiff.learn.resume import restore, store
from symdiff.learn.schedules import Rate, constant
from symdiff.learn.structures import Patterns, arrays, mapped
from symdiff.learn.training import Stepper, Training, parameters_of, training_step

Callback = Callable[[Training], Any]


@dataclass(frozen=True)
class Result:
    """What training came to.

    Attributes:
        params: the parameters, in the structure of those given: after the last epoch, or with
            early stopping those of the epoch with the lowest validation.
        history: the numbers of every epoch, and why there were no more.
        state: of the optimiser, after the last epoch.
        epochs: how many there were, those before a `resume` included.
        best_epoch: the epoch that `params` are from, counted from 1.
        stopped: why there were not as many epochs as asked for; "" if there were.
    """

    params: Any
    history: History
    state: State
    epochs: int
    best_epoch: int
    stopped: str

    def __repr__(self) -> str:
        return f"<Result after {self.epochs} epochs; {self.history!r}>"


def fit(
    loss: Callable[..., Any],
    params: Any,
    data: Any,
    *,
    optimizer: Optimizer | None = None,
    epochs: int = 10,
    batch_size: int = 32,
    schedule: Rate | None = None,
    seed: int = 0,
    validation: Any = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    frozen: Patterns = (),
    clip: Clip | float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int = 1,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
    threads: int | str = 1,
    fastmath: bool = False,
) -> Result:
    """Parameters that make the mean of `loss(params, *batch)` over the examples of `data` small.

    The same arguments give the same bits, also if training stopped in between and was resumed.
    A loss that is NaN or infinite ends it after that epoch, with a RuntimeWarning.

    Args:
        loss: any source of one number, of the parameters and the arrays of a minibatch.
        params: a structure of arrays, copied first.
        data: an array, or a tuple of arrays, with the examples along the first axis.
        optimizer: `Adam()` unless given.
        epochs: how often to go through the data, those before a `resume` included.
        batch_size: examples a step. The last step of an epoch has the examples that are left, by
            a kernel of its own, so that every epoch has every example once.
        schedule: the learning rate as a function of the epochs passed (`learn.schedules`); the
            optimiser's, if there is none.
        seed: of the order of the examples.
        validation: data whose mean loss is noted after every epoch, or a function of the parameters
            that returns a number to be noted, lower being better.
        patience: stop once the validation was not lower for so many epochs, by more than
            `min_delta`; the parameters with the lowest come back.
        frozen: paths or patterns of parameters that stay as they are, without gradient and state.
        clip: the largest global norm of the gradient, or one of `learn.clipping`.
        checkpoint: a file, written anew after every epoch (`learn.checkpoints`).
        checkpoint_every: or after so many epochs, and at the end.
        resume: go on from the checkpoint, if there is one; start otherwise.
        callbacks: functions of a `Training`, called after every epoch; True stops.
        progress: draw a progress bar, if standard error is a terminal.
        threads, fastmath: of the step's kernel, see `symdiff.compile`.

    Raises:
        ArgumentError: arguments that do not fit each other, or the checkpoint; a schedule that
            returns no learning rate, a validation that returns no number.
        CheckpointError: the checkpoint to resume from is damaged.

        >>> import numpy as np
        >>> from symdiff import learn
        >>> x = np.linspace(-1.0, 1.0, 64)
        >>> def loss(p, x, y):
        ...     return learn.losses.mean_squared_error(p["a"] * x + p["b"], y)
        >>> result = learn.fit(
        ...     loss, {"a": 0.0, "b": 0.0}, (x, 3.0 * x - 1.0),
        ...     optimizer=learn.optim.SGD(lr=0.5), epochs=20, batch_size=16,
        ... )
        >>> result.params["a"].round(6), result.params["b"].round(6)
        (np.float64(3.0), np.float64(-1.0))
    """
    optimizer = Adam() if optimizer is None else optimizer
    an_optimizer("optimizer", optimizer)
    names = parameters_of(loss)[1:]
    whole_numbers(epochs=epochs, batch_size=batch_size, checkpoint_every=checkpoint_every)
    if patience is not None:
        whole_numbers(patience=patience)
    expect(is_number(min_delta), "min_delta", min_delta, "a number")
    rate = constant(optimizer.lr) if schedule is None else schedule
    expect(callable(rate), "schedule", rate, "a function of the epochs passed (learn.schedules)")
    if checkpoint is not None:
        checkpoint_place(checkpoint)
    if patience is not None and validation is None:
        raise ArgumentError("patience= needs validation= data, whose loss it waits for")
    if resume and checkpoint is None:
        raise ArgumentError("resume=True needs checkpoint=, the file to go on from")
    batches = Batches(data_arrays(data, names, "data"), batch_size, seed)
    own = arrays(params)
    training = Training(own, optimizer.init(own, frozen))
    setting = {
        "optimizer": repr(optimizer),
        "batch_size": batch_size,
        "seed": seed,
        "examples": batches.count,
        "clip": repr(clip),
        "schedule": repr(schedule) if schedule is None or hasattr(schedule, "text") else "own",
    }
    if checkpoint is not None and resume and Path(checkpoint).exists():
        restore(checkpoint, training, setting)
    options = {"threads": threads, "fastmath": fastmath}
    source = training_step(loss, optimizer, clip=clip)
    stepper = Stepper(source, training.params, training.state, batches.memory, options)
    measure = _measure(loss, validation, names)
    training.stopped, stored = _reason(training, patience), training.epoch
    with bar(progress, epochs, len(batches), training.epoch) as shown:
        while training.epoch < epochs and not training.stopped:
            start = time.perf_counter()
            shown.begin(training.epoch + 1)
            row = _epoch(training.epoch, stepper, batches, rate, shown.advance)
            if measure is not None:
                row["validation"] = measure(training.params)
            row["seconds"] = time.perf_counter() - start
            training.rows.append(row)
            training.epoch += 1
            if patience is not None and row["validation"] < training.best[0] - min_delta:
                training.best = (row["validation"], training.epoch)
                training.best_params = mapped(np.copy, training.params)
            training.stopped = _reason(training, patience)
            due = training.stopped or training.epoch in (epochs, stored + checkpoint_every)
            if checkpoint is not None and due:
                store(checkpoint, training, setting)
                stored = training.epoch
            shown.end(", ".join(f"{k} {v:.4g}" for k, v in row.items() if k != "epoch"))
            for callback in callbacks:
                if callback(training) is True and not training.stopped:
                    training.stopped = "a callback asked for it"
    if _diverged(training):
        warnings.warn(
            f"{training.stopped}: training stopped. Try a smaller learning rate, or clip=1.0; "
            "sd.debug shows where a loss or a gradient stops being finite",
            RuntimeWarning,
            stacklevel=2,
        )
    return _result(training)


def _epoch(
    epoch: int, stepper: Stepper, batches: Batches, rate: Rate, advance: Callable[[], None]
) -> Row:
    """The numbers of one epoch, which is counted from 0 here."""
    total, lr = 0.0, 0.0
    for i, size in enumerate(batches.epoch(epoch)):
        lr = learning_rate(rate, epoch + i / len(batches))
        total += stepper.step(size, lr) * size
        advance()
    return {"epoch": epoch + 1, "loss": total / batches.count, "lr": lr}


def _measure(
    loss: Callable[..., Any], validation: Any, names: list[str]
) -> Callable[[Any], float] | None:
    """What is noted of the parameters after an epoch."""
    if validation is None:
        return None
    if callable(validation):
        return lambda params: measured(cast("Any", validation), params)
    held: tuple[Array, ...] = data_arrays(validation, names, "validation")
    kernel = compile_(loss)
    return lambda params: float(kernel(params, *held))


def _reason(training: Training, patience: int | None) -> str:
    """Why to stop after the last epoch, or ""."""
    if _diverged(training):
        return f"the loss is {training.rows[-1]['loss']} in epoch {training.epoch}"
    waited = training.epoch - training.best[1]
    if patience is not None and waited >= patience:
        return f"no lower validation in {waited} epochs"
    return ""


def _diverged(training: Training) -> bool:
    """Whether the loss of the last epoch is NaN or infinite."""
    return bool(training.rows) and not math.isfinite(training.rows[-1]["loss"])


def _result(training: Training) -> Result:
    params, epoch = training.params, training.epoch
    if training.best_params is not None:
        params, epoch = training.best_params, training.best[1]
    return Result(params, training.history, training.state, training.epoch, epoch, training.stopped)
