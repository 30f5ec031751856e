"""Passes on functions of arrays: the meaning is kept, and there is less to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from tensor_functions import Case, cases

from symdiff import autodiff, ops, passes
from symdiff.ir import (
    ITEM,
    Function,
    Graph,
    Type,
    Value,
    boolean,
    f32,
    f64,
    i64,
    interpret,
    print_function,
    verify,
)

STEPS = [
    passes.stabilize,
    passes.simplify,
    passes.reduce_powers,
    passes.schedule,
    passes.expand,
    passes.contract,
    passes.fast_math,
]


@pytest.mark.parametrize("step", STEPS)
@settings(max_examples=150)
@given(case=cases())
def test_passes_keep_the_value(step: passes.Pass, case: Case) -> None:
    assert_same(case, step(case.fn))


@given(case=cases())
def test_the_whole_pipeline_keeps_the_value(case: Case) -> None:
    assert_same(case, passes.run((*passes.PIPELINE, *passes.LOWERING), case.fn, check=True))


def assert_same(case: Case, result: Function) -> None:
    verify(result)
    assert [o.type for o in result.outputs] == [o.type for o in case.fn.outputs]
    pairs = zip(interpret(case.fn, case.args), interpret(result, case.args), strict=True)
    for before, after in pairs:
        scale = np.max(np.abs(before), initial=1.0)
        np.testing.assert_allclose(after, before, rtol=1e-11, atol=1e-11 * scale)


SHAPES = {"a": (3, 4), "b": (3, 4), "v": (4,), "c": (3, 1), "s": (), "r": (1, 4)}


def build(make: Any) -> Function:
    """The function of the parameters that `make` names and builds something of."""
    graph = Graph()
    names = make.__code__.co_varnames[: make.__code__.co_argcount]
    params = tuple(graph.param(n, Type(f64, SHAPES[n])) for n in names)
    return Function("f", params, (make(*params),))


def body(fn: Function) -> str:
    """The printed operations of `fn`, without types and names."""
    lines = print_function(fn).splitlines()[1:-1]
    return "; ".join(line.split(" = ")[-1].strip() for line in lines)


def splat(x: Value, number: float, *shape: int) -> Value:
    return x.graph.const(number, Type(f64, shape))


def part(x: Value, start: tuple[int, ...], step: tuple[int, ...], shape: tuple[int, ...]) -> Value:
    return ops.slice_(x, start=start, step=step, shape=shape)


def embedded(
    x: Value, start: tuple[int, ...], shape: tuple[int, ...], step: tuple[int, ...] = (1, 1)
) -> Value:
    return ops.embed(x, start=start, step=step, shape=shape)


RULES: list[tuple[Any, str]] = [
    # copies of copies
    (lambda a: ops.broadcast(a, shape=(3, 4)), "return %a"),
    (
        lambda v: ops.broadcast(ops.broadcast(v, shape=(3, 4)), shape=(2, 3, 4)),
        "broadcast %v {shape=[2, 3, 4]}; return %0",
    ),
    (
        lambda v: ops.broadcast(ops.reshape(v, shape=(1, 4)), shape=(3, 4)),
        "broadcast %v {shape=[3, 4]}; return %0",
    ),
    (lambda a: ops.reshape(ops.reshape(a, shape=(2, 6)), shape=(3, 4)), "return %a"),
    (
        lambda a: ops.reshape(ops.reduce_sum(a, shape=(1, 4)), shape=(4,)),
        "reduce_sum %a {shape=[4]}; return %0",
    ),
    (lambda s: ops.reshape(ops.broadcast(s, shape=(1, 1)), shape=()), "return %s"),
    (lambda a: ops.transpose(ops.transpose(a, axes=(1, 0)), axes=(1, 0)), "return %a"),
    (lambda c: ops.transpose(c, axes=(1, 0)), "reshape %c {shape=[1, 3]}; return %0"),
    (
        lambda v: ops.transpose(ops.broadcast(v, shape=(3, 4)), axes=(1, 0)),
        "reshape %v {shape=[4, 1]}; broadcast %0 {shape=[4, 3]}; return %1",
    ),
    (lambda a: part(a, (0, 0), (1, 1), (3, 4)), "return %a"),
    (
        lambda a: part(part(a, (2, 0), (-1, 1), (3, 4)), (1, 3), (1, -2), (2, 2)),
        "slice %a {shape=[2, 2], start=[1, 3], step=[-1, -2]}; return %0",
    ),
    (
        lambda v: part(ops.broadcast(v, shape=(3, 4)), (1, 1), (1, 1), (2, 3)),
        "slice %v {shape=[3], start=[1], step=[1]}; broadcast %0 {shape=[2, 3]}; return %1",
    ),
    (lambda a: part(embedded(a, (1, 0), (5, 4)), (1, 0), (1, 1), (3, 4)), "return %a"),
    (
        lambda a: part(embedded(a, (1, 0), (5, 4)), (0, 0), (1, 1), (1, 4)),
        "const {value=0.0}; return %0",
    ),
    (
        lambda a, b: part(ops.concatenate(a, b, axis=0), (3, 1), (1, 1), (3, 2)),
        "slice %b {shape=[3, 2], start=[0, 1], step=[1, 1]}; return %0",
    ),
    (
        lambda a: embedded(embedded(a, (1, 0), (5, 4)), (0, 0), (9, 4), (2, 1)),
        "embed %a {shape=[9, 4], start=[2, 0], step=[2, 1]}; return %0",
    ),
    # sums
    (lambda a: ops.reduce_sum(a, shape=(3, 4)), "return %a"),
    (
        lambda a: ops.reduce_sum(ops.reduce_sum(a, shape=(3, 1)), shape=()),
        "reduce_sum %a {shape=[]}; return %0",
    ),
    (
        lambda s: ops.reduce_sum(ops.broadcast(s, shape=(3, 4)), shape=()),
        "const {value=12.0}; mul %0, %s; return %1",
    ),
    (
        lambda v: ops.reduce_sum(ops.broadcast(v, shape=(3, 4)), shape=(3, 1)),
        "reduce_sum %v {shape=[1]}; broadcast %0 {shape=[3, 1]}; return %1",
    ),
    (
        lambda a: ops.reduce_sum(embedded(a, (1, 0), (5, 4)), shape=(4,)),
        "reduce_sum %a {shape=[4]}; return %0",
    ),
    (
        lambda a: ops.reduce_sum(ops.transpose(a, axes=(1, 0)), shape=()),
        "reduce_sum %a {shape=[]}; return %0",
    ),
    (
        lambda a: ops.reduce_sum(ops.neg(a), shape=()),
        "reduce_sum %a {shape=[]}; neg %0; return %1",
    ),
    (
        lambda a: ops.reduce_max(ops.reduce_max(a, shape=(3, 1)), shape=()),
        "reduce_max %a {shape=[]}; return %0",
    ),
    # constants
    (lambda a: ops.mul(ops.broadcast(splat(a, 1.0), shape=(3, 4)), a), "return %a"),
    (lambda a: ops.reduce_sum(splat(a, 0.5, 3, 4), shape=()), "const {value=6.0}; return %0"),
    (
        lambda a: ops.transpose(a.graph.const([[1.0, 2.0]], Type(f64, (1, 2))), axes=(1, 0)),
        "const {value=[[1.0], [2.0]]}; return %0",
    ),
    (
        lambda a: ops.neg(a.graph.const([1.0, 2.0], Type(f64, (2,)))),
        "const {value=[-1.0, -2.0]}; return %0",
    ),
    (
        lambda v: ops.where(v.graph.const([True] * 4, Type(boolean, (4,))), v, ops.neg(v)),
        "return %v",
    ),
    (lambda a: embedded(splat(a, 0.0, 1, 1), (1, 0), (3, 4)), "const {value=0.0}; return %0"),
    # elements before they are copied
    (
        lambda s, v: ops.mul(2.0, ops.broadcast(s, shape=(4,))),
        "const {value=2.0}; mul %0, %s; broadcast %1 {shape=[4]}; return %2",
    ),
    (
        lambda c: ops.exp(ops.broadcast(c, shape=(3, 4))),
        "exp %c; broadcast %0 {shape=[3, 4]}; return %1",
    ),
    # contractions
    (
        lambda a, b: ops.contract(ops.transpose(a, axes=(1, 0)), b, spec="ij,jk->ik"),
        'contract %a, %b {spec="ji,jk->ik"}; return %0',
    ),
    (
        lambda a, v: ops.contract(ops.neg(a), v, spec="ij,j->i"),
        'contract %a, %v {spec="ij,j->i"}; neg %0; return %1',
    ),
    (
        lambda a: ops.contract(splat(a, 1.0, 3), a, spec="i,ij->j"),
        "reduce_sum %a {shape=[4]}; return %0",
    ),
    (
        lambda a, v: ops.contract(ops.broadcast(a, shape=(2, 3, 4)), v, spec="bij,j->bi"),
        'contract %a, %v {spec="ij,j->i"}; broadcast %0 {shape=[2, 3]}; return %1',
    ),
    (
        lambda a, r: ops.contract(a, r, spec="ij,kj->ik"),
        'reshape %r {shape=[4]}; contract %a, %0 {spec="ij,j->i"}; '
        "reshape %1 {shape=[3, 1]}; return %2",
    ),
    (lambda a, b: ops.contract(a, b, spec="ij,ij->ij"), "mul %a, %b; return %0"),
    (
        lambda s, v: ops.contract(s, v, spec=",i->i"),
        "broadcast %s {shape=[4]}; mul %v, %0; return %1",
    ),
]


@pytest.mark.parametrize(("make", "expected"), RULES)
def test_simplifications(make: Any, expected: str, rng: np.random.Generator) -> None:
    fn = build(make)
    assert body(passes.simplify(fn)) == expected
    args = [rng.normal(size=p.type.shape) for p in fn.params]
    assert_same(Case(fn, args), passes.simplify(fn))


LEFT_ALONE: list[Any] = [
    lambda v, s: ops.reduce_sum(ops.mul(ops.broadcast(s, shape=(4,)), v), shape=()),
    lambda a: ops.reduce_sum(ops.mul(3.0, a), shape=()),
    lambda a, b: ops.add(embedded(a, (0, 0), (6, 4)), embedded(b, (3, 0), (6, 4))),
    lambda v, c: ops.contract(v, ops.reshape(c, shape=(3,)), spec="i,j->ij"),
    lambda a: part(embedded(a, (1, 0), (5, 4)), (0, 0), (1, 1), (3, 4)),
    lambda a, b: part(ops.concatenate(a, b, axis=0), (2, 0), (1, 1), (2, 4)),
    lambda a: ops.embed(splat(a, 1.0, 1, 1), start=(1, 0), step=(1, 1), shape=(3, 4)),
]


@pytest.mark.parametrize("make", LEFT_ALONE)
def test_what_is_no_gain_is_left_alone(make: Any) -> None:
    fn = build(make)
    assert len(passes.simplify(fn).live()) == len(fn.live())


def test_fast_math_takes_constant_factors_out_of_sums() -> None:
    fn = build(lambda a: ops.reduce_sum(ops.mul(3.0, a), shape=()))
    expected = "reduce_sum %a {shape=[]}; const {value=3.0}; mul %1, %0; return %2"
    assert body(passes.fast_math(fn)) == expected


def test_contractions_are_left_to_the_back_end() -> None:
    fn = build(lambda a, v: ops.tanh(ops.contract(a, v, spec="ij,j->i")))
    assert "contract" in body(passes.expand(fn))


def test_whole_numbers_wrap_around(rng: np.random.Generator) -> None:
    graph = Graph()
    x = graph.param("x", Type(i64, (3,)))
    lowest = graph.const(-(2**63), x.type)
    made = [
        ops.mul(lowest, ops.neg(x)),
        ops.neg(ops.mul(lowest, x)),
        ops.add(ops.mul(x, 0), x),
        ops.add(ops.abs(lowest), 1),
        ops.reduce_sum(ops.broadcast(x, shape=(2**10, 3)), shape=(3,)),
    ]
    for value in made:
        fn = Function("f", (x,), (value,))
        args = [np.array([2**62, -5, 7])]
        for step in (passes.simplify, passes.contract):
            np.testing.assert_array_equal(interpret(step(fn), args), interpret(fn, args))


def test_long_chains_take_linear_time_and_no_recursion() -> None:
    graph = Graph()
    x = y = graph.param("x", Type(f64, (1,)))
    for _ in range(3000):
        y = ops.reshape(ops.broadcast(y, shape=(1, 4)), shape=(4, 1))
        y = ops.transpose(ops.neg(ops.sin(y)), axes=(1, 0))
        y = ops.reduce_max(part(y, (0, 3), (1, -1), (1, 4)), shape=(1,))
    fn = Function("f", (x,), (y,))
    assert len(passes.simplify(fn).live()) <= 4 * 3000


# Sums of exponentials.


def log_sum_exp(x: Value, kept: bool = True) -> Value:
    total = ops.reduce_sum(ops.exp(x), shape=(3, 1))
    return ops.log(total if kept else ops.reshape(total, shape=(3,)))


def softmax(x: Value) -> Value:
    total = ops.reduce_sum(ops.exp(x), shape=(3, 1))
    return ops.div(ops.exp(x), ops.broadcast(total, shape=x.type.shape))


@pytest.mark.parametrize(
    "make",
    [
        log_sum_exp,
        lambda a: log_sum_exp(a, kept=False),
        softmax,
        lambda a: ops.log(softmax(a)),
    ],
)
def test_written_out_sums_of_exponentials_do_not_overflow(
    make: Any, rng: np.random.Generator
) -> None:
    fn = build(lambda a: make(a))
    weights = rng.normal(size=fn.outputs[0].type.shape)
    stable = passes.stabilize(fn)
    assert body(passes.stabilize(stable)) == body(stable)  # it is done once
    small = rng.normal(size=(3, 4))

    def derivative(f: Function, at: Any) -> Any:
        return interpret(autodiff.vjp(f, [0], True), [at, weights])

    for before, after in zip(derivative(fn, small), derivative(stable, small), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-12, atol=1e-14)
    (_, slope), (_, shifted) = (derivative(stable, at) for at in (small, small + 1e3))
    np.testing.assert_allclose(shifted, slope, rtol=1e-9, atol=1e-12)
    for value in derivative(stable, 1e3 * small):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("extreme", [-np.inf, np.inf])
def test_infinite_exponents_give_infinite_logarithms(extreme: float) -> None:
    stable = passes.stabilize(build(lambda a: log_sum_exp(a)))
    assert (interpret(stable, [np.full((3, 4), extreme)])[0] == extreme).all()


def test_sums_beside_other_powers_than_their_own(rng: np.random.Generator) -> None:
    graph = Graph()
    x = graph.param("x", Type(f64, (3, 3)))
    total = ops.reshape(ops.reduce_sum(ops.exp(x), shape=(3, 1)), shape=(3,))
    fn = Function("f", (x,), (ops.div(ops.exp(x), ops.broadcast(total, shape=(3, 3))),))
    assert_same(Case(fn, [rng.normal(size=(3, 3))]), passes.stabilize(fn))


def test_sums_that_are_shifted_by_a_maximum_are_left_alone() -> None:
    def shifted(a: Value) -> Value:
        top = ops.broadcast(ops.reduce_max(a, shape=(3, 1)), shape=(3, 4))
        return softmax(ops.sub(a, top))

    fn = build(lambda a: shifted(a))
    assert body(passes.stabilize(fn)) == body(fn)


# Bodies of loops.


def test_passes_reach_into_bodies_of_loops(rng: np.random.Generator) -> None:
    inner = Graph()
    carry, x, factor = (inner.param(n, Type(f64, (3,))) for n in ("carry", "x", "factor"))
    after = ops.add(ops.mul(carry, ops.pow(ops.mul(1.0, factor), 2.0)), x)
    step = Function("step", (carry, x, factor), (ops.convert(after, dtype="f64"),))
    graph = Graph()
    start, xs = graph.param("start", Type(f64, (3,))), graph.param("xs", Type(f64, (5, 3)))
    loop = ops.scan(start, xs, start, body=step, carries=1, inputs=1, length=5, reverse=False)
    fn = Function("f", (start, xs), (graph.add(ITEM, (loop,), (("index", 0),)),))
    args = [rng.normal(size=3), rng.normal(size=(5, 3))]
    result = passes.run((*passes.PIPELINE, *passes.LOWERING), fn, check=True)
    assert_same(Case(fn, args), passes.contract(result))
    (scan,) = [v for v in passes.contract(result).live() if v.op is ops.scan]
    assert body(scan.attr("body")) == "mul %factor, %factor; fma %carry, %0, %x; return %1"
    single = passes.as_dtype(fn, f32)
    verify(single)
    (scan,) = [v for v in single.live() if v.op is ops.scan]
    assert {v.type.dtype for v in scan.attr("body").live()} == {f32}
    np.testing.assert_allclose(interpret(single, args)[0], interpret(fn, args)[0], rtol=1e-5)


def test_as_dtype_converts_what_makes_numbers() -> None:
    graph = Graph()
    x = graph.param("x", Type(i64, (4,)))
    count = ops.iota(graph, (4,), 0, f64)
    total = ops.add(ops.convert(x, dtype="f64"), count)
    fn = passes.as_dtype(Function("f", (x,), (total, ops.iota(graph, (4,), 0, i64))), f32)
    assert [str(o.type) for o in fn.outputs] == ["f32[4]", "i64[4]"]


# A whole model: what the derivative of a layer looks like.


def test_gradient_of_a_layer(golden: Callable[[str], None]) -> None:
    """dW is the outer product of delta and x; delta is computed once; nothing is larger than W."""
    graph = Graph()
    shapes = {"u": (3,), "W": (3, 4), "x": (4,), "b": (3,)}
    u, w, x, b = params = tuple(graph.param(n, Type(f64, s)) for n, s in shapes.items())
    hidden = ops.tanh(ops.add(ops.contract(w, x, spec="ij,j->i"), b))
    fn = Function("layer", params, (ops.contract(u, hidden, spec="i,i->"),))
    both = autodiff.gradient(fn, [0, 1, 2, 3], False, True, rule=passes.simplification)
    result = passes.run(passes.PIPELINE, both, check=True)
    value, d_u, d_w, d_x, d_b = result.outputs
    assert d_w.op is ops.contract
    assert d_w.args == (d_b, result.params[2])
    assert d_b in d_x.args
    assert d_u in value.args
    assert max(v.type.size for v in result.live()) == 12
    golden(print_function(result))
