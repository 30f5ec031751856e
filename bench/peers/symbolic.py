"""SymPy, SymEngine, numba on SymPy's code, and autograd: formulas of numbers."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from bench.core import Inputs, Ready, Way
from bench.workloads import FORMULAS, Formula


def ways(workload: str) -> dict[str, Way]:
    """Their ways of doing a workload."""
    suite, name = workload.split("/")
    if suite not in ("calls", "batches"):
        return {}
    formula = FORMULAS[name]
    if suite == "batches":
        return {
            "sympy: lambdify to NumPy": Way(
                partial(_lambdify, formula, "scipy"), packages=("sympy", "scipy.special")
            ),
            "numba: sympy's code": Way(
                partial(_numba_loop, formula), packages=("sympy", "numba"), parallel=True
            ),
        }
    return {
        "sympy: lambdify": Way(partial(_lambdify, formula, "math"), packages=("sympy",)),
        "numba: sympy's code": Way(partial(_numba, formula), packages=("sympy", "numba")),
        "symengine: lambda": Way(partial(_symengine, formula, "lambda"), packages=("symengine",)),
        "symengine: LLVM": Way(partial(_symengine, formula, "llvm"), packages=("symengine",)),
        "autograd": Way(partial(_autograd, formula), packages=("autograd", "autograd.scipy")),
    }


def code(formula: Formula, modules: str) -> Any:
    """Derivatives by SymPy, common subexpressions by its `cse`, as a Python function."""
    sympy: Any = import_module("sympy")
    symbols = sympy.symbols(list(formula.point), real=True)
    functions = {name: getattr(sympy, name) for name in ("sin", "cos", "exp", "log", "sqrt")}
    value = formula.on(functions | {"max": sympy.Max, "erfc": sympy.erfc}, symbols)
    results = formula.wanted(value, symbols, sympy.diff)
    return sympy.lambdify(symbols, tuple(results), modules=modules, cse=True)


def _lambdify(formula: Formula, modules: str, inputs: Inputs, threads: int) -> Ready:
    function = code(formula, modules)
    if modules == "math":
        return Ready(function, list(inputs.values()))
    size = np.shape(next(iter(inputs.values())))
    # A derivative that is a constant comes as one number.
    return Ready(
        function, list(inputs.values()), lambda r: [np.broadcast_to(part, size) for part in r]
    )


def _numba(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    numba: Any = import_module("numba")
    return Ready(numba.njit(fastmath=True)(code(formula, "math")), list(inputs.values()))


def _numba_loop(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    """A loop over the points around the code that SymPy wrote."""
    numba: Any = import_module("numba")
    scalar = numba.njit(fastmath=True, error_model="numpy")(code(formula, "math"))
    operands = list(inputs.values())
    count = len(formula.wanted(0, [0] * len(operands), lambda *_: 0))
    names = ", ".join(inputs)
    source = (
        f"def loop({names}, out):\n"
        "    for i in prange(out.shape[1]):\n"
        f"        found = scalar({', '.join(f'{name}[i]' for name in inputs)})\n"
        + "".join(f"        out[{k}, i] = found[{k}]\n" for k in range(count))
    )
    scope: dict[str, Any] = {"scalar": scalar, "prange": numba.prange}
    exec(source, scope)
    loop = numba.njit(fastmath=True, error_model="numpy", parallel=threads > 1)(scope["loop"])
    out = np.empty((count, len(operands[0])))
    return Ready(loop, [*operands, out], lambda _: out)


def _symengine(formula: Formula, backend: str, inputs: Inputs, threads: int) -> Ready:
    symengine: Any = import_module("symengine")
    symbols = symengine.symbols(list(formula.point))
    functions = {name: getattr(symengine, name) for name in ("sin", "cos", "exp", "log", "sqrt")}
    value = formula.on(functions | {"max": symengine.Max, "erfc": symengine.erfc}, symbols)
    results = formula.wanted(value, symbols, lambda of, by: of.diff(by))
    compiled = symengine.Lambdify(symbols, results, cse=True, backend=backend)
    return Ready(lambda *operands: compiled(operands), list(inputs.values()))


def _autograd(formula: Formula, inputs: Inputs, threads: int) -> Ready:
    """Autograd traces anew at each call."""
    autograd: Any = import_module("autograd")
    numpy: Any = import_module("autograd.numpy")
    functions = {name: getattr(numpy, name) for name in ("sin", "cos", "exp", "log", "sqrt")}
    functions |= {"max": numpy.maximum, "erfc": import_module("autograd.scipy.special").erfc}
    return Ready(traced(formula, functions, autograd), list(inputs.values()))


def traced(formula: Formula, functions: Any, package: Any) -> Any:
    """The results by a package with `value_and_grad` and `grad` of Python functions."""

    def value(*symbols: Any) -> Any:
        return formula.on(functions, symbols)

    if not formula.greeks:
        return package.value_and_grad(value, tuple(range(len(formula.point))))
    both = package.value_and_grad(value, (0, 2, 3, 4))
    second = package.grad(package.grad(value, 0), 0)

    def greeks(*symbols: Any) -> Any:
        price, (delta, of_time, rho, vega) = both(*symbols)
        return price, delta, vega, -of_time, rho, second(*symbols)

    return greeks
