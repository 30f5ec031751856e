"""The front door: sources, decorators, costs, and what an import loads."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import symdiff as sd

sympy: Any = import_module("sympy")


def test_every_kind_of_source_gives_the_same_function() -> None:
    x, y = sympy.symbols("x y")

    def product(x: Any, y: Any) -> Any:
        return x * np.sin(y)

    sources = ["x*sin(y)", x * sympy.sin(y), product, sd.function("x*sin(y)")]
    bodies = {str(sd.function(source)).partition("{")[2] for source in sources}
    assert len(bodies) == 1
    for source in sources:
        assert sd.grad(source)(2.0, 0.0) == (0.0, 2.0)
        assert sd.compile(source)(2.0, 0.5) == 2.0 * np.sin(0.5)


@pytest.mark.parametrize("source", [None, 3.0, {"x": 1}, b"x", ["x"], object()])
def test_other_things_are_refused(source: Any) -> None:
    with pytest.raises(sd.UnsupportedError, match="cannot read"):
        sd.function(source)


def test_a_kernel_is_no_source() -> None:
    with pytest.raises(sd.ArgumentError, match="Function it came from"):
        sd.grad(sd.compile("x"))
    with pytest.raises(sd.ArgumentError, match="has its parameters already"):
        sd.function(sd.function("x"), ["x"])


def test_decorators() -> None:
    @sd.value_and_grad
    def square(x: Any) -> Any:
        """The square."""
        return x * x

    @sd.grad(wrt="y")
    def product(x: Any, y: Any) -> Any:
        return x * y

    @sd.compile(dtype="float32")
    def half(x: Any) -> Any:
        return x / 2

    assert square(3.0) == (9.0, 6.0)
    assert square.__doc__ == "The square."
    assert product(3.0, 4.0) == 3.0
    assert half(3.0) == 1.5


def test_functions_inside_functions_are_inlined() -> None:
    slope = sd.grad("x**3")

    def f(x: Any) -> Any:
        return slope(x) + slope(2 * x)

    assert sd.value_and_grad(f)(2.0) == (60.0, 60.0)


def test_cost() -> None:
    cost = sd.function("x*sin(y)").cost()
    assert cost.value == {"mul": 1, "sin": 1}
    assert cost.value_and_grad == {"mul": 2, "sincos": 1}
    assert cost.ratio == 1.5
    assert cost.workspace_bytes == 0
    derived = sd.value_and_grad("x*sin(y)")
    assert derived.cost() == sd.compile(derived).cost() == cost
    assert sd.function("x*y, x + y").cost().value_and_grad.total > 2
    assert sd.function("2.5").cost().value.total == 0
    long = sd.function("x = x*(1 + sin(x))\n" * 1000 + "x")
    assert sd.value_and_grad(long).cost().workspace_bytes > 0


def test_functions_pickle_and_print() -> None:
    fn = sd.value_and_grad("x*sin(y)")
    again = pickle.loads(pickle.dumps(fn))
    assert str(again) == str(fn)
    assert again.cost() == fn.cost()
    assert again(2.0, 0.5) == fn(2.0, 0.5)
    assert repr(fn) == "<symdiff function f_value_and_grad(x, y)>"
    assert "sin" in fn._repr_latex_()
    assert fn.graph().startswith("digraph")
    assert fn.outputs == ("value", "d_x", "d_y")


def test_the_formula_reads_back() -> None:
    fn = sd.hessian("exp(-x**2)*atan2(y, x)")
    again = sd.function(fn.formula(), list(fn.parameters))
    at = (0.3, 0.7)
    np.testing.assert_array_equal(np.ravel(again(*at)), np.ravel(fn(*at)))


def test_import_is_light() -> None:
    """SymPy, SciPy and LLVM load when they are first needed."""
    code = "import sys, symdiff; print(*(m in sys.modules for m in ('sympy', 'scipy', 'llvmlite')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"] * 3


def test_a_formula_of_numbers_loads_nothing_that_arrays_need() -> None:
    code = (
        "import sys, symdiff as sd; sd.compile(sd.value_and_grad('x*sin(y)'), cache=False)(1., 2.);"
        "rooms = ('loops', 'vector_math', 'texts');"
        "print(*(f'symdiff.codegen.{room}' in sys.modules for room in rooms))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"] * 3


def test_types_for_a_function_whose_shapes_are_open() -> None:
    kernel = sd.compile(sd.grad(lambda a: np.sum(a**2)), args={"a": "f64[3]"})
    assert "%a: f64[3]" in kernel.ir
    assert kernel(np.arange(3.0)).tolist() == [0.0, 2.0, 4.0]
    with pytest.raises(sd.ArgumentError, match="unknown argument 'b'"):
        sd.compile(sd.grad(lambda a: np.sum(a**2)), args={"b": "f64[3]"})
    with pytest.raises(sd.ArgumentError, match="has its parameters already"):
        sd.function(sd.grad("x*y"), args={"x": "f32"})


def test_what_is_declared_as_float32_stays_so_with_fastmath() -> None:
    kernel = sd.compile("def f(x: f32[3]): return sum(x*x)", fastmath=True)
    assert "f64" not in kernel.ir
    assert kernel(np.ones(3, np.float32)) == 3.0


def test_errors_are_of_one_family() -> None:
    for name in sd.__all__:
        entry = getattr(sd, name)
        if isinstance(entry, type) and issubclass(entry, Exception):
            assert issubclass(entry, sd.SymdiffError)
    error = pickle.loads(pickle.dumps(_caught("x + * y")))
    assert (error.line, error.column) == (1, 5)


def _caught(source: str) -> sd.ParseError:
    with pytest.raises(sd.ParseError) as caught:
        sd.function(source)
    return caught.value
