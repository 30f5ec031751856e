"""Training: what stands around a gradient when something is learned with it.

A loss is any source of one number, of parameters and a minibatch. `fit` trains it; `training_step`
is the one program that loss, gradient and optimiser make together, for loops of your own. Nothing
of the compiler knows of this room.

    >>> import numpy as np
    >>> from symdiff import learn
    >>> def loss(p, x, y):
    ...     return learn.losses.logistic(x @ p["w"] + p["b"], y)
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    >>> y = np.array([1.0, 0.0, 1.0, 0.0])
    >>> start = {"w": np.zeros(2), "b": learn.init.output_bias(y, "logistic")}
    >>> result = learn.fit(loss, start, (x, y), optimizer=learn.optim.Adam(lr=0.1), epochs=200)
    >>> bool(result.history["loss"][-1] < 0.1)
    True
"""

from symdiff.learn import (
    activations,
    checkpoints,
    clipping,
    init,
    losses,
    optim,
    schedules,
)
from symdiff.learn.checkpoints import CheckpointError
from symdiff.learn.fitting import Result, fit
from symdiff.learn.history import History
from symdiff.learn.rows import Rows
from symdiff.learn.training import Training, training_step

__all__ = [
    "CheckpointError", "History", "Result", "Rows", "Training", "activations", "checkpoints",
    "clipping", "fit", "init", "losses", "optim", "schedules", "training_step",
]  # fmt: skip
