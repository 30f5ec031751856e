"""Loops: what they compute, how they are fused, and what memory they take."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.testing import assert_allclose
from opcases import SAMPLED, attributes, differentiable, samples
from tensor_functions import Case, cases

import symdiff as sd
from symdiff import autodiff, passes
from symdiff.codegen import texts
from symdiff.codegen.loops import build_program, print_program
from symdiff.codegen.loops.program import For, Gemm, Nest, statements
from symdiff.errors import IndexRangeError
from symdiff.ir import DTYPES, Function, Graph, Op, Type, flatten, interpret
from symdiff.ops import broadcast, reshape

ARRAY_OPS = [op for op in SAMPLED if not op.elementwise]
every_array_op = pytest.mark.parametrize("op", ARRAY_OPS, ids=lambda op: op.name)


def assert_kernel_agrees(fn: Function, args: list[Any], rtol: float = 1e-11) -> None:
    kernel = sd.compile(sd.Function(fn))
    assert_agree(flatten(fn.result, kernel(*args)), interpret(fn, args), rtol)


def assert_agree(results: list[Any], expected: list[Any], rtol: float) -> None:
    for result, wanted in zip(results, expected, strict=True):
        finite = np.abs(wanted)[np.isfinite(wanted)]
        assert_allclose(result, wanted, rtol=rtol, atol=rtol * np.max(finite, initial=1e-300))


def pullback(fn: Function, args: list[Any]) -> tuple[Function, list[Any]]:
    """The vjp of `fn` with respect to its real parameters, and arguments for it."""
    rng = np.random.default_rng(3)
    wrt = [i for i, p in enumerate(fn.params) if p.type.dtype.kind == "f"]
    bars = [rng.normal(size=o.type.shape).astype(o.type.dtype.numpy) for o in fn.outputs]
    return autodiff.vjp(fn, wrt, bare=False), [*args, *bars]


def applied(op: Op, at: list[Any]) -> Function:
    """One application of `op` to operands of the types of `at`."""
    graph = Graph()
    names = {"float64": "f64", "float32": "f32", "int64": "i64"}
    types = [Type(DTYPES[names[a.dtype.name]], a.shape) for a in at]
    params = tuple(graph.param(f"x{i}", t) for i, t in enumerate(types))
    return Function(op.name, params, (op(*params, **attributes(op)),))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@every_array_op
def test_kernel_matches_interpreter(op: Op, dtype: str, rng: np.random.Generator) -> None:
    at = [a.astype(dtype) if a.dtype.kind == "f" else a for a in samples(op, rng)]
    fn = applied(op, at)
    rtol = 1e-14 if dtype == "float64" else 1e-5
    assert_kernel_agrees(fn, at, rtol)
    if differentiable(op, rng):
        assert_kernel_agrees(*pullback(fn, at), rtol)


@every_array_op
def test_operands_in_any_layout(op: Op, rng: np.random.Generator) -> None:
    """Fortran order, every other element, backwards: the same result as contiguous."""
    at = samples(op, rng)
    fn = applied(op, at)
    kernel = sd.compile(sd.Function(fn))
    expected = kernel(*at)
    spread = [np.repeat(a, 2, axis=0)[::2] if a.ndim else a for a in at]
    backwards = [a[::-1].copy()[::-1] if a.ndim else a for a in at]
    for other in ([np.asfortranarray(a) for a in at], spread, backwards):
        assert_allclose(kernel(*other), expected, rtol=0, atol=0)


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_random_functions_and_their_pullbacks(case: Case) -> None:
    assert_kernel_agrees(case.fn, case.args)
    assert_kernel_agrees(*pullback(case.fn, case.args))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(case=cases())
def test_many_random_pullbacks(case: Case) -> None:
    assert_kernel_agrees(*pullback(case.fn, case.args))


def run_c(fn: Function, args: list[Any]) -> list[Any]:
    """The outputs of `fn` by its C source, compiled with gcc."""
    source = texts.c_source(passes.run(passes.LOWERING, fn))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "f.c"
        path.write_text(source)
        flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror"]
        library = path.with_suffix(".so")
        subprocess.run(
            ["gcc", *flags, "-shared", "-fPIC", str(path), "-o", str(library), "-lm"], check=True
        )
        inputs = [
            np.ascontiguousarray(a, p.type.dtype.numpy)
            for a, p in zip(args, fn.params, strict=True)
        ]
        outputs = [np.empty(o.type.shape, o.type.dtype.numpy) for o in fn.outputs]
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*inputs, *outputs)]
        getattr(ctypes.CDLL(str(library)), fn.name)(*pointers)
    return outputs


@every_array_op
def test_c_matches_interpreter(op: Op, rng: np.random.Generator) -> None:
    at = samples(op, rng)
    fn = applied(op, at)
    assert_agree(run_c(fn, at), interpret(fn, at), 1e-13)


@settings(max_examples=12, deadline=None)
@given(case=cases())
def test_c_of_random_pullbacks(case: Case) -> None:
    fn, args = pullback(case.fn, case.args)
    assert_agree(run_c(fn, args), interpret(fn, args), 1e-11)


# How loops are put together.


def lowered(source: Any, **args: str) -> Function:
    fn = sd.value_and_grad(source, args=args)
    return passes.contract(passes.run(passes.LOWERING, fn.optimized()))


def test_rosenbrock_is_one_loop_without_memory(golden: Any) -> None:
    """Value and gradient in one pass over x: the ends peeled, no scratch memory."""

    def rosenbrock(x: Any) -> Any:
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    program = build_program(lowered(rosenbrock, x="f64[1000000]"))
    assert program.workspace == 0
    (nest,) = program.steps
    assert isinstance(nest, Nest)
    loops = [s for s in statements(nest.block) if isinstance(s, For)]
    assert [(f.low[0].const, f.high[0].const) for f in loops] == [
        (0, 1), (1, 999999), (999999, 1000000)
    ]  # fmt: skip
    golden(print_program(program))


def test_softmax_rows_stay_in_cache() -> None:
    """Row by row: the exponentials of one row only are kept."""

    def loss(z: Any) -> Any:
        return np.sum(sd.numpy.logsumexp(z, axis=1))

    program = build_program(lowered(loss, z="f64[1000,80]"))
    assert program.workspace <= 4 * 80 * 8


def test_large_products_go_to_blas_and_small_ones_do_not() -> None:
    def product(a: Any, b: Any) -> Any:
        return np.sum(np.sin(a @ b))

    large = build_program(lowered(product, a="f64[100,80]", b="f64[80,60]"))
    assert sum(isinstance(s, Gemm) for s in large.steps) == 3
    small = build_program(lowered(product, a="f64[3,4]", b="f64[4,5]"))
    assert not any(isinstance(s, Gemm) for s in small.steps)


def test_triangular_sums_run_over_the_triangle() -> None:
    text = "def f(x: f64[40]): return sum((x[i] - x[j])**2 for i in range(40) for j in range(i))"
    program = build_program(passes.run(passes.LOWERING, sd.function(text).optimized()))
    nests = [step for step in program.steps if isinstance(step, Nest)]
    loops = [s for n in nests for s in statements(n.block) if isinstance(s, For)]
    assert any(any(bound.terms for bound in f.high) for f in loops)
    x = np.random.default_rng(0).normal(size=40)
    expected = sum((x[i] - x[j]) ** 2 for i in range(40) for j in range(i))
    assert sd.compile(text)(x) == pytest.approx(expected, rel=1e-13)


def test_an_index_out_of_range_is_found_before_memory_is_touched() -> None:
    kernel = sd.compile(lambda x, i: x[i], args={"x": "f64[5]", "i": "i64[3]"})
    assert_allclose(kernel(np.arange(5.0), np.array([0, -1, 4])), [0, 4, 4])
    out = np.full(3, 7.0)
    for bad in (5, -6, 2**40):
        with pytest.raises(IndexRangeError, match="5 elements"):
            kernel(np.arange(5.0), np.array([0, bad, 1]), out=out)
        assert (out == 7.0).all()


def test_a_single_index_is_checked() -> None:
    kernel = sd.compile(lambda x, i: x[i], args={"x": "f64[3]", "i": "i64"})
    assert [kernel(np.arange(3.0), i) for i in (0, -1)] == [0.0, 2.0]
    with pytest.raises(IndexRangeError):
        kernel(np.arange(3.0), 3)

    def looked_up(x: Any, places: Any) -> Any:
        return sd.scan(lambda total, i: (total + x[i], None), 0.0, places)[0]

    grad = sd.grad(looked_up, wrt="x")
    assert_allclose(grad(np.arange(3.0), np.array([2, 0, 2])), [1, 0, 2])
    with pytest.raises(IndexRangeError):
        grad(np.arange(3.0), np.array([2, 3]))


def test_loops_within_loops_have_names_of_their_own() -> None:
    def power(x: Any) -> Any:
        def inner(_: Any, y: Any) -> Any:
            return sd.fori_loop(0, 2, lambda _, z: z * x, y)

        return np.sum(sd.fori_loop(0, 3, inner, np.ones(2)))

    assert_allclose(sd.grad(power)(np.array([1.0, 2.0])), [6, 192])


def test_a_loop_of_no_steps_whose_result_is_not_used() -> None:
    grad = sd.grad(lambda x: np.sum(sd.fori_loop(3, 1, lambda _, y: y * x, x)))
    assert_allclose(grad(np.array([2.0, 3.0])), [1, 1])


def test_the_same_bits_every_time() -> None:
    kernel = sd.compile(lambda x: np.sum(np.exp(x) * x), args={"x": "f64[10007]"})
    x = np.random.default_rng(1).normal(size=10007)
    assert len({kernel(x.copy()) for _ in range(20)}) == 1


def test_reshapes_of_nothing_and_of_numbers() -> None:
    graph = Graph()
    x = graph.param("x", Type(DTYPES["f64"], (0, 3)))
    y = graph.param("y", Type(DTYPES["f64"]))
    for value in (reshape(x, shape=(0,)), reshape(x, shape=(7, 0)), broadcast(y, shape=())):
        fn, args = Function("f", (x, y), (value,)), [np.zeros((0, 3)), 1.5]
        assert_agree(run_c(fn, args), interpret(fn, args), 0.0)
        assert_kernel_agrees(fn, args)


def test_many_shifts_of_one_array() -> None:
    shifts = range(40)

    def moved(x: Any) -> Any:
        """What needs memory: parts that begin elsewhere, of extents that differ by 1, by steps."""
        around = sum(np.sum((k + 1) * np.roll(x, k) * x**2) for k in shifts)
        lagged = sum(np.sum((k + 1) * x[: 100 - k] * x[k:]) for k in shifts)
        return around + lagged + sum(np.sum((k + 1) * x[k::2]) for k in shifts)

    x = np.random.default_rng(1).uniform(size=100)
    value, gradient = sd.value_and_grad(moved)(x)
    expected = np.zeros(100)
    for k in shifts:
        expected += (k + 1) * (np.roll(x**2, -k) + 2 * x * np.roll(x, k))
        expected[: 100 - k] += (k + 1) * x[k:]
        expected[k:] += (k + 1) * x[: 100 - k]
        expected[k::2] += k + 1
    assert_allclose(value, moved(x), rtol=1e-12)
    assert_allclose(gradient, expected, rtol=1e-12)
