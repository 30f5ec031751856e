"""NumPy source runs on its own, on numbers and arrays, and computes what the interpreter does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_functions import ELEMENTWISE, NOT_IN_LIBM, ULPS, lowered, of_op, samples

from symdiff import ops
from symdiff.autodiff.transforms import gradient, hessian
from symdiff.codegen.numpy import numpy_source
from symdiff.errors import UnsupportedError
from symdiff.ir import F64, Branch, DType, Function, Graph, Leaf, Op, Type, f32, f64, flatten
from symdiff.ir import interpret as interpreted


def run_source(fn: Function) -> Any:
    """The one function that the source of `fn` defines."""
    namespace: dict[str, Any] = {}
    exec(compile(numpy_source(fn), "<source>", "exec"), namespace)
    (name,) = namespace.keys() - {"np", "math", "__builtins__"}
    return namespace[name]


@pytest.mark.parametrize("dtype", [f64, f32], ids=str)
@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_every_operation(op: Op, dtype: DType) -> None:
    fn = lowered(of_op(op), dtype)
    if op.name in NOT_IN_LIBM:
        with pytest.raises(UnsupportedError, match="digamma has no counterpart in NumPy"):
            numpy_source(fn)
        return
    args = [a if a.dtype == bool else a.astype(dtype.numpy) for a in samples(op)]
    compute, (expected,) = run_source(fn), interpreted(fn, args)
    got, alone = compute(*args), compute(*(a[0] for a in args))
    assert got.dtype == expected.dtype == fn.outputs[0].type.dtype.numpy
    assert isinstance(alone, np.generic)
    assert alone == got[0]
    if expected.dtype.kind == "f":
        np.testing.assert_array_max_ulp(got, expected, ULPS.get(op.name, 4))
    else:
        np.testing.assert_array_equal(got, expected)


def test_results_have_the_structure_of_the_function() -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("y", F64)
    f = Function("f", (x, y), (ops.mul(x, ops.sin(y)),))
    for fn in (gradient(f, [0, 1], False, True), hessian(f, [0, 1], False, "auto")):
        fn = lowered(fn)
        got = flatten(fn.result, run_source(fn)(2.0, [0.5, 1.5]))
        for one, wanted in zip(got, interpreted(fn, [2.0, [0.5, 1.5]]), strict=True):
            np.testing.assert_array_max_ulp(one, np.broadcast_to(wanted, np.shape(one)), 4)
    assert "(value, (d_x, d_y))" in numpy_source(lowered(gradient(f, [0, 1], False, True)))


def test_source_is_readable() -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("lambda", F64)
    assert numpy_source(Function("f", (x, y), (ops.exp(ops.add(x, y)),))) == (
        "import numpy as np\n"
        "\n"
        "\n"
        "# f of numbers or arrays, element by element, returns\n"
        "# value\n"
        "# lambda_ stands for 'lambda'.\n"
        "def f(x, lambda_):\n"
        "    x = np.asarray(x, np.float64)[()]\n"
        "    lambda_ = np.asarray(lambda_, np.float64)[()]\n"
        '    with np.errstate(all="ignore"):\n'
        "        t1 = x + lambda_\n"
        "        t2 = np.exp(t1)\n"
        "    return t2\n"
    )


NAMES = [
    "lambda", "np", "math", "t1", "sum", "erf", "α", "ﬁ", "fi", "x²", "x2", "a b", "1a", "", "f",
    "True", "__debug__", "float", "x\n'\"\\", "_", "match", "lambda_", "变",
]  # fmt: skip


@pytest.mark.parametrize("name", ["f", "lambda", "np", "t1", "erf", "δ f", "print"])
def test_any_name_can_be_a_parameter(name: str) -> None:
    graph = Graph()
    params = tuple(graph.param(n, F64) for n in NAMES)
    total = ops.erf(params[0])
    for p in params[1:]:
        total = ops.add(total, p)
    fn = Function(name, params, (total, params[3]), Branch((Leaf("value"), Leaf("x\n#"))))
    point = list(np.random.default_rng(2).normal(size=len(params)))
    np.testing.assert_array_max_ulp(np.array(run_source(fn)(*point)), interpreted(fn, point), 4)


def test_poles_and_untaken_branches_are_silent() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    parts = (ops.gamma(x), ops.lgamma(x), ops.div(1.0, x), ops.log(x), ops.max(x, 0.0))
    fn = Function("f", (x,), parts, Branch(tuple(map(Leaf, "abcde"))))
    points = np.array([0.0, -0.0, -1.0, 200.0, 0.5, np.nan, np.inf, 1e308])
    inf, nan = np.inf, np.nan
    gamma, lgamma, inverse, log, top = run_source(fn)(points)
    np.testing.assert_array_equal(gamma[[0, 1, 2, 3, 5, 6]], [inf, -inf, nan, inf, nan, inf])
    np.testing.assert_array_equal(lgamma[[0, 1, 2, 5, 6, 7]], [inf, inf, inf, nan, inf, inf])
    np.testing.assert_array_equal(inverse[:2], [inf, -inf])
    np.testing.assert_array_equal(log[:3], [-inf, -inf, nan])
    np.testing.assert_array_equal(top[[2, 5]], [0.0, nan])
    assert run_source(fn)(0.0)[2] == inf


@pytest.mark.parametrize("number", [0.0, -0.0, 0.1, -2.5, 1e300, np.inf, -np.inf, np.nan, 5e-324])
@pytest.mark.parametrize("dtype", [f64, f32], ids=str)
def test_constants_are_exact_and_keep_the_precision(number: float, dtype: DType) -> None:
    graph = Graph()
    x = graph.param("x", Type(dtype))
    with np.errstate(over="ignore", under="ignore"):
        c = graph.const(number, Type(dtype))
        wanted = np.array(number).astype(dtype.numpy)
    fn = Function("f", (x,), (c, ops.where(ops.lt(x, 0.0), x, c)), Branch((Leaf("a"), Leaf("b"))))
    for got in run_source(fn)(dtype.numpy.type(1.0)):
        np.testing.assert_array_equal(got, wanted)
        assert np.signbit(got) == np.signbit(wanted)
        assert dtype is f64 or got.dtype == wanted.dtype


def test_many_outputs_are_one_a_line() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    tree = Branch(
        (Branch(tuple(Leaf(f"a_long_name_{i}") for i in range(20))), Branch((Leaf("b"),)))
    )
    fn = Function("f", (x,), (*(ops.add(x, float(i)) for i in range(20)), x), tree)
    first, last = run_source(fn)(1.0)
    assert first == tuple(1.0 + i for i in range(20))
    assert last == (1.0,)
    assert max(map(len, numpy_source(fn).splitlines())) <= 100
