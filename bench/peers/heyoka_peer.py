"""heyoka.py: compiled functions, in the mode that is fast (fast mathematics, widest vectors)."""

from __future__ import annotations

import itertools
from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from bench import jacobians
from bench.core import Inputs, Ready, Way
from bench.workloads import FORMULAS, Formula

FAST: Final[dict[str, Any]] = {"fast_math": True, "force_avx512": True}


def ways(workload: str) -> dict[str, Way]:
    """heyoka.py's ways of doing a workload."""
    suite, name = workload.split("/")
    if suite == "calls":
        return {"heyoka: cfunc": Way(partial(_call, FORMULAS[name]), packages=("heyoka",))}
    if suite == "batches":
        make = partial(_batch, FORMULAS[name])
        return {"heyoka: cfunc, fast": Way(make, parallel=True, packages=("heyoka",))}
    if name in ("arm", "arms", "reprojection"):
        make = partial(_jacobian, name)
        return {"heyoka: cfunc, fast": Way(make, parallel=True, packages=("heyoka",))}
    if name == "rosenbrock_small":
        return {"heyoka: cfunc, compact": Way(_rosenbrock, packages=("heyoka",))}
    return {}


def _jacobian(name: str, inputs: Inputs, threads: int) -> Ready:
    """Rows of a matrix in, rows out, as for C."""
    heyoka: Any = import_module("heyoka")
    function, count = (jacobians.reprojection, 17) if name == "reprojection" else (jacobians.arm, 7)
    symbols = heyoka.make_vars(*(f"p{i}" for i in range(count)))
    package = SimpleNamespace(
        sin=heyoka.sin,
        cos=heyoka.cos,
        sqrt=heyoka.sqrt,
        arctan2=heyoka.atan2,
        # Its `==` compares expressions; no camera of the workload is without rotation.
        where=lambda _, x, y: y,
    )
    values = function(package, list(symbols))
    tensors = heyoka.diff_tensors(values, diff_args=list(symbols[:15]), diff_order=1)
    results = [*values, *(entry for row in tensors.jacobian for entry in row)]
    single = name == "arm"
    options = {} if single else {**FAST, "parallel_mode": threads > 1}
    compiled = heyoka.cfunc(results, vars=list(symbols), **options)
    operand = inputs["q"] if single else jacobians.columns(inputs)
    out = np.empty((len(results), *operand.shape[1:]))
    return Ready(lambda given: compiled(given, outputs=out), [operand])


def _rosenbrock(inputs: Inputs, threads: int) -> Ready:
    heyoka: Any = import_module("heyoka")
    x = heyoka.make_vars(*(f"x{i}" for i in range(len(inputs["x"]))))
    terms = [100 * (b - a**2) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(x)]
    value = heyoka.sum(terms)
    gradient = heyoka.diff_tensors([value], diff_args=list(x), diff_order=1).gradient
    compiled = heyoka.cfunc([value, *gradient], vars=list(x), compact_mode=True, fast_math=True)
    out = np.empty(len(x) + 1)
    return Ready(lambda given: compiled(given, outputs=out), [inputs["x"]])


def _function(formula: Formula, **options: Any) -> Any:
    heyoka: Any = import_module("heyoka")
    symbols = heyoka.make_vars(*formula.point)
    functions = {name: getattr(heyoka, name) for name in ("sin", "cos", "exp", "log")}
    functions |= {
        "max": lambda x, y: y + heyoka.relu(x - y),
        "erfc": lambda x: 1 - heyoka.erf(x),
        "sqrt": lambda x: x**0.5,  # of numbers, too
    }
    value = formula.on(functions, symbols)
    results = formula.wanted(value, symbols, heyoka.diff)
    return heyoka.cfunc(results, vars=list(symbols), **options)


def _call(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    function = _function(formula)
    numbers, results = np.zeros(len(inputs)), np.zeros(6 if len(inputs) == 5 else 4)

    def call(*operands: float) -> Any:
        numbers[:] = operands
        return function(numbers, outputs=results).tolist()

    return Ready(call, list(inputs.values()))


def _batch(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    stacked = np.stack(list(inputs.values()))
    out = np.empty((6 if len(inputs) == 5 else 4, stacked.shape[1]))
    function = _function(formula, **FAST, parallel_mode=threads > 1)
    return Ready(lambda given: function(given, outputs=out), [stacked])
