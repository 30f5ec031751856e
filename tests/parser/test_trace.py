"""Python functions: what tracing records, and what it refuses with the place and a way out."""

# Lambdas over traced values, given to NumPy, have types that its overloads do not know.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportCallIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import copy
import functools
import inspect
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ArgumentError, TraceError
from symdiff.ir import BOOL, F32, F64, Branch, Function, interpret, verify
from symdiff.parser.trace import Tracer, apply, call_function, trace, where

POINTS = [(0.7, 1.3), (-2.4, 0.6), (3.0, -1.5), (-0.5, -0.5)]


def outputs(function: Callable[..., Any], *point: float) -> list[Any]:
    fn = trace(function)
    verify(fn)
    return [v.item() for v in interpret(fn, point)]


ARITHMETIC: list[Callable[[Any, Any], Any]] = [
    lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y,
    lambda x, y: x // y, lambda x, y: x % y, lambda x, y: divmod(x, y), lambda x, y: -x + +y,
    lambda x, y: 2 + x, lambda x, y: 2 - x, lambda x, y: 2 * x, lambda x, y: 2 / x,
    lambda x, y: 7 // x, lambda x, y: 7 % x, lambda x, y: divmod(7, x), lambda x, y: 2**x,
    lambda x, y: abs(x) ** y, lambda x, y: pow(x, 2), lambda x, y: x**3, lambda x, y: round(x),
    lambda x, y: round(10 * x) / 10, lambda x, y: (math.floor(x), math.ceil(x), math.trunc(x)),
    lambda x, y: (x < y, x <= y, x > y, x >= y, x == y, x != y),
    lambda x, y: (x > 1, x >= 1, x < 1, x <= 1, x == 1, x != 1),
    lambda x, y: ((x < y) & (x > 0), (x < y) | True, (x < y) ^ (y > 0), False | (x < y)),
    lambda x, y: x + True, lambda x, y: x * Fraction(1, 4), lambda x, y: x + np.float64(2),
    lambda x, y: np.float64(2) * x, lambda x, y: np.array(2.0) - x, lambda x, y: np.int64(3) + x,
    lambda x, y: (x, 1, [y, (2.5, x * y)]),
]  # fmt: skip


@pytest.mark.parametrize("function", ARITHMETIC)
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_operators_mean_what_python_means(
    function: Callable[[Any, Any], Any], point: tuple[float, float]
) -> None:
    assert outputs(function, *point) == pytest.approx(list(flat(function(*point))), rel=1e-15)


def flat(result: Any) -> Any:
    if isinstance(result, (tuple, list)):
        for part in result:  # type: ignore[reportUnknownVariableType]
            yield from flat(part)
    else:
        yield result


NUMPY: list[Callable[[Any, Any], Any]] = [
    lambda x, y: np.tanh(x) * np.exp(y),
    lambda x, y: np.hypot(x, y),
    lambda x, y: np.arctan2(x, y),
    lambda x, y: np.maximum(x, 0.5),
    lambda x, y: np.where(x > 0, x, y * x),
    lambda x, y: np.where(True, x, y),
    lambda x, y: np.clip(x, -1, 1),
    lambda x, y: np.clip(x, -1, None),
    lambda x, y: np.clip(x, a_min=None, a_max=y),
    lambda x, y: np.clip(x, min=-1, max=y),
    lambda x, y: np.heaviside(x, 0.5),
    lambda x, y: np.round(x),
    lambda x, y: np.round(x * 1.37, 1),
    lambda x, y: np.round(123.4 * x, -1),
    lambda x, y: np.select([x > 1, x > 0], [x, y], default=-1),
    lambda x, y: np.piecewise(x, [x < 0, x > -1], [lambda t: t * t, 3.0]),
    lambda x, y: np.piecewise(x, [x < 0], [1.0, lambda t: -t]),
    lambda x, y: np.logical_and(x > 0, y > 0),
    lambda x, y: np.logical_not(x > 0),
    lambda x, y: np.bitwise_xor(x > 0, y > 0),
    lambda x, y: np.True_ & (x > 0),
    lambda x, y: ~np.greater(x, 0),
    lambda x, y: (np.isnan(x), np.isinf(x), np.isfinite(x)),
    lambda x, y: np.square(x) + np.reciprocal(y),
    lambda x, y: np.zeros_like(x) + np.ones_like(y),
    lambda x, y: np.divmod(x, y),
    lambda x, y: np.positive(x),
    lambda x, y: np.deg2rad(x) + np.degrees(y),
    lambda x, y: np.copysign(x, y),
    lambda x, y: np.rint(x),
    lambda x, y: np.fmod(x, y),
    lambda x, y: np.logaddexp(x, y),
    lambda x, y: np.sign(x) * np.cbrt(y),
]


@pytest.mark.parametrize("function", NUMPY)
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_numpys_functions_mean_what_numpy_means(
    function: Callable[[Any, Any], Any], point: tuple[float, float]
) -> None:
    expected = function(np.float64(point[0]), np.float64(point[1]))
    numbers = [np.asarray(e).item() for e in flat(expected)]
    assert outputs(function, *point) == pytest.approx(numbers, rel=1e-14)


