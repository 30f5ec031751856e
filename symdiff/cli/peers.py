"""Other ways to the same numbers, made from a formula without its user's help: `symdiff bench`.

All are made from the SymPy form of the formula. Each maker takes the formula, whether derivatives
are wanted, and the operands, and returns a function and its operands. No package is imported before
it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final, cast

import numpy as np

import symdiff as sd

Made = tuple[Callable[..., Any], list[Any]]


def leaves(result: Any) -> list[Any]:
    """The arrays and numbers in whatever structure a package hands back."""
    if isinstance(result, (tuple, list)):
        parts = cast("Iterable[Any]", result)
        return [leaf for part in parts for leaf in leaves(part)]
    return [np.asarray(result, float)]


def _expression(formula: sd.Function) -> tuple[list[Any], Any]:
    """The symbols of a formula of numbers in order, and its value.

    Raises:
        UnsupportedError: it is of arrays, has several results, or SymPy cannot say it.
    """
    if any(p.type.shape for p in formula.ir.params) or len(formula.outputs) != 1:
        raise sd.UnsupportedError("not made: a peer gets formulas of numbers with one result")
    expression = formula.to_sympy()
    sympy: Any = import_module("sympy")
    # SymPy differentiates the absolute value of a real number, not of a complex one.
    real = {name: sympy.Symbol(name, real=True) for name in formula.parameters}
    known = {symbol: real[str(symbol)] for symbol in expression.free_symbols}
    return list(real.values()), expression.xreplace(known)


def _code(formula: sd.Function, derivatives: bool, modules: Any) -> Any:
    """SymPy's value and derivatives as a Python function, common subexpressions taken out."""
    sympy: Any = import_module("sympy")
    symbols, value = _expression(formula)
    results = (value, *(sympy.diff(value, s) for s in symbols)) if derivatives else value
    return sympy.lambdify(symbols, results, modules=modules, cse=True)


def _is_batch(operands: list[Any]) -> bool:
    return any(map(np.ndim, operands))


def _sympy(formula: sd.Function, derivatives: bool, operands: list[Any]) -> Made:
    function = _code(formula, derivatives, ["scipy", "numpy"] if _is_batch(operands) else "math")
    return function, operands


def _numba(formula: sd.Function, derivatives: bool, operands: list[Any]) -> Made:
    """SymPy's code, compiled, and for a batch a loop around it."""
    numba: Any = import_module("numba")
    scalar = numba.njit(_code(formula, derivatives, "math"))
    if not _is_batch(operands):
        return scalar, operands
    count = 1 + len(operands) if derivatives else 1
    names = [f"a{i}" for i in range(len(operands))]
    source = (
        f"def loop({', '.join(names)}, out):\n"
        "    for i in range(out.shape[1]):\n"
        f"        found = scalar({', '.join(f'{name}[i]' for name in names)})\n"
        + "".join(
            f"        out[{k}, i] = found{f'[{k}]' if derivatives else ''}\n" for k in range(count)
        )
    )
    scope: dict[str, Any] = {"scalar": scalar}
    exec(source, scope)
    loop = numba.njit(scope["loop"])
    out = np.empty((count, len(operands[0])))

    def call(*given: Any) -> Any:
        loop(*given, out)
        return list(out)

    return call, operands


def _jax(formula: sd.Function, derivatives: bool, operands: list[Any]) -> Made:
    """JAX's own derivatives of SymPy's value, in float64."""
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    function = _code(formula, False, "jax")
    if derivatives:
        function = jax.value_and_grad(function, tuple(range(len(operands))))
    compiled = jax.jit(jax.vmap(function) if _is_batch(operands) else function)
    given = [jax.numpy.asarray(x) if np.ndim(x) else x for x in operands]
    return lambda *x: jax.block_until_ready(compiled(*x)), given


def _casadi(formula: sd.Function, derivatives: bool, operands: list[Any]) -> Made:
    """CasADi's own derivatives, run by its virtual machine."""
    casadi: Any = import_module("casadi")
    sympy: Any = import_module("sympy")
    symbols, value = _expression(formula)
    functions = {name: getattr(casadi, name) for name in CASADI}
    functions |= {"atan2": casadi.atan2, "Abs": casadi.fabs, "sign": casadi.sign}
    functions |= {"Max": casadi.fmax, "Min": casadi.fmin}
    own = [casadi.SX.sym(f"x{i}") for i in range(len(symbols))]
    made = sympy.lambdify(symbols, value, modules=[functions])(*own)
    results = [made, *(casadi.jacobian(made, x) for x in own)] if derivatives else [made]
    function = casadi.Function("f", own, results)
    if not _is_batch(operands):
        return function, operands
    mapped = function.map(len(operands[0]))
    rows = [x[None, :] for x in operands]

    return mapped, rows


CASADI: Final = (
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
    "exp", "log", "sqrt", "erf",
)  # fmt: skip
PEERS: Final[dict[str, Callable[[sd.Function, bool, list[Any]], Made]]] = {
    "sympy": _sympy,
    "numba": _numba,
    "jax": _jax,
    "casadi": _casadi,
}
