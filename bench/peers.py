"""Value and gradient of a formula by other means: what `calls.py` compares symdiff with.

Each maker takes a formula and returns a function of its numbers. Code written by hand is not here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final

import numpy as np
from workloads import Formula

Maker = Callable[[Formula], Callable[..., Any]]


def built(formula: Formula, functions: Mapping[str, Any], *symbols: Any) -> Any:
    """The formula evaluated on a package's own symbols, with its own functions."""
    names = dict(zip(formula.point, symbols, strict=True))
    return eval(formula.text, {"__builtins__": {}, **functions, **names})


def sympy_lambdify(formula: Formula) -> Callable[..., Any]:
    """Derivatives by SymPy, common subexpressions by its `cse`, run by Python's `math`."""
    sympy: Any = import_module("sympy")
    symbols = sympy.symbols(list(formula.point))
    value = built(formula, {"max": sympy.Max, "exp": sympy.exp}, *symbols)
    both = (value, *(sympy.diff(value, s) for s in symbols))
    return sympy.lambdify(symbols, both, modules="math", cse=True)


def numba_sympy(formula: Formula) -> Callable[..., Any]:
    """The code of `sympy_lambdify`, compiled by Numba."""
    numba: Any = import_module("numba")
    return numba.njit(sympy_lambdify(formula))


def casadi_function(formula: Formula, **options: Any) -> Any:
    """A CasADi function of scalars that gives value and derivatives."""
    casadi: Any = import_module("casadi")
    symbols = [casadi.SX.sym(name) for name in formula.point]
    value = built(formula, {"max": casadi.fmax, "exp": casadi.exp}, *symbols)
    outputs = [value, *(casadi.jacobian(value, s) for s in symbols)]
    return casadi.Function("f", symbols, outputs, options)


def casadi_machine(formula: Formula) -> Callable[..., Any]:
    """CasADi's virtual machine, called with numbers."""
    return casadi_function(formula)


def casadi_buffer(formula: Formula, **options: Any) -> Callable[..., Any]:
    """CasADi on memory that is set up once, its cheapest call."""
    function = casadi_function(formula, **options)
    count = len(formula.point)
    buffer, run = function.buffer()
    inputs = [array("d", [0.0]) for _ in range(count)]
    results = [array("d", [0.0]) for _ in range(count + 1)]
    for i, numbers in enumerate(inputs):
        buffer.set_arg(i, memoryview(numbers))
    for i, numbers in enumerate(results):
        buffer.set_res(i, memoryview(numbers))

    def call(*operands: float) -> list[float]:
        for numbers, operand in zip(inputs, operands, strict=True):
            numbers[0] = operand
        run()
        return [numbers[0] for numbers in results]

    call.owners = (function, buffer)  # pyright: ignore[reportFunctionMemberAccess]
    return call


def casadi_gcc(formula: Formula) -> Callable[..., Any]:
    """CasADi's C code, compiled by the system's compiler, on fixed memory."""
    flags = ["-O3", "-march=native"]
    return casadi_buffer(
        formula, jit=True, compiler="shell", jit_options={"flags": flags, "verbose": False}
    )


def jax_jit(formula: Formula) -> Callable[..., Any]:
    """`jax.jit` of `jax.value_and_grad`, in float64."""
    return _jax(formula, batch=False)


def jax_batch(formula: Formula) -> Callable[..., Any]:
    """The same under `vmap`."""
    return _jax(formula, batch=True)


def _jax(formula: Formula, batch: bool) -> Callable[..., Any]:
    jax: Any = import_module("jax")
    jax.config.update("jax_enable_x64", True)
    functions = {"max": jax.numpy.maximum, "exp": jax.numpy.exp}
    every = tuple(range(len(formula.point)))

    def value(*symbols: Any) -> Any:
        return built(formula, functions, *symbols)

    both = jax.value_and_grad(value, every)
    compiled = jax.jit(jax.vmap(both) if batch else both)
    return lambda *operands: jax.block_until_ready(compiled(*operands))


