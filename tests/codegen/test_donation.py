"""Donated parameters: the same numbers as with memory of their own, in place where that is right.

Random functions compute with small whole numbers, so results are the same bits in whatever order
sums are taken.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import symdiff as sd
from symdiff import ops
from symdiff.codegen.loops import build_program
from symdiff.codegen.loops.program import Copy, Load, Nest, Store, statements
from symdiff.ir import Branch, Function, Graph, Leaf, Type, Value, f64, i64

# Random functions.


def _clipped(x: Value) -> Value:
    return ops.max(ops.min(x, ops.like(x, 9)), ops.like(x, -9))


def _elementwise(draw: Any, x: Value, y: Value) -> Value:
    return draw(st.sampled_from([ops.add, ops.sub, ops.min, ops.max]))(x, y)


def _transposed(draw: Any, x: Value, y: Value) -> Value:
    return ops.transpose(x, axes=(1, 0))


def _reversed(draw: Any, x: Value, y: Value) -> Value:
    n, _ = x.type.shape
    return ops.slice_(x, start=(n - 1, 0), step=(-1, 1), shape=x.type.shape)


def _shifted(draw: Any, x: Value, y: Value) -> Value:
    n, axis = x.type.shape[0], draw(st.integers(0, 1))
    by = draw(st.integers(0, n))
    begin, rest = ([0, 0], [n, n]), ([0, 0], [n, n])
    begin[0][axis], begin[1][axis] = by, n - by
    rest[1][axis] = by
    parts = [ops.slice_(x, start=tuple(s), step=(1, 1), shape=tuple(m)) for s, m in (begin, rest)]
    return ops.concatenate(*parts, axis=axis)


def _product(draw: Any, x: Value, y: Value) -> Value:
    return ops.contract(x, y, spec=draw(st.sampled_from(["ij,jk->ik", "ij,kj->ik", "ij,ik->kj"])))


def _reduced(draw: Any, x: Value, y: Value) -> Value:
    n = x.type.shape[0]
    shape = draw(st.sampled_from([(), (n,), (n, 1)]))
    return ops.broadcast(ops.reduce_sum(y, shape=shape), shape=x.type.shape)


def _running(draw: Any, x: Value, y: Value) -> Value:
    return ops.cumsum(x, axis=draw(st.integers(0, 1)), reverse=draw(st.booleans()))


def _embedded(draw: Any, x: Value, y: Value) -> Value:
    n = x.type.shape[0]
    part = ops.slice_(x, start=(0, 0), step=(1, 1), shape=(n - 1, n - 1))
    start = draw(st.tuples(st.integers(0, 1), st.integers(0, 1)))
    return ops.embed(part, start=start, step=(1, 1), shape=x.type.shape)


def _rows(x: Value, rows: Value) -> Value:
    return ops.gather(x, rows, axis=0)


def _gathered(draw: Any, x: Value, y: Value) -> Value:
    rows = x.graph.known["rows"]  # type: ignore[attr-defined]
    how = draw(st.sampled_from(["gather", "put_at", "add_at", "scatter_add", "x + scatter_add"]))
    if how == "gather":
        return _rows(x, rows)
    if how in ("put_at", "add_at"):
        return ops.OPS[how](x, _rows(y, rows), rows, axis=0)
    sums = ops.scatter_add(_rows(y, rows), rows, axis=0, shape=x.type.shape)
    return sums if how == "scatter_add" else ops.add(sums, x)


def _scanned(draw: Any, x: Value, y: Value) -> Value:
    inner = Graph()
    n = x.type.shape[0]
    carry, row = (inner.param(name, Type(f64, (n,))) for name in ("c", "r"))
    kind = draw(st.sampled_from(["sum", "shift", "swap"]))
    new = {"sum": ops.add(carry, row), "shift": _clipped(ops.sub(row, carry)), "swap": row}[kind]
    body = Function("step", (carry, row), (new, carry), Branch((Leaf("a"), Leaf("b"))))
    first = ops.gather(y, x.graph.const(0, Type(i64, ())), axis=0)
    attrs = {"body": body, "carries": 1, "inputs": 1, "length": n, "reverse": False}
    made = x.graph.add(ops.scan, (first, x), tuple(sorted(attrs.items())))
    return x.graph.add(ops.OPS["item"], (made,), (("index", 1),))


_STEPS = [
    _elementwise, _elementwise, _elementwise, _transposed, _reversed, _shifted, _product, _reduced,
    _running, _embedded, _gathered, _gathered, _scanned,
]  # fmt: skip


class _Graph(Graph):
    """A graph that knows the index operand."""

    known: dict[str, Value]


@st.composite
def updates(draw: Any) -> tuple[Function, list[Any]]:
    """A function of three matrices that returns a new one for each, and a sum; with arguments."""
    n = draw(st.sampled_from([1, 2, 5, 8]))
    graph = _Graph()
    params = [graph.param(name, Type(f64, (n, n))) for name in "xyz"]
    rows = graph.param("rows", Type(i64, (n,)))
    graph.known = {"rows": rows}
    values = list(params)
    for _ in range(draw(st.integers(2, 9))):
        x, y = draw(st.sampled_from(values[-5:])), draw(st.sampled_from(values))
        values.append(_clipped(draw(st.sampled_from(_STEPS))(draw, x, y)))
    outputs = [draw(st.sampled_from([*values[-4:], *params])) for _ in params]
    outputs = [
        draw(st.sampled_from([o, o, ops.add(o, p)])) for o, p in zip(outputs, params, strict=True)
    ]
    outputs.append(ops.reduce_sum(draw(st.sampled_from(values)), shape=()))
    names = tuple(Leaf(name) for name in ("a", "b", "c", "total"))
    fn = Function("f", (*params, rows), tuple(outputs), Branch(names))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    args = [rng.integers(-9, 9, (n, n)).astype(float) for _ in params]
    return fn, [*args, rng.integers(0, n, n)]


def assert_same_in_place(fn: Function, args: list[Any], **options: Any) -> None:
    """Donated parameters get what other kernels return, by call, bound, and twice in a row."""
    source = sd.Function(fn)
    plain = sd.compile(source, **options)
    kernel = sd.compile(source, donate=["x", "y", "z"], **options)
    given = [a.copy() for a in args]
    results = kernel(*given)
    expected = plain(*args)
    assert results[3] == expected[3]
    for result, argument, wanted in zip(results[:3], given[:3], expected[:3], strict=True):
        assert result is argument
        assert_array_equal(result, wanted)
    given = [a.copy() for a in args]
    step = kernel.bind(*given)
    first = [np.array(r) for r in step()]
    for result, wanted in zip(first, plain(*args), strict=True):
        assert_array_equal(result, wanted)
    step()
    for argument, wanted in zip(given[:3], plain(*first[:3], args[3])[:3], strict=True):
        assert_array_equal(argument, wanted)


@given(updates())
@settings(max_examples=12, deadline=None)
def test_random_updates(case: tuple[Function, list[Any]]) -> None:
    assert_same_in_place(*case)


@pytest.mark.slow
@given(updates())
@settings(max_examples=120, deadline=None)
def test_many_random_updates(case: tuple[Function, list[Any]]) -> None:
    assert_same_in_place(*case)


# What is done where.


def in_place(function: Any, donate: Any = None, **types: str) -> sd.Kernel:
    names = [name for name in types if name not in ("rows", "g", "X", "s")]
    return sd.compile(function, args=types, donate=donate or names)


def copies(kernel: sd.Kernel) -> list[str]:
    return [line for line in kernel.loop_ir.splitlines() if line.strip().startswith("copy")]


def workspace(kernel: sd.Kernel) -> int:
    return int(kernel.loop_ir.splitlines()[0].split()[-2])


def test_an_update_of_elements_has_no_temporary() -> None:
    kernel = in_place(lambda x, g: x - 0.1 * g, x="f64[1000]", g="f64[1000]")
    assert "in0[i0] = " in kernel.loop_ir
    assert workspace(kernel) == 0


def test_readers_come_before_the_update() -> None:
    # The sum of products of neighbours is written after the update in the source.
    kernel = in_place(lambda x: (x * 2, np.sum(x[1:] * x[:-1])), x="f64[100]")
    text = kernel.loop_ir
    assert workspace(kernel) == 0
    assert text.index("sum=") < text.index("in0[i0] =")
    x = np.arange(100.0)
    new, total = kernel(x.copy())
    assert_array_equal(new, 2 * x)
    assert total == np.sum(x[1:] * x[:-1])


def test_each_from_the_other() -> None:
    def swap(x: Any, y: Any) -> Any:
        return np.roll(y, 1), np.roll(x, -1)

    kernel = in_place(swap, x="f64[50]", y="f64[50]")
    assert len(copies(kernel)) == 1  # the other one is written at once
    x, y = np.arange(50.0), np.arange(50.0) ** 2
    new = kernel(x.copy(), y.copy())
    assert_array_equal(new[0], np.roll(y, 1))
    assert_array_equal(new[1], np.roll(x, -1))


def test_neighbours_are_read_from_what_is_not_written() -> None:
    # One after the other the iterations could do it in place, but threads share them.
    def step(x: Any) -> Any:
        return np.concatenate([x[:-1] + x[1:], x[-1:]])

    kernel = in_place(step, x="f64[100]")
    assert len(copies(kernel)) == 1
    x = np.arange(100.0)
    assert_array_equal(kernel(x.copy()), step(x))


def test_sums_of_rows_stay_in_place() -> None:
    kernel = in_place(lambda x: x / np.sum(x, axis=1, keepdims=True), x="f64[50,60]")
    assert copies(kernel) == []
    x = np.random.default_rng(0).uniform(1, 2, (50, 60))
    assert_allclose(kernel(x.copy()), x / np.sum(x, axis=1, keepdims=True), rtol=1e-14)


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize(
    "function",
    [
        lambda W, X: W @ X,
        lambda W, X: X @ W,
        lambda W, X: W.T,
        lambda W, X: W[::-1],
        lambda W, X: W @ W,
        lambda W, X: W - X.T @ X,
        lambda W, X: (W - X.T @ (X @ W), np.sum(W.T @ X)),
    ],
)
def test_products(function: Any, n: int) -> None:
    rng = np.random.default_rng(0)
    W, X = (rng.integers(-5, 5, (n, n)).astype(float) for _ in range(2))
    kernel = in_place(function, W=f"f64[{n},{n}]", X=f"f64[{n},{n}]")
    given = W.copy()
    result = kernel(given, X)
    new = result[0] if isinstance(result, tuple) else result
    expected = function(W, X)
    assert new is given
    assert_array_equal(given, expected[0] if isinstance(expected, tuple) else expected)


def test_a_matrix_that_blas_reads_first() -> None:
    n = 40
    kernel = in_place(lambda W, X: W - X.T @ (X @ W), W=f"f64[{n},{n}]", X=f"f64[{n},{n}]")
    assert kernel.loop_ir.count("@") == 2
    assert copies(kernel) == []


def test_frozen_parameters_cost_nothing() -> None:
    kernel = in_place(lambda x, y: (x, y + 1.0), x="f64[1000000]", y="f64[3]")
    assert "in0" not in kernel.loop_ir


def test_constants_and_copies_of_parameters() -> None:
    kernel = in_place(lambda x, y: (np.zeros(3), x, x), x="f64[3]", y="f64[3]")
    x, y = np.arange(3.0), np.ones(3)
    new = kernel(x, y)
    assert [a.tolist() for a in new] == [[0, 0, 0], [0, 1, 2], [0, 1, 2]]
    assert new[0] is x
    assert new[1] is y


# Rows of tables.


def rows_step(table: Any, m: Any, rows: Any, g: Any) -> Any:
    new = 0.9 * m[rows] + 0.1 * g
    changed = sd.numpy.put(table, rows, table[rows] - 0.5 * new)
    return changed, sd.numpy.put(m, rows, new), np.sum(new)


def rows_reference(table: Any, m: Any, rows: Any, g: Any) -> Any:
    table, m = table.copy(), m.copy()
    new = 0.9 * m[rows] + 0.1 * g
    table[rows] = table[rows] - 0.5 * new
    m[rows] = new
    return table, m, np.sum(new)


def touched(fn: Any, donated: Any) -> int:
    """Elements that a program reads or writes, as a sum over its steps; copies count in full."""
    total = 0
    for step in build_program(fn, donated=donated).steps:
        if isinstance(step, Nest):
            for s in statements(step.block):
                if isinstance(s, (Load, Store)):
                    variables = [v for v, _ in s.index.terms if v.register is None]
                    total += int(np.prod([v.stop - v.start for v in variables]))
        else:
            total += step.source.size if isinstance(step, Copy) else 10**9
    return total


def test_the_cost_does_not_depend_on_the_table() -> None:
    counts: dict[int, int] = {}
    for n in (1000, 1_000_000):
        types = {"table": f"f64[{n},8]", "m": f"f64[{n},8]", "rows": "i64[5]", "g": "f64[5,8]"}
        kernel = in_place(rows_step, **types)
        assert copies(kernel) == []
        assert workspace(kernel) < 2000
        fn = sd.function(rows_step, args=types).optimized()
        counts[n] = touched(fn, ((0, 0), (1, 1)))
    assert counts[1000] == counts[1_000_000] < 1000


def test_rows() -> None:
    rng = np.random.default_rng(1)
    table, m, g = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)), rng.normal(size=(6, 4))
    types = {"table": "f64[30,4]", "m": "f64[30,4]", "rows": "i64[6]", "g": "f64[6,4]"}
    kernel = in_place(rows_step, **types)
    for rows in ([3, 1, 29, 0, 7, -2], [3, 1, 3, 3, 1, 0]):  # the last one of each counts
        given = table.copy(), m.copy()
        results = kernel(*given, np.array(rows), g)
        for result, wanted in zip(results, rows_reference(table, m, rows, g), strict=True):
            assert_allclose(result, wanted, rtol=1e-14)
        assert results[0] is given[0]


def test_added_rows() -> None:
    def step(table: Any, rows: Any, g: Any) -> Any:
        return sd.numpy.add_at(table, rows, -0.5 * g)

    kernel = in_place(step, table="f64[100000,4]", rows="i64[6]", g="f64[6,4]")
    assert workspace(kernel) < 1000
    assert copies(kernel) == []
    rng = np.random.default_rng(1)
    table, g, rows = rng.normal(size=(100000, 4)), rng.normal(size=(6, 4)), [3, 1, 3, 99999, 1, 3]
    expected = table.copy()
    np.add.at(expected, rows, -0.5 * g)
    kernel(table, rows, g)
    assert_allclose(table, expected, rtol=1e-14)


def test_two_changes_of_one_table() -> None:
    def step(table: Any, rows: Any, g: Any) -> Any:
        first = sd.numpy.add_at(table, rows, g)
        return sd.numpy.put(first, rows[0], 0.0)

    kernel = in_place(step, table="f64[1000,4]", rows="i64[2]", g="f64[2,4]")
    assert copies(kernel) == []
    table = np.ones((1000, 4))
    kernel(table, np.array([5, 6]), np.ones((2, 4)))
    assert (table[5].tolist(), table[6].tolist(), table[7].tolist()) == ([0] * 4, [2] * 4, [1] * 4)


def test_an_index_out_of_range_leaves_everything_as_it_was() -> None:
    def step(table: Any, x: Any, rows: Any) -> Any:
        return sd.numpy.put(table, rows[0], x[0]), x + np.sum(table[rows[1]])

    kernel = in_place(step, table="f64[10,4]", x="f64[4]", rows="i64[2]")
    for rows in ([10, 0], [0, 10], [-11, 0]):
        table, x = np.ones((10, 4)), np.ones(4)
        for call in (lambda t=table, x=x, r=rows: kernel(t, x, r), kernel.bind(table, x, rows)):
            with pytest.raises(sd.SymdiffError, match="out of range"):
                call()
            assert (table == 1).all()
            assert (x == 1).all()


def test_an_index_out_of_range_in_a_loop() -> None:
    def step(x: Any, table: Any, rows: Any) -> Any:
        return sd.scan(lambda c, i: (c + table[i], None), x, rows)[0]

    kernel = in_place(step, donate="x", x="f64[4]", table="f64[3,4]", rows="i64[3]")
    x = np.ones(4)
    with pytest.raises(sd.SymdiffError, match="out of range"):
        kernel(x, np.ones((3, 4)), [0, 1, 3])
    assert (x == 1).all()
    assert kernel(x, np.ones((3, 4)), [0, 1, 2]).tolist() == [4.0] * 4


def test_a_table_that_a_loop_changes() -> None:
    def step(table: Any, rows: Any) -> Any:
        return sd.scan(lambda t, r: (sd.numpy.put(t, r, 2 * t[r]), np.sum(t[r])), table, rows)

    kernel = sd.compile(step, args={"table": "f64[1000,4]", "rows": "i64[6]"})
    assert copies(kernel) == ["  copy in0[4000] to out0[4000]"]  # before the loop, not in it
    table, rows = np.ones((1000, 4)), np.array([3, 1, 3, 999, 3, 1])
    changed, sums = kernel(table, rows)
    expected = np.ones((1000, 4))
    np.multiply.at(expected, rows, 2.0)
    assert_array_equal(changed, expected)
    assert sums.tolist() == [4, 4, 8, 4, 16, 8]


def test_carries_of_each_other() -> None:
    def fibonacci(a: Any, b: Any) -> Any:
        return sd.fori_loop(0, 10, lambda i, c: (c[1], c[0] + c[1]), (a, b))

    kernel = sd.compile(fibonacci, args={"a": "f64[3]", "b": "f64[3]"})
    a, b = kernel(np.zeros(3), np.ones(3))
    assert (a.tolist(), b.tolist()) == ([55] * 3, [89] * 3)


# Other code.


def test_in_the_lanes_of_vectors() -> None:
    def step(x: Any, y: Any, s: Any) -> Any:
        return np.roll(y, 1) + s, x * 2 + np.sum(x), s + 1.0

    types = {"x": "f64[3]", "y": "f64[3]", "s": "f64"}
    kernel = in_place(step, donate=["x", "y", "s"], **types)
    plain = sd.compile(step, args=types)
    rng = np.random.default_rng(0)
    for count in (1, 7, 8, 21):
        args = [rng.integers(-5, 5, (count, n)).astype(float) for n in (3, 3, 1)]
        args[2] = args[2].reshape(count)
        given = [a.copy() for a in args]
        results = kernel(*given)
        for result, argument, wanted in zip(results, given, plain(*args), strict=True):
            assert result is argument
            assert_array_equal(result, wanted)


def test_by_threads() -> None:
    n = 300_000

    def step(x: Any, y: Any) -> Any:
        return x - 0.5 * np.exp(y), y * np.sum(x)

    types = {"x": f"f64[{n}]", "y": f"f64[{n}]"}
    rng = np.random.default_rng(0)
    args = [rng.normal(size=n) for _ in range(2)]
    kernel = sd.compile(step, args=types, donate=[0, 1], threads=2)
    assert kernel._program.team is not None
    given = [a.copy() for a in args]
    for result, wanted in zip(kernel(*given), sd.compile(step, args=types)(*args), strict=True):
        assert_allclose(result, wanted, rtol=1e-11)
    assert_allclose(given[0], args[0] - 0.5 * np.exp(args[1]), rtol=1e-13, atol=1e-13)
    given = [a.copy() for a in args]
    results = kernel.bind(*given)()
    assert results[0] is given[0]
    assert_allclose(given[0], args[0] - 0.5 * np.exp(args[1]), rtol=1e-13, atol=1e-13)


def test_the_function_for_c_takes_the_same_pointer_twice(tmp_path: Any) -> None:
    import subprocess

    kernel = in_place(lambda x, g: (x - g, np.sum(x)), x="f64[5]", g="f64[5]")
    (tmp_path / "k.o").write_bytes(kernel.object_code)
    library = str(tmp_path / "k.so")
    subprocess.run(["cc", "-shared", "-o", library, str(tmp_path / "k.o"), "-lm"], check=True)
    name = kernel.c_header.split("void ")[1].split("(")[0]
    function = getattr(ctypes.CDLL(library), name)
    x, g, other, total = np.arange(5.0), np.ones(5), np.zeros(5), np.zeros(())
    function(*(ctypes.c_void_p(a.ctypes.data) for a in (x, g, other, total)))
    assert (x.tolist(), other.tolist(), float(total)) == ([0, 1, 2, 3, 4], [-1, 0, 1, 2, 3], 10.0)
    function(*(ctypes.c_void_p(a.ctypes.data) for a in (x, g, x, total)))
    assert x.tolist() == [-1, 0, 1, 2, 3]


def test_sources_have_results_of_their_own() -> None:
    kernel = in_place(lambda x, g: x - g, x="f64[5]", g="f64[5]")
    space: dict[str, Any] = {}
    exec(kernel.numpy_source, space)
    function: Any = next(v for k, v in space.items() if callable(v) and not k.startswith("_"))
    x = np.arange(5.0)
    assert function(x, np.ones(5)).tolist() == [-1, 0, 1, 2, 3]
    assert x.tolist() == [0, 1, 2, 3, 4]
