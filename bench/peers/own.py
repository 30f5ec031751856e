"""symdiff, in the ways in which it can be called."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

import symdiff as sd
from bench.core import Inputs, Ready, Way
from bench.workloads import FORMULAS, Formula


def ways(workload: str) -> dict[str, Way]:
    """symdiff's ways of doing a workload."""
    suite, name = workload.split("/")
    if suite == "calls":
        source = partial(differentiated, FORMULAS[name])
        found = {
            "symdiff: kernel": partial(_kernel, source),
            "symdiff: Function": partial(_function, source),
            "symdiff: NumPy source": partial(_numpy_source, source),
        }
        return {label: Way(make, "symdiff") for label, make in found.items()}
    if suite == "batches":
        return _on_arrays(partial(differentiated, FORMULAS[name]))
    return {}


def _on_arrays(source: Callable[[], Any]) -> dict[str, Way]:
    """The ways of calling a kernel of arrays."""
    found = {
        "symdiff: kernel": partial(_kernel, source),
        "symdiff: out=": partial(_into, source),
        "symdiff: bind": partial(_bound, source),
        "symdiff: bind, fastmath": partial(_bound, source, fastmath=True),
    }
    return {label: Way(make, "symdiff", parallel=True) for label, make in found.items()}


def differentiated(formula: Formula) -> Any:
    """What is to be compiled for a formula: value and gradient, or price and Greeks."""
    if not formula.greeks:
        return sd.value_and_grad(formula.text)
    price = sd.function(formula.text, list(formula.point))
    first = sd.value_and_grad(price, wrt=["S", "T", "r", "v"])
    second = sd.hessian(price, wrt="S")

    def greeks(S: Any, K: Any, T: Any, r: Any, v: Any) -> Any:
        value, gradient = first(S, K, T, r, v)
        gamma = second(S, K, T, r, v)
        return value, gradient.S, gradient.v, -gradient.T, gradient.r, gamma

    return sd.function(greeks)


def compiled(source: Callable[[], Any], threads: int, **options: Any) -> Any:
    """The kernel, generated anew, for so many threads."""
    return sd.compile(source(), cache=False, threads=threads, **options)


def _kernel(source: Callable[[], Any], inputs: Inputs, threads: int) -> Ready:
    return Ready(compiled(source, threads), list(inputs.values()))


def _function(source: Callable[[], Any], inputs: Inputs, threads: int) -> Ready:
    return Ready(source(), list(inputs.values()))


def _numpy_source(source: Callable[[], Any], inputs: Inputs, threads: int) -> Ready:
    """The kernel's NumPy source, as a user would run it."""
    kernel = compiled(source, threads)
    scope: dict[str, Any] = {}
    exec(kernel.numpy_source, scope)
    return Ready(scope[kernel.name], list(inputs.values()))


def _into(source: Callable[[], Any], inputs: Inputs, threads: int) -> Ready:
    """Results written into arrays that are there already."""
    kernel, operands = compiled(source, threads), list(inputs.values())
    out = empty_like(kernel(*operands))
    return Ready(lambda *given: kernel(*given, out=out), operands)


def _bound(source: Callable[[], Any], inputs: Inputs, threads: int, **options: Any) -> Ready:
    """Operands and results fixed once."""
    kernel, operands = compiled(source, threads, **options), list(inputs.values())
    if not hasattr(kernel, "bind"):
        raise sd.UnsupportedError("this version has no bind")
    out = empty_like(kernel(*operands))
    return Ready(kernel.bind(*operands, out=out), (), lambda _: out)


def empty_like(result: Any) -> Any:
    """Arrays for `out=`, in the structure of a result."""
    if isinstance(result, tuple):
        return tuple(empty_like(part) for part in cast("tuple[Any, ...]", result))
    return np.empty_like(np.asarray(result))
