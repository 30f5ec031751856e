"""Derivatives: the rules of the op table chained together, in reverse and forward mode."""

from symdiff.autodiff.adjoints import Adjoints, active, adjoints, real_outputs
from symdiff.autodiff.batching import batch
from symdiff.autodiff.forward import push_forward
from symdiff.autodiff.reverse import backpropagate
from symdiff.autodiff.transforms import gradient, hessian, hvp, jacobian, jvp, vjp

__all__ = [
    "Adjoints", "active", "adjoints", "backpropagate", "batch", "gradient", "hessian", "hvp",
    "jacobian", "jvp", "push_forward", "real_outputs", "vjp",
]  # fmt: skip
