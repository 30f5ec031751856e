"""CasADi: its virtual machine, and its C code compiled by gcc, on memory that is set up once."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

from bench.core import Inputs, Ready, Way
from bench.workloads import FORMULAS, Formula

GCC: Final[dict[str, Any]] = {
    "jit": True,
    "compiler": "shell",
    "jit_options": {"flags": ["-O3", "-march=native", "-ffast-math"], "verbose": False},
}


def ways(workload: str) -> dict[str, Way]:
    """CasADi's ways of doing a workload."""
    suite, name = workload.split("/")
    if suite == "calls":
        return {
            "casadi: machine": Way(partial(_formula, FORMULAS[name], {}), packages=("casadi",)),
            "casadi: gcc": Way(partial(_formula, FORMULAS[name], GCC), packages=("casadi",)),
        }
    if suite == "batches":
        return {"casadi: gcc, map": Way(partial(_batch, FORMULAS[name]), packages=("casadi",))}
    return {}


def _function(formula: Formula, options: dict[str, Any]) -> Any:
    """A CasADi function of scalars that gives what is wanted of a formula."""
    casadi: Any = import_module("casadi")
    symbols = [casadi.SX.sym(name) for name in formula.point]
    functions = {name: getattr(casadi, name) for name in ("sin", "cos", "exp", "log", "sqrt")}
    functions |= {"max": casadi.fmax, "erfc": lambda x: 1 - casadi.erf(x)}
    value = formula.on(functions, symbols)
    return casadi.Function("f", symbols, formula.wanted(value, symbols, casadi.jacobian), options)


def buffered(function: Any, operands: list[Any]) -> Ready:
    """A CasADi function on fixed memory, its cheapest call."""
    buffer, run = function.buffer()
    results: list[Any] = [np.empty(function.nnz_out(i)) for i in range(function.n_out())]
    for i, operand in enumerate(operands):
        buffer.set_arg(i, memoryview(operand))
    for i, result in enumerate(results):
        buffer.set_res(i, memoryview(result))
    owners = (function, buffer, operands)  # kept by the closure
    return Ready(run, (), lambda _: results if owners else None)


def _formula(formula: Formula, options: dict[str, Any], inputs: Inputs, threads: int) -> Ready:
    """With numbers written into the memory and results read from it."""
    cells: list[Any] = [np.array([x]) for x in inputs.values()]
    function = buffered(_function(formula, options), cells)
    run: Any = function.function
    views: list[Any] = [memoryview(cell) for cell in cells]
    assert function.results is not None
    numbers: list[Any] = [memoryview(cell) for cell in function.results(None)]

    def call(*operands: float) -> Any:
        for view, operand in zip(views, operands, strict=True):
            view[0] = operand
        run()
        return [number[0] for number in numbers]

    call.owner = function  # pyright: ignore[reportFunctionMemberAccess]

    return Ready(call, list(inputs.values()))


def _batch(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    operands = list(inputs.values())
    return buffered(_function(formula, GCC).map(len(operands[0])), operands)
