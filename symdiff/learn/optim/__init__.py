"""Optimisers: functions from parameters, gradients and a state to new parameters and a new state.

They are written with NumPy's functions, so they work on arrays as they stand, and traced they are
programs like others: `learn.training_step` compiles one behind the gradient, into the same kernel.
Formulas and defaults are PyTorch's (https://docs.pytorch.org/docs/stable/optim.html).

    >>> import numpy as np
    >>> from symdiff.learn import optim
    >>> optimizer = optim.SGD(lr=0.1, momentum=0.9)
    >>> params = {"w": np.array([1.0, 2.0])}
    >>> state = optimizer.init(params)
    >>> for _ in range(2):
    ...     gradient = {"w": 2 * params["w"]}
    ...     params, state = optimizer.update(params, gradient, state)
    >>> params["w"].round(4)
    array([0.46, 0.92])
"""

from symdiff.learn.optim.adaptive import Adagrad, Adam, AdamW, RMSprop
from symdiff.learn.optim.base import Groups, Optimizer, State
from symdiff.learn.optim.descent import SGD
from symdiff.learn.optim.sparse import SparseAdam

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "Groups", "Optimizer", "RMSprop", "SparseAdam", "State",
]  # fmt: skip
