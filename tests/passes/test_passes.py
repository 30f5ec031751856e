"""Passes keep the meaning of functions, and do what their names say."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from formulas import assert_as_conditioned, functions
from hypothesis import given
from hypothesis import strategies as st

import symdiff as sd
from symdiff import autodiff, ops, passes
from symdiff.ir import F64, Function, Graph, Value, f32, interpret, live, print_function, verify
from symdiff.ops.bodies import flat_tree

POINTS = [
    np.array([0.5, -1.25, 0.0, -0.0, 2.0, 1e5, -3.0, np.inf, np.nan]),
    np.array([0.25, 3.0, 0.0, 1.0, -2.0, 7.0, -0.0, 1.0, 2.0]),
    np.array([-4.0, 0.1, 1.0, 0.0, 2.0, -1e-3, 0.5, -np.inf, 1.0]),
]


def build(make: Any) -> Function:
    """The function of x and y that `make` builds."""
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("y", F64)
    made = make(x, y)
    return Function("f", (x, y), made if isinstance(made, tuple) else (made,))


def body(fn: Function) -> str:
    """The printed operations of `fn`, without types and names."""
    lines = print_function(fn).splitlines()[1:-1]
    return "\n".join(line.split(" = ")[-1].strip() for line in lines)


@pytest.mark.parametrize(
    "step", [passes.simplify, passes.reduce_powers, passes.schedule, passes.pair_sincos]
)
@given(fn=functions())
def test_exact_passes_keep_every_bit(step: passes.Pass, fn: Function) -> None:
    result = step(fn)
    verify(result)
    before, after = (np.broadcast_to(interpret(f, POINTS)[0], 9) for f in (fn, result))
    if any(v.op is ops.pow for v in fn.live()):
        # Multiplications round otherwise than libm's pow.
        assert_as_conditioned(fn, POINTS, after)
        return
    np.testing.assert_array_equal(after, before)
    finite = np.isfinite(before)
    assert np.array_equal(np.signbit(before[finite]), np.signbit(after[finite]))


@given(fn=functions())
def test_pairing_while_scheduling_is_scheduling_what_was_paired(fn: Function) -> None:
    x, y, _ = fn.params
    waves = [ops.sin(x), ops.cos(x), ops.cos(y), *(f(fn.outputs[0]) for f in (ops.cos, ops.sin))]
    both = Function("f", fn.params, (*fn.outputs, *waves))
    expected = passes.schedule(passes.pair_sincos(both))
    found = passes.pair_and_schedule(both)
    assert print_function(found) == print_function(expected)
    assert found.live() == live(found.outputs)
    assert expected.live() == live(expected.outputs)


@given(fn=functions())
def test_lowering_keeps_the_value(fn: Function) -> None:
    result = passes.run((*passes.PIPELINE, *passes.LOWERING, passes.contract), fn, check=True)
    assert_as_conditioned(fn, POINTS, interpret(result, POINTS)[0])


@given(fn=functions(), data=st.data())
def test_gradients_survive_the_passes(fn: Function, data: st.DataObject) -> None:
    gradient = autodiff.gradient(fn, [0, 1, 2], bare=False)
    result = passes.run(passes.PIPELINE, gradient, check=True)
    at = [data.draw(st.floats(-3, 3)) for _ in range(3)]
    for before, after in zip(interpret(gradient, at), interpret(result, at), strict=True):
        if np.isfinite(before):
            np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x, y: ops.mul(x, 1.0), "return %x"),
        (lambda x, y: ops.neg(ops.neg(x)), "return %x"),
        (lambda x, y: ops.mul(-1.0, x), "neg %x\nreturn %0"),
        (lambda x, y: ops.sub(x, 0.0), "return %x"),
        (lambda x, y: ops.add(x, -0.0), "return %x"),
        (lambda x, y: ops.div(x, 4.0), "const {value=0.25}\nmul %0, %x\nreturn %1"),
        (lambda x, y: ops.add(x, ops.neg(y)), "sub %x, %y\nreturn %0"),
        (lambda x, y: ops.pow(x, 2.0), "mul %x, %x\nreturn %0"),
        (lambda x, y: ops.pow(x, 3.0), "mul %x, %x\nmul %x, %0\nreturn %1"),
        (lambda x, y: ops.pow(x, 0.5), "sqrt %x\nreturn %0"),
        (lambda x, y: ops.pow(x, 0.0), "const {value=1.0}\nreturn %0"),
        (lambda x, y: ops.pow(x, -1.0), "const {value=1.0}\ndiv %0, %x\nreturn %1"),
        (
            lambda x, y: (ops.pow(x, -2.0), ops.pow(x, -3.0), ops.pow(y, -2.0)),
            "const {value=1.0}\ndiv %0, %x\nmul %1, %1\nmul %1, %2\nmul %y, %y\n"
            "div %0, %4\nreturn %2, %3, %5",
        ),
        (lambda x, y: ops.add(y, x), "add %x, %y\nreturn %0"),
        (lambda x, y: ops.where(ops.lt(x, x.graph.const(np.nan, F64)), y, y), "return %y"),
    ],
)
def test_simplifications(make: Any, expected: str) -> None:
    assert body(passes.reduce_powers(passes.simplify(build(make)))) == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: ops.mul(x, 0.0),
        lambda x, y: ops.add(x, 0.0),
        lambda x, y: ops.sub(x, x),
        lambda x, y: ops.div(x, x),
        lambda x, y: ops.div(x, 3.0),
        lambda x, y: ops.mul(2.0, ops.mul(3.0, x)),
        lambda x, y: ops.log(ops.exp(x)),
        lambda x, y: ops.neg(ops.sub(x, y)),
    ],
)
def test_what_would_change_bits_is_left_alone(make: Any) -> None:
    fn = build(make)
    assert len(passes.simplify(fn).live()) == len(fn.live())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x, y: ops.mul(x, 0.0), "const {value=0.0}\nreturn %0"),
        (lambda x, y: ops.sub(x, x), "const {value=0.0}\nreturn %0"),
        (lambda x, y: ops.div(x, x), "const {value=1.0}\nreturn %0"),
        (lambda x, y: ops.log(ops.exp(x)), "return %x"),
        (lambda x, y: ops.div(x, 5e-324), "const {value=5e-324}\ndiv %x, %0\nreturn %1"),
        (lambda x, y: ops.mul(2.0, ops.mul(4.0, x)), "const {value=8.0}\nmul %0, %x\nreturn %1"),
    ],
)
def test_fast_math(make: Any, expected: str) -> None:
    assert body(passes.fast_math(build(make))) == expected


def test_negative_powers_of_one_number_keep_their_digits() -> None:
    exponents = range(2, 17)
    many = Function(
        "f",
        (x := (graph := Graph()).param("x", F64),),
        tuple(ops.pow(x, graph.const(-float(n), F64)) for n in exponents),
        flat_tree(len(exponents)),
    )
    reduced = passes.reduce_powers(many)
    assert [v.op for v in reduced.live()].count(ops.div) == 1
    for at in (0.3, 1.7, 1e-12, -3.3, 1e19, -0.0, 0.0, math.inf, -math.inf):
        for n, found in zip(exponents, interpret(reduced, [at]), strict=True):
            with np.errstate(all="ignore"):
                expected = np.float64(at) ** -n
            np.testing.assert_allclose(found, expected, rtol=n * 2.0**-52, atol=1e-300)
            assert np.signbit(found) == np.signbit(expected)


def test_the_derivative_of_a_reciprocal_does_not_divide_again() -> None:
    for source in ("1/x", "1/x**3", "sin(1/(x + y))"):
        counts = sd.function(source).cost()
        assert counts.value_and_grad["div"] == 1


@pytest.mark.parametrize("x", [1e154, 1e28, 0.0, -0.0, math.inf, 2.0])
@pytest.mark.parametrize(("a", "n"), [(1.0, 3), (3.0, 5), (-2.0, 12), (1.0, 2)])
def test_the_derivative_of_a_reciprocal_power_is_finite_where_the_power_is_not(
    x: float, a: float, n: int
) -> None:
    with np.errstate(all="ignore"):
        expected = -n * a * np.float64(x) ** float(-n - 1)
    assert sd.grad(f"{a}/x**{n}")(x) == pytest.approx(expected, rel=1e-13)
    assert sd.grad(lambda x: np.sum(a / x**n))(np.array([x]))[0] == pytest.approx(
        expected, rel=1e-13
    )


def test_equal_subexpressions_meet_in_either_order() -> None:
    fn = build(lambda x, y: ops.mul(ops.add(x, y), ops.add(y, x)))
    assert body(passes.simplify(fn)) == "add %x, %y\nmul %0, %0\nreturn %1"


def test_sine_and_cosine_of_one_angle_are_paired() -> None:
    fn = build(lambda x, y: (ops.sin(x), ops.cos(x), ops.sin(y)))
    assert body(passes.pair_sincos(fn)).split("\n")[:3] == [
        "sincos %x",
        "item %0 {index=0}",
        "item %0 {index=1}",
    ]


def test_tanh_and_its_derivative_share_one_expm1() -> None:
    fn = build(lambda x, y: ops.tanh(x))
    both = autodiff.gradient(fn, [0], bare=True, with_value=True)
    lowered = passes.run((*passes.PIPELINE, *passes.LOWERING), both)
    calls = [v.op.name for v in lowered.live() if v.op.name in {"exp", "expm1", "tanh"}]
    assert calls == ["expm1"]


def test_sigmoid_and_its_derivative_share_one_exponential() -> None:
    fn = build(lambda x, y: ops.sigmoid(x))
    both = autodiff.gradient(fn, [0], bare=True, with_value=True)
    lowered = passes.run((*passes.PIPELINE, *passes.LOWERING), both)
    assert [v.op.name for v in lowered.live()].count("exp") == 1


def test_contraction_spares_differences_of_products() -> None:
    """x*x - y*y must be exactly 0 at x = y, or a square root of it is a NaN."""
    products = build(lambda x, y: ops.sub(ops.mul(x, x), ops.mul(y, y)))
    assert "fma" not in body(passes.contract(products))
    other = build(lambda x, y: ops.add(ops.mul(x, x), y))
    assert body(passes.contract(other)) == "fma %x, %x, %y\nreturn %0"


def test_schedule_shortens_live_ranges() -> None:
    """A sum of squares, all squares first, needs one register once it is scheduled."""
    graph = Graph()
    params = tuple(graph.param(f"x{i}", F64) for i in range(50))
    squares = [ops.mul(p, p) for p in params]
    total: Value = squares[0]
    for square in squares[1:]:
        total = ops.add(total, square)
    fn = Function("f", params, (total,))
    assert passes.peak_live(fn) >= 50
    assert passes.peak_live(passes.schedule(fn)) <= 3


def test_as_dtype_rounds_constants_and_parameters() -> None:
    fn = passes.as_dtype(build(lambda x, y: ops.mul(0.1, x)), f32)
    assert {str(v.type) for v in fn.live()} == {"f32"}


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda x, y: ops.div(1.0, ops.add(1.0, ops.exp(ops.neg(x)))), "sigmoid %x"),
        (lambda x, y: ops.div(ops.exp(x), ops.add(ops.exp(x), 1.0)), "sigmoid %x"),
        (lambda x, y: ops.div(y, ops.add(1.0, ops.exp(ops.neg(x)))), "sigmoid %x\nmul %y, %0"),
        (lambda x, y: ops.log(ops.add(1.0, ops.exp(x))), "softplus %x"),
        (lambda x, y: ops.log1p(ops.exp(x)), "softplus %x"),
        (lambda x, y: ops.log(ops.add(ops.exp(x), ops.exp(y))), "logaddexp %x, %y"),
        (
            lambda x, y: ops.div(ops.exp(x), ops.add(ops.exp(x), ops.exp(y))),
            "sub %x, %y\nsigmoid %0",
        ),
        (
            lambda x, y: ops.div(1.0, ops.add(4.0, ops.exp(x))),
            "const {value=1.3862943611198906}\nsub %0, %x\nsigmoid %1\n"
            "const {value=0.25}\nmul %3, %2",
        ),
        (lambda x, y: ops.log(ops.sigmoid(ops.neg(ops.exp(x)))), "exp %x\nsoftplus %0\nneg %1"),
    ],
)
def test_stable_forms(make: Any, expected: str) -> None:
    result = body(passes.simplify(passes.stabilize(build(make)))).rpartition("\n")[0]
    assert result == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda x, y: ops.div(1.0, ops.sub(ops.exp(x), 1.0)),
        lambda x, y: ops.div(y, ops.add(ops.exp(x), ops.exp(ops.neg(x)))),
        lambda x, y: ops.log(ops.add(ops.exp(x), y)),
        lambda x, y: ops.log(ops.add(ops.exp(x), -1.0)),
        lambda x, y: ops.log(ops.exp(x)),
        lambda x, y: ops.log(ops.add(x, 1.0)),
    ],
)
def test_other_sums_are_left_as_they_are(make: Any) -> None:
    fn = build(make)
    assert body(passes.stabilize(fn)) == body(fn)


def test_sums_of_exponentials_that_share_parts_stay_linear() -> None:
    """A sum doubled n times, and the logarithms of all prefixes of a sum."""
    for n in (20, 40):
        graph = Graph()
        x = graph.param("x", F64)
        total = ops.add(ops.exp(x), 1.0)
        for _ in range(n):
            total = ops.add(total, total)
        doubled = passes.stabilize(Function("f", (x,), (ops.log(total),)))
        assert len(doubled.live()) <= 3 * n + 10
        params = tuple(graph.param(f"x{i}", F64) for i in range(n))
        partial, logs = ops.exp(x), ops.exp(x)
        for p in params:
            partial = ops.add(ops.exp(p), partial)
            logs = ops.add(logs, ops.log(partial))
        prefixes = passes.stabilize(Function("f", (x, *params), (logs,)))
        assert len(prefixes.live()) <= 4 * n + 10


@pytest.mark.parametrize(
    "addend",
    [
        lambda y: ops.mul(y, y),
        lambda y: ops.abs(ops.mul(y, y)),
        lambda y: ops.max(ops.mul(y, y), 0.0),
        lambda y: ops.where(ops.lt(y, 5.0), ops.mul(y, y), 0.0),
        lambda y: ops.add(ops.mul(y, y), 0.0),
        lambda y: ops.add(ops.mul(y, y), ops.mul(0.0, y)),
        lambda y: ops.sub(ops.mul(y, y), ops.mul(ops.sub(y, y), ops.sub(y, y))),
    ],
)
def test_contraction_leaves_no_rest_where_products_cancel(addend: Any) -> None:
    fn = build(lambda x, y: ops.sqrt(ops.sub(ops.mul(x, x), addend(y))))
    points = np.random.default_rng(0).uniform(0.1, 3, 500)
    assert np.all(sd.compile(sd.Function(fn))(points, points) == 0.0)


@pytest.mark.parametrize("c", [0.3, 1.7, 3.21, 20.0, 1.0001, -0.4, -1.5001, -20.0])
def test_a_power_and_its_derivative_are_one_power(c: float) -> None:
    function = sd.value_and_grad(f"x**({c})")
    assert [v.op for v in function.optimized().live()].count(ops.pow) == 1
    kernel = sd.compile(function)
    with np.errstate(all="ignore"):
        for x in (0.0, -0.0, math.inf, -math.inf, math.nan, 1e300, -2.0, 2.0, 1e-9, 5e-324):
            expected = np.power(x, c), c * np.power(x, c - 1)
            # c - 1 is rounded before it becomes an exponent, but not as a quotient.
            rounding = 1e-15 + 2e-16 * abs(math.log(abs(x) or 1)) if math.isfinite(x) else 0
            np.testing.assert_allclose(kernel(x), expected, rtol=4 * rounding)


def test_negative_constants_from_before_the_rules() -> None:
    """`neg` of a constant, which the parser leaves as it is, next to a product with it."""
    assert sd.value_and_grad("x**(-0.4)")(2.0)[1] == pytest.approx(-0.4 * 2.0**-1.4)
    assert sd.grad("-(-3)*x*(-3)")(1.0) == -9.0