def autograd_trace(formula: Formula) -> Callable[..., Any]:
    """Autograd, which traces anew at each call."""
    autograd: Any = import_module("autograd")
    numpy: Any = import_module("autograd.numpy")
    functions = {"max": numpy.maximum, "exp": numpy.exp}
    every = tuple(range(len(formula.point)))
    code = compile(formula.text, "formula", "eval")
    names = list(formula.point)

    def value(*symbols: Any) -> Any:
        return eval(code, dict(zip(names, symbols, strict=True)) | functions)

    return autograd.value_and_grad(value, every)


def symengine_lambda(formula: Formula) -> Callable[..., Any]:
    """SymEngine's derivatives and its compiled lambda, with `cse`."""
    return _symengine(formula, "lambda")


def symengine_llvm(formula: Formula) -> Callable[..., Any]:
    """The same through LLVM."""
    return _symengine(formula, "llvm")


def _symengine(formula: Formula, backend: str) -> Callable[..., Any]:
    symengine: Any = import_module("symengine")
    symbols = symengine.symbols(list(formula.point))
    value = built(formula, {"max": symengine.Max, "exp": symengine.exp}, *symbols)
    both = [value, *(value.diff(s) for s in symbols)]
    compiled = symengine.Lambdify(symbols, both, cse=True, backend=backend)
    return lambda *operands: compiled(operands)


def heyoka_cfunc(formula: Formula) -> Callable[..., Any]:
    """A heyoka.py compiled function on fixed arrays."""
    function = _heyoka(formula)
    inputs, results = np.zeros(len(formula.point)), np.zeros(len(formula.point) + 1)

    def call(*operands: float) -> list[float]:
        inputs[:] = operands
        return function(inputs, outputs=results).tolist()

    return call


def heyoka_batch(formula: Formula) -> Callable[..., Any]:
    """The same on arrays of points, with the fast mathematics that makes it vectorise."""
    function = _heyoka(formula, fast_math=True)
    return lambda *operands: function(np.stack(operands))


def _heyoka(formula: Formula, **options: Any) -> Any:
    heyoka: Any = import_module("heyoka")
    symbols = heyoka.make_vars(*formula.point)

    def maximum(x: Any, y: Any) -> Any:
        return y + heyoka.relu(x - y)

    value = built(formula, {"max": maximum, "exp": heyoka.exp}, *symbols)
    both = [value, *(heyoka.diff(value, s) for s in symbols)]
    return heyoka.cfunc(both, vars=list(symbols), **options)


def numba_batch(formula: Formula) -> Callable[..., Any]:
    """A loop over the points around the code of `numba_sympy`."""
    numba: Any = import_module("numba")
    names = ", ".join(formula.point)
    count = len(formula.point)
    elements = ", ".join(f"{name}[i]" for name in formula.point)
    source = (
        f"def loop({names}, out):\n"
        "    for i in range(out.shape[1]):\n"
        f"        r = scalar({elements})\n"
        + "".join(f"        out[{k}, i] = r[{k}]\n" for k in range(count + 1))
    )
    scope: dict[str, Any] = {"scalar": numba_sympy(formula)}
    exec(source, scope)
    loop: Any = numba.njit(scope["loop"])

    def call(*operands: Any) -> Any:
        out = np.empty((count + 1, len(operands[0])))
        loop(*operands, out)
        return out

    return call


SCALAR: Final[dict[str, Maker]] = {
    "sympy: diff, cse, lambdify": sympy_lambdify,
    "numba of sympy's code": numba_sympy,
    "symengine: Lambdify": symengine_lambda,
    "symengine: LLVM": symengine_llvm,
    "heyoka: cfunc, fixed arrays": heyoka_cfunc,
    "casadi: machine": casadi_machine,
    "casadi: machine, fixed memory": casadi_buffer,
    "casadi: gcc, fixed memory": casadi_gcc,
    "jax: jit, float64": jax_jit,
    "autograd": autograd_trace,
}

BATCH: Final[dict[str, Maker]] = {
    "numba loop over sympy's code": numba_batch,
    "jax: jit of vmap, float64": jax_batch,
    "heyoka: cfunc, fast_math": heyoka_batch,
}
