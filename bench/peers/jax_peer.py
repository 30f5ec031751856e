"""JAX, in float64."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, Final

from bench import jacobians
from bench.core import Inputs, Ready, Way
from bench.models import MODELS
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
    if name in ("arm", "arms", "reprojection"):
        make = partial(_jacobian, name)
        return {"jax: vmap of jacobians": Way(make, parallel=True, packages=("jax",))}
    name = name.removesuffix("_small")
    return {
        f"jax: {way}": Way(partial(_model, name, way), parallel=True, packages=("jax",))
        for way in WAYS.get(name, ("plain",))
    }


# The ways of writing a model in `models_jax`, where there are others than one.
WAYS: Final = {
    "lennard_jones": ("all pairs",),
    "lennard_jones_text": ("each pair once", "all pairs"),
    "lstm": ("plain", "unroll=8"),
    "kalman": ("plain", "unroll=8"),
    "bundle_adjustment": ("vmap", "by components"),
}


def _model(name: str, way: str, inputs: Inputs, threads: int) -> Ready:
    peers: Any = import_module("bench.models_jax")
    both = peers.value_and_grad(peers.PEERS[name][way], list(inputs), MODELS[name].wrt)
    operands = [peers.jnp.asarray(x) for x in inputs.values()]
    return Ready(lambda *given: peers.jax.block_until_ready(both(*given)), operands)


def _jacobian(name: str, inputs: Inputs, threads: int) -> Ready:
    """Numbers are the rows of a matrix, as for C: what XLA vectorises best."""
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    jnp: Any = jax.numpy
    function = jacobians.reprojection if name == "reprojection" else jacobians.arm
    transform, wrt = (jax.jacrev, 15) if name == "reprojection" else (jax.jacfwd, 7)

    def value(p: Any, rest: Any) -> Any:
        found = jnp.stack(function(jnp, [*p, *rest]))
        return found, found

    def both(p: Any) -> Any:
        jacobian, found = transform(value, has_aux=True)(p[:wrt], p[wrt:])
        return found, jacobian

    if name == "arm":
        compiled, operand = jax.jit(both), jnp.asarray(inputs["q"])
    else:
        compiled = jax.jit(jax.vmap(both, in_axes=1, out_axes=-1))
        operand = jnp.asarray(jacobians.columns(inputs))
    return Ready(lambda given: jax.block_until_ready(compiled(given)), [operand])


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