def test_parameters_and_name_come_from_the_signature() -> None:
    def energy(r: float, /, depth: float = 2.0) -> float:
        return depth * r

    fn = trace(energy)
    assert (fn.name, fn.param_names) == ("energy", ("r", "depth"))
    assert [p.type for p in fn.params] == [F64, F64]
    assert trace(lambda x: x).name == "f"
    bound = functools.partial(energy, 1.5)
    assert trace(bound).param_names == ("depth",)


def test_constants_and_functions_of_nothing() -> None:
    fn = trace(lambda: 2.5)
    verify(fn)
    assert (fn.params, interpret(fn, [])) == ((), [2.5])


def test_args_give_types() -> None:
    def f(b: Any, x: Any, y: Any) -> Any:
        return np.where(b, x, y)

    fn = trace(f, {"b": BOOL, "x": F32, "y": F32})
    verify(fn)
    assert [str(v.type) for v in (*fn.params, *fn.outputs)] == ["bool", "f32", "f32", "f32"]
    wide = trace(f, {"b": BOOL, "x": F32})
    verify(wide)
    assert str(wide.outputs[0].type) == "f64"


def test_args_that_do_not_fit() -> None:
    with pytest.raises(ArgumentError, match="area has no parameter 'h'; it has x, y"):
        trace(area, {"h": F64})


def test_args_give_the_order_of_the_parameters() -> None:
    def minus(x: Any, y: Any) -> Any:
        return x - y

    fn = trace(minus, {"y": F64, "x": F64})
    verify(fn)
    assert (fn.param_names, interpret(fn, [1.0, 5.0])) == (("y", "x"), [4.0])
    assert sd.function(minus, ["y", "x"])(1.0, 5.0) == 4.0
    assert trace(minus, {"x": F64, "y": F64}).param_names == ("x", "y")
    partly = trace(minus, {"y": F32})
    assert [(n, str(p.type)) for n, p in zip("xy", partly.params, strict=True)] == [
        ("x", "f64"),
        ("y", "f32"),
    ]
    assert partly.param_names == ("x", "y")


def area(x: Any, y: Any) -> Any:
    return x * y


class Polar(NamedTuple):
    radius: Any
    angle: Any


def test_named_tuples_keep_their_names() -> None:
    def polar(x: Any, y: Any) -> Any:
        return Polar(np.hypot(x, y), np.arctan2(y, x)), x

    fn = trace(polar)
    verify(fn)
    assert isinstance(fn.result, Branch)
    first = fn.result.children[0]
    assert isinstance(first, Branch)
    assert (first.fields, first.label) == (("radius", "angle"), "Polar")


def test_values_know_their_line() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x)
        return y + y

    _, start = inspect.getsourcelines(f)
    located = {v.op.name: getattr(v.location, "line", None) for v in trace(f).live()}
    assert located["sin"] == start + 1
    assert located["add"] == start + 2
    assert located["param"] is None


def test_attributes_and_protocols() -> None:
    def f(x: Any) -> Any:
        assert (x.real is x, x.imag, x.shape, x.ndim, x.size) == (True, 0.0, (), 0, 1)
        assert x.dtype == np.float64
        assert (x > 0).dtype == np.bool_
        assert not hasattr(x, "foo")
        assert getattr(x, "foo", 3) == 3
        assert not callable(x)
        assert copy.copy(x) is x
        assert copy.deepcopy([x, 1])[0] is x
        assert f"{x}" == str(x) == repr(x) == f"{x!r}"
        return x.real + x.imag

    fn = trace(f, {"x": F64})
    assert interpret(fn, [2.0]) == [2.0]


def test_apply_without_traced_values_computes() -> None:
    np.testing.assert_array_equal(apply("relu", np.array([-1.0, 2.0])), [0.0, 2.0])
    np.testing.assert_array_equal(where([True, False], [1, 2], 3), [1.0, 3.0])
    assert apply("polygamma", 1, 2.0) == pytest.approx(math.pi**2 / 6 - 1)
    assert apply("sin", np.float32(1)).dtype == np.float32
    assert apply("add", np.ones(2, np.float32), 2.0).dtype == np.float32
    assert apply("gt", 2, 1) == np.True_
    with pytest.raises(TraceError, match="sin takes real numbers"):
        apply("sin", 1j)


def test_apply_counts_its_operands() -> None:
    with pytest.raises(ArgumentError, match="sin takes 1 argument, got 2"):
        apply("sin", 1.0, 2.0)


def test_functions_call_functions() -> None:
    inner: Function = trace(area)

    def outer(x: Any) -> Any:
        (once,) = call_function(inner, [x, 3])
        (twice,) = call_function(inner, [once, np.sin(x)])
        return twice

    assert outputs(outer, 0.5) == [1.5 * math.sin(0.5)]


def test_calls_convert_what_they_are_given() -> None:
    typed = trace(
        lambda b, x: np.where(b, x, 0.0),
        {"b": BOOL, "x": F32},
    )
    assert outputs(lambda x: call_function(typed, [x > 0, x])[0], 2.0) == [2.0]
    with pytest.raises(ArgumentError, match="takes 2 arguments"):
        trace(lambda x: call_function(typed, [x]))
    with pytest.raises(ArgumentError, match="none of the arguments"):
        call_function(typed, [True, 1.0])


def test_tracers_hash_and_print() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.append((len({x: 1, x + 1: 2}), repr(x), isinstance(x, Tracer)))
        return x

    trace(f)
    assert seen == [(2, "Tracer(<%0: f64 = param >)", True)]
