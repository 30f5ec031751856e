"""JAX, in float64."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from bench.core import Inputs, Ready, Way
from bench.peers.symbolic import traced
from bench.workloads import FORMULAS, Formula


def ways(workload: str) -> dict[str, Way]:
    """JAX's ways of doing a workload."""
    suite, name = workload.split("/")
    if suite == "calls":
        return {"jax: jit": Way(partial(_formula, FORMULAS[name], False), packages=("jax",))}
    if suite == "batches":
        make = partial(_formula, FORMULAS[name], True)
        return {"jax: jit of vmap": Way(make, parallel=True, packages=("jax",))}
    return {}


def _formula(formula: Formula, batch: bool, inputs: Inputs, threads: int) -> Ready:
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp: Any = jax.numpy
    functions = {name: getattr(jnp, name) for name in ("sin", "cos", "exp", "log", "sqrt")}
    functions |= {"max": jnp.maximum, "erfc": jax.scipy.special.erfc}
    both = traced(formula, functions, jax)
    compiled = jax.jit(jax.vmap(both) if batch else both)
    operands = [jnp.asarray(x) if batch else x for x in inputs.values()]
    return Ready(lambda *given: jax.block_until_ready(compiled(*given)), operands)
