"""NumPy source of functions of arrays computes what the interpreter does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from op_functions import lowered
from opcases import SAMPLED, attributes, samples
from tensor_functions import Case, cases

from symdiff import ops
from symdiff.autodiff.transforms import gradient
from symdiff.codegen.numpy import numpy_source
from symdiff.errors import UnsupportedError
from symdiff.ir import (
    ITEM,
    Branch,
    DType,
    Function,
    Graph,
    Leaf,
    Op,
    Type,
    Value,
    boolean,
    f32,
    f64,
    flatten,
    i32,
    i64,
    interpret,
)
from symdiff.passes import as_dtype

ARRAYS = [op for op in SAMPLED if not op.elementwise]
MATRIX, VECTOR = Type(f64, (3, 4)), Type(f64, (4,))


def check(fn: Function, args: list[Any], tolerance: float = 1e-14) -> str:
    """The source of `fn`, which has been run beside the interpreter."""
    source = numpy_source(fn)
    namespace: dict[str, Any] = {}
    exec(compile(source, "<source>", "exec"), namespace)
    (name,) = namespace.keys() - {"np", "math", "base64", "__builtins__"}
    given = [np.array(a) for a in args]
    results = flatten(fn.result, namespace[name](*args))
    for got, wanted, output in zip(results, interpret(fn, args), fn.outputs, strict=True):
        assert np.asarray(got).dtype == output.type.dtype.numpy
        assert np.shape(got) == output.type.shape
        assert output.type.shape or not isinstance(got, np.ndarray)
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)
        if output.type.shape:
            got[...] = 0  # nobody else's memory
    for before, after in zip(given, args, strict=True):
        np.testing.assert_array_equal(before, after)
    return source


def function(params: dict[str, Type], make: Any) -> Function:
    """The function of `params` that `make` builds."""
    graph = Graph()
    values = tuple(graph.param(name, type) for name, type in params.items())
    made: Any = make(*values)
    outputs = made if isinstance(made, tuple) else (made,)
    tree = Branch(tuple(Leaf(f"v{i}") for i in range(len(outputs))))
    return Function("f", values, outputs, tree)


@pytest.mark.parametrize("dtype", [f64, f32, i64, i32], ids=str)
@pytest.mark.parametrize("op", ARRAYS, ids=lambda op: op.name)
def test_every_array_operation(op: Op, dtype: DType, rng: np.random.Generator) -> None:
    at = samples(op, rng)
    types = [Type(dtype if a.dtype.kind == "f" else i64, a.shape) for a in at]
    graph = Graph()
    params = tuple(graph.param(f"x{i}", t) for i, t in enumerate(types))
    fn = Function(op.name, params, (op(*params, **attributes(op)),))
    scale = 1 if dtype.kind == "f" else 9
    args = [
        (scale * a if a.dtype.kind == "f" else a).astype(t.dtype.numpy)
        for a, t in zip(at, types, strict=True)
    ]
    check(fn, args, 1e-5 if dtype is f32 else 1e-14)


@pytest.mark.parametrize("op", [o for o in SAMPLED if o.integers], ids=lambda op: op.name)
@pytest.mark.parametrize("dtype", [i64, i32], ids=str)
def test_every_operation_on_integers(op: Op, dtype: DType, rng: np.random.Generator) -> None:
    type = Type(dtype, (5,))
    names = "abc"[: op.arity]
    fn = lowered(
        function(
            dict.fromkeys(names, type),
            lambda *args: (op(*args), op(*args[:-1], ops.like(args[0], -3))),
        )
    )
    check(fn, [rng.integers(-9, 9, 5).astype(dtype.numpy) for _ in names])


@settings(max_examples=200)
@given(case=cases())
def test_random_functions(case: Case) -> None:
    for fn in (case.fn, lowered(case.fn)):
        if not any(v.op is ops.stop_gradient for v in fn.live()):
            check(fn, case.args, 1e-11)


@pytest.mark.parametrize(
    ("spec", "shapes", "text"),
    [
        ("ij,jk->ik", ((2, 3), (3, 4)), "a @ b"),
        ("ji,jk->ik", ((3, 2), (3, 4)), "a.T @ b"),
        ("ij,kj->ki", ((2, 3), (4, 3)), "b @ a.T"),
        ("ij,j->i", ((2, 3), (3,)), "a @ b"),
        ("i,ij->j", ((2,), (2, 3)), "b.T @ a"),
        ("i,i->", ((3,), (3,)), "a @ b"),
        ("i,j->ij", ((2,), (3,)), "np.outer(a, b)"),
        ("i,j->ji", ((2,), (3,)), "np.outer(b, a)"),
        ("ij,ij->", ((2, 3), (2, 3)), 'np.einsum("ij,ij->", a, b)'),
        ("bij,bjk->bik", ((2, 3, 4), (2, 4, 5)), 'np.einsum("bij,bjk->bik", a, b)'),
        (",ij->ij", ((), (2, 3)), 'np.einsum(",ij->ij", a, b)'),
    ],
)
def test_contractions_are_products_where_they_can_be(
    spec: str, shapes: Any, text: str, rng: np.random.Generator
) -> None:
    params = {name: Type(f64, shape) for name, shape in zip("ab", shapes, strict=True)}
    fn = function(params, lambda a, b: ops.contract(a, b, spec=spec))
    assert f" = {text}\n" in check(fn, [rng.normal(size=shape) for shape in shapes])


def test_slices_are_written_in_brackets(rng: np.random.Generator) -> None:
    def parts(x: Value) -> tuple[Value, ...]:
        return (
            ops.slice_(x, start=(1, 0), step=(1, 1), shape=(5, 5)),
            ops.slice_(x, start=(5, 4), step=(-1, -2), shape=(6, 3)),
            ops.slice_(x, start=(0, 3), step=(2, 1), shape=(3, 1)),
            ops.slice_(x, start=(4, 0), step=(-2, 1), shape=(2, 0)),
        )

    fn = function({"x": Type(f64, (6, 5))}, parts)
    source = check(fn, [rng.normal(size=(6, 5))])
    for text in ("x[1:]", "x[::-1, ::-2]", "x[:5:2, 3:4]", "x[4:1:-2, :0]"):
        assert f" = {text}\n" in source


def test_constants_of_all_types_and_sizes(rng: np.random.Generator) -> None:
    odd = np.array([0.1, -0.0, np.inf, -np.inf, np.nan, 5e-324])
    arrays = {
        f64: [odd, rng.normal(size=(10, 9)), np.zeros((0, 3))],
        f32: [odd.astype(np.float32), rng.normal(size=200).astype(np.float32)],
        i64: [np.array([[1, -(2**63)]]), np.arange(300)],
        i32: [np.array([1, -7], np.int32)],
        boolean: [np.array([True, False]), rng.normal(size=99) > 0],
    }

    def constants(x: Value) -> tuple[Value, ...]:
        dense = [
            x.graph.const(a, Type(dtype, a.shape)) for dtype, some in arrays.items() for a in some
        ]
        splat = [x.graph.const(1, Type(dtype, shape)) for dtype in arrays for shape in ((), (2,))]
        return (x, *dense, *splat)

    fn = function({"x": VECTOR}, constants)
    source = check(fn, [np.ones(4)])
    assert source.startswith("import base64\n\nimport numpy as np\n")
    got: dict[str, Any] = {}
    exec(source, got)
    np.testing.assert_array_equal(np.signbit(got["f"](np.ones(4))[1]), np.signbit(odd))


def test_indices_are_checked(rng: np.random.Generator) -> None:
    fn = function(
        {"x": VECTOR, "i": Type(i64, (2,))}, lambda x, i: ops.mul(2.0, ops.gather(x, i, axis=0))
    )
    namespace: dict[str, Any] = {}
    exec(numpy_source(fn), namespace)
    for index in ([0, 4], [-1, 0]):
        with pytest.raises(IndexError, match=r"outside 0\.\.3"):
            namespace["f"](np.ones(4), index)
    with pytest.raises(ValueError, match=r"x: expected an array of shape \(4,\)"):
        namespace["f"](np.ones(3), [0, 1])
    known = function(
        {"x": VECTOR}, lambda x: ops.gather(x, x.graph.const([3, 0], Type(i64, (2,))), axis=0)
    )
    assert "checked" not in check(known, [rng.normal(size=4)])


def items(value: Value) -> tuple[Value, ...]:
    """The elements of a tuple-typed value."""
    whole: Any = value.type
    count = len(whole.elements)
    return tuple(value.graph.add(ITEM, (value,), (("index", i),)) for i in range(count))


def recurrence(length: int, reverse: bool) -> Function:
    """h = tanh(W h + x) for each x, handing out sums of the h; a loop within the loop."""
    inner_graph = Graph()
    total, term = (inner_graph.param(n, Type(f64)) for n in ("total", "term"))
    inner = Function("step", (total, term), (ops.add(total, term),))
    graph = Graph()
    h, x, w = (
        graph.param("h", VECTOR),
        graph.param("x", VECTOR),
        graph.param("W", Type(f64, (4, 4))),
    )
    after = ops.tanh(ops.add(ops.contract(w, h, spec="ij,j->i"), x))
    zero = graph.const(0.0, Type(f64))
    (summed,) = items(
        ops.scan(zero, after, body=inner, carries=1, inputs=1, length=4, reverse=False)
    )
    tree = Branch((Leaf("h"), Leaf("y"), Leaf("one")))
    body = Function("body", (h, x, w), (after, summed, graph.const(1.0, Type(f64))), tree)
    return function(
        {"h": VECTOR, "xs": Type(f64, (length, 4)), "W": Type(f64, (4, 4))},
        lambda h, xs, w: items(
            ops.scan(h, xs, w, body=body, carries=1, inputs=1, length=length, reverse=reverse)
        ),
    )


@pytest.mark.parametrize("length", [0, 1, 5])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("dtype", [f64, f32], ids=str)
def test_loops_stay_loops(
    length: int, reverse: bool, dtype: DType, rng: np.random.Generator
) -> None:
    fn = as_dtype(recurrence(length, reverse), dtype)
    args = [rng.normal(size=p.type.shape).astype(dtype.numpy) for p in fn.params]
    source = check(fn, args, 1e-14 if dtype is f64 else 1e-5)
    assert source.count("for step") == 2
    assert "def step_(" in source or "def step(" in source


def test_functions_with_derivatives_of_their_own(rng: np.random.Generator) -> None:
    graph = Graph()
    x = graph.param("x", VECTOR)
    body = Function("half", (x,), (ops.mul(0.5, x),))
    fn = function({"x": VECTOR}, lambda x: items(ops.custom(x, body=body, vjp=None, jvp=None)))
    assert "def half(x_):" in check(fn, [rng.normal(size=4)])


def network(w: Value, x: Value, b: Value, u: Value) -> Value:
    hidden = ops.tanh(ops.add(ops.contract(w, x, spec="ij,j->i"), b))
    return ops.contract(u, hidden, spec="i,i->")


def softmax(w: Value, x: Value, b: Value, u: Value) -> Value:
    scores = ops.add(ops.contract(w, x, spec="ij,j->i"), b)
    top = ops.broadcast(ops.reduce_max(scores, shape=()), shape=(3,))
    total = ops.reduce_sum(ops.exp(ops.sub(scores, top)), shape=())
    first = ops.reshape(ops.slice_(u, start=(1,), step=(1,), shape=(1,)), shape=())
    return ops.mul(first, ops.log(total))


@pytest.mark.parametrize("make", [network, softmax])
@pytest.mark.parametrize("dtype", [f64, f32], ids=str)
def test_whole_functions_with_gradients(make: Any, dtype: DType, rng: np.random.Generator) -> None:
    types = {"W": MATRIX, "x": VECTOR, "b": Type(f64, (3,)), "u": Type(f64, (3,))}
    primal = function(types, make)
    primal = Function("f", primal.params, primal.outputs)
    fn = lowered(as_dtype(gradient(primal, [0, 1, 2, 3], False, True), dtype))
    args = [rng.normal(size=t.shape).astype(dtype.numpy) for t in types.values()]
    source = check(fn, args, 1e-13 if dtype is f64 else 1e-4)
    assert source.count("import") == 1


def test_source_of_arrays_is_readable() -> None:
    types = {"W": MATRIX, "x": VECTOR}
    fn = function(types, lambda w, x: ops.tanh(ops.contract(w, x, spec="ij,j->i")))
    fn = Function("layer", fn.params, fn.outputs)
    assert numpy_source(fn) == (
        "import numpy as np\n"
        "\n"
        "\n"
        "# layer of arrays returns\n"
        "# value\n"
        "def layer(W, x):\n"
        "    W = np.asarray(W, np.float64)\n"
        "    if W.shape != (3, 4):\n"
        "        raise ValueError('W: expected an array of shape (3, 4)')\n"
        "    x = np.asarray(x, np.float64)\n"
        "    if x.shape != (4,):\n"
        "        raise ValueError('x: expected an array of shape (4,)')\n"
        '    with np.errstate(all="ignore"):\n'
        "        t1 = W @ x\n"
        "        t2 = np.tanh(t1)\n"
        "    return t2\n"
    )


def test_what_numpy_lacks_is_refused_by_name() -> None:
    fn = function({"x": VECTOR}, lambda x: ops.digamma(x))
    with pytest.raises(UnsupportedError, match="digamma has no counterpart in NumPy"):
        numpy_source(lowered(fn))
    odd = Op("cholesky", type=lambda types: types[0], value=math.nan, arity=1)  # type: ignore[arg-type]
    fn = function({"x": MATRIX}, lambda x: x.graph.add(odd, (x,)))
    with pytest.raises(UnsupportedError, match="cannot express the operation cholesky"):
        numpy_source(fn)
