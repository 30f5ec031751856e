"""Activation functions, of traced values and of plain arrays and numbers.

Each is `symdiff.numpy`'s or one of the operation table's, so the conventions at kinks are those of
docs/numerics.md: relu has derivative 0 at 0, leaky_relu and prelu their slope there, hard_tanh 1 at
both ends.

    >>> import symdiff as sd
    >>> from symdiff.learn import activations
    >>> sd.grad(lambda x: activations.hard_tanh(x) + activations.leaky_relu(x))(-3.0)
    0.01
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.numpy import relu, sigmoid, softplus
from symdiff.parser import apply

__all__ = [
    "gelu", "hard_tanh", "leaky_relu", "prelu", "relu", "sigmoid", "softplus", "tanh",
]  # fmt: skip

_GELU_CUBIC: Final = 0.044715  # Hendrycks and Gimpel 2016, arXiv:1606.08415, section 2


def tanh(x: Any) -> Any:
    """The hyperbolic tangent: 2 sigmoid(2x) - 1."""
    return np.tanh(x)


def hard_tanh(x: Any) -> Any:
    """x within [-1, 1], the nearer end outside.

    >>> hard_tanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return apply("hard_tanh", x)


def leaky_relu(x: Any, slope: float = 0.01) -> Any:
    """x for x > 0, slope x elsewhere (Maas, Hannun and Ng 2013).

    >>> leaky_relu(np.array([-2.0, 3.0]))
    array([-0.02,  3.  ])
    """
    return apply("leaky_relu", x, slope)


def prelu(x: Any, slope: Any) -> Any:
    """x for x > 0, slope x elsewhere, where the slope is a parameter (He et al. 2015).

    `slope` is a number, or an array that broadcasts against x, such as one slope a channel.

        >>> import symdiff as sd
        >>> sd.grad(lambda x, slope: np.sum(prelu(x, slope)))(np.array([-2.0, 3.0]), 0.25)
        Gradient(x=array([0.25, 1.  ]), slope=-2.0)
    """
    return apply("leaky_relu", x, slope)


def gelu(x: Any, approximate: str = "none") -> Any:
    """x times the probability that a standard normal number is below x (arXiv:1606.08415).

    `approximate="tanh"` is the formula of the same paper with tanh instead of erf.

        >>> round(float(gelu(1.0)), 6), round(float(gelu(1.0, "tanh")), 6)
        (0.841345, 0.841192)
    """
    if approximate == "none":
        return 0.5 * x * (1.0 + apply("erf", x * math.sqrt(0.5)))
    if approximate == "tanh":
        inner = math.sqrt(2.0 / math.pi) * (x + _GELU_CUBIC * x**3)
        return 0.5 * x * (1.0 + np.tanh(inner))
    raise ArgumentError(f'approximate={approximate!r}: expected "none" or "tanh"')
