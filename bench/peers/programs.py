"""Value and gradient of programs of any length, for the suite `compile`: who compiles them, how."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

from bench.peers.casadi_peer import GCC

# What each contender is imported as.
PEERS: Final = {
    "symdiff": "symdiff",
    "symdiff, from the cache": "symdiff",
    "casadi: machine": "casadi",
    "casadi: gcc": "casadi",
    "heyoka: cfunc, compact": "heyoka",
    "heyoka: cfunc": "heyoka",
    "symengine: lambda": "symengine",
    "autograd": "autograd.numpy",
    "jax": "jax",
    "numba: sympy's code": "numba",
    "sympy: lambdify": "sympy",
}


def _symdiff(sd: Any, text: str, names: list[str], cache: bool = False) -> Any:
    return sd.compile(sd.value_and_grad(text, args=names), cache=cache)


def _on_symbols(text: str, scope: dict[str, Any]) -> Any:
    """The program's result on a package's symbols; statement by statement, since it may be long."""
    *assignments, result = text.split("\n")
    for line in assignments:
        name, expression = line.split(" = ", 1)
        scope[name] = eval(expression, {"__builtins__": {}}, scope)
    if len(result) < 2000:
        return eval(result, {"__builtins__": {}}, scope)
    total: Any = 0.0  # a long sum of names
    for name in result.split(" + "):
        total = total + scope[name]
    return total


def _functions(module: Any, names: str = "sin cos tanh exp") -> dict[str, Any]:
    return {name: getattr(module, name) for name in names.split()}


def _casadi(casadi: Any, text: str, names: list[str], **options: Any) -> Any:
    x = casadi.SX.sym("x", len(names))
    scope = _functions(casadi) | {name: x[i] for i, name in enumerate(names)}
    value = _on_symbols(text, scope)
    function = casadi.Function("f", [x], [value, casadi.gradient(value, x)], options)
    inputs, results = np.zeros(len(names)), [np.zeros(1), np.zeros(len(names))]
    buffer, run = function.buffer()
    views: list[Any] = [inputs, *results]
    buffer.set_arg(0, memoryview(views[0]))
    buffer.set_res(0, memoryview(views[1]))
    buffer.set_res(1, memoryview(views[2]))

    def call(*operands: float) -> Any:
        inputs[:] = operands
        run()
        return tuple(results)

    call.owner = (function, buffer)  # pyright: ignore[reportFunctionMemberAccess]
    return call


def _heyoka(heyoka: Any, text: str, names: list[str], compact: bool) -> Any:
    symbols = heyoka.make_vars(*names)
    value = _on_symbols(text, _functions(heyoka) | dict(zip(names, symbols, strict=True)))
    tensors = heyoka.diff_tensors([value], diff_args=list(symbols), diff_order=1)
    gradient = tensors.gradient
    function = heyoka.cfunc(
        [value, *gradient], vars=list(symbols), compact_mode=compact, fast_math=True
    )
    inputs, results = np.zeros(len(names)), np.zeros(len(names) + 1)

    def call(*operands: float) -> Any:
        inputs[:] = operands
        return function(inputs, outputs=results)

    return call


def _symengine(symengine: Any, text: str, names: list[str]) -> Any:
    symbols = symengine.symbols(names)
    value = _on_symbols(text, _functions(symengine) | dict(zip(names, symbols, strict=True)))
    results = [value, *(value.diff(s) for s in symbols)]
    compiled = symengine.Lambdify(symbols, results, cse=True)
    return lambda *operands: compiled(operands)


def _by_tracing(module: Any, package: Any, text: str, names: list[str]) -> Any:
    """`value_and_grad` of the program as a Python function."""
    code = [
        compile(ast.parse(line, mode="exec"), "program", "exec") for line in text.split("\n")[:-1]
    ]
    last = text.split("\n")[-1]

    def value(*operands: Any) -> Any:
        scope = _functions(module) | dict(zip(names, operands, strict=True))
        for line in code:
            exec(line, {"__builtins__": {}}, scope)
        return _on_symbols(last, scope)

    return package.value_and_grad(value, tuple(range(len(names))))


def _autograd(numpy: Any, text: str, names: list[str]) -> Any:
    return _by_tracing(numpy, import_module("autograd"), text, names)


def _jax(jax: Any, text: str, names: list[str]) -> Any:
    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(_by_tracing(jax.numpy, jax, text, names))
    return lambda *operands: jax.block_until_ready(compiled(*operands))


def _sympy(sympy: Any, text: str, names: list[str]) -> Any:
    symbols = sympy.symbols(names, real=True)
    value = _on_symbols(text, _functions(sympy) | dict(zip(names, symbols, strict=True)))
    results = (value, *(sympy.diff(value, s) for s in symbols))
    return sympy.lambdify(symbols, results, modules="math", cse=True)


def _numba(numba: Any, text: str, names: list[str]) -> Any:
    return numba.njit(_sympy(import_module("sympy"), text, names))


MAKERS: Final[dict[str, Callable[[Any, str, list[str]], Any]]] = {
    "symdiff": _symdiff,
    "symdiff, from the cache": partial(_symdiff, cache=True),
    "casadi: machine": _casadi,
    "casadi: gcc": partial(_casadi, **GCC),
    "heyoka: cfunc, compact": partial(_heyoka, compact=True),
    "heyoka: cfunc": partial(_heyoka, compact=False),
    "symengine: lambda": _symengine,
    "autograd": _autograd,
    "jax": _jax,
    "numba: sympy's code": _numba,
    "sympy: lambdify": _sympy,
}
