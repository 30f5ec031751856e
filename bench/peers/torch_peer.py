"""PyTorch, compiled, in float64: measured where it is installed; `.[bench]` does not bring it."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

from bench.core import Inputs, Ready, Way
from bench.peers.symbolic import traced
from bench.workloads import FORMULAS, Formula


def ways(workload: str) -> dict[str, Way]:
    """PyTorch's ways of doing a workload."""
    suite, name = workload.split("/")
    if suite == "batches":
        make = partial(_formula, FORMULAS[name])
        return {"torch: compile of vmap": Way(make, parallel=True, packages=("torch",))}
    return {}


class _Package:
    """`torch.func` with the order in which JAX hands results back."""

    def __init__(self, torch: Any) -> None:
        self._func = torch.func
        self.grad = torch.func.grad

    def value_and_grad(self, function: Any, which: Any) -> Any:
        """A function that returns value and gradient."""
        both = self._func.grad_and_value(function, which)
        return lambda *operands: tuple(reversed(both(*operands)))


def _formula(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    torch: Any = import_module("torch")
    torch.set_num_threads(threads)
    functions = {name: getattr(torch, name) for name in ("sin", "cos", "exp", "log")}
    functions |= {
        "max": torch.maximum,
        "erfc": torch.special.erfc,
        "sqrt": lambda x: x**0.5,  # of numbers, too
    }
    both = torch.compile(torch.vmap(traced(formula, functions, _Package(torch))))
    operands = [torch.from_numpy(x) for x in inputs.values()]
    return Ready(both, operands, lambda r: [part.numpy() for part in _flat(r)])


def _flat(result: Any) -> list[Any]:
    if isinstance(result, (tuple, list)):
        return [leaf for part in result for leaf in _flat(part)]  # pyright: ignore[reportUnknownVariableType]
    return [result]
