"""CasADi: its virtual machine, and its C code compiled by gcc, on memory that is set up once."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Final

import numpy as np

from bench import jacobians
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
    if name in ("arm", "arms", "reprojection"):
        return {"casadi: gcc": Way(partial(_jacobian, name), packages=("casadi",))}
    if name == "rosenbrock_small":
        return {"casadi: gcc": Way(_rosenbrock, packages=("casadi",))}
    return {}


def _jacobian(name: str, inputs: Inputs, threads: int) -> Ready:
    """A column of a matrix for each point, as CasADi maps."""
    casadi: Any = import_module("casadi")
    function, count = (jacobians.reprojection, 17) if name == "reprojection" else (jacobians.arm, 7)
    p = casadi.SX.sym("p", count)
    package = SimpleNamespace(
        sin=casadi.sin, cos=casadi.cos, sqrt=casadi.sqrt, arctan2=casadi.atan2,
        where=casadi.if_else,
    )  # fmt: skip
    values = casadi.vertcat(*function(package, [p[i] for i in range(count)]))
    rows = casadi.densify(casadi.jacobian(values, p)[:, : min(count, 15)])
    compiled = casadi.Function("f", [p], [values, casadi.vec(rows.T)], GCC)
    if name == "arm":
        return buffered(compiled, [inputs["q"]])
    matrix = np.ascontiguousarray(jacobians.columns(inputs).T)
    run, _, results = buffered(compiled.map(len(matrix)), [matrix])
    assert results is not None
    return Ready(run, (), lambda _: [part.reshape(len(matrix), -1).T for part in results(None)])


def _rosenbrock(inputs: Inputs, threads: int) -> Ready:
    casadi: Any = import_module("casadi")
    x = casadi.SX.sym("x", len(inputs["x"]))
    value = casadi.sum1(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    compiled = casadi.Function("f", [x], [value, casadi.gradient(value, x)], GCC)
    return buffered(compiled, [inputs["x"]])


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
