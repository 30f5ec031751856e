"""heyoka.py: compiled functions, in the mode that is fast (fast mathematics, widest vectors)."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

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
    return {}


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
