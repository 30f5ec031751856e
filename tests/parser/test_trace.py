"""Python functions: what tracing records, and what it refuses with the place and a way out."""

# Lambdas over traced values, given to NumPy, have types that its overloads do not know.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportCallIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
import inspect
import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest

from symdiff.errors import ArgumentError, TraceError, UnsupportedError
from symdiff.ir import BOOL, F32, F64, Branch, Function, Type, f64, interpret, verify
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
    with pytest.raises(UnsupportedError, match=r"'x' is an array \(f64\[3\]\)"):
        trace(area, {"x": Type(f64, (3,))})


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
    located = {v.op.name: v.location for v in trace(f).live()}
    assert located["sin"] == (start + 1, 0)
    assert located["add"] == (start + 2, 0)
    assert located["param"] is None


kept: list[Any] = []


def keep(x: Any) -> Any:
    kept.append(x)
    return x


def unpack(x: Any) -> Any:
    first, _ = x
    return first


def branch(x: Any) -> Any:
    if x > 0:
        return x
    return -x


REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (branch, r"`if`.*sd\.where"),
    (lambda x: x and 1, r"`and`"),
    (lambda x: 0 < x < 1, "&"),
    (lambda x: max(x, 0), r"np\.maximum"),
    (lambda x: math.sin(x), r"np\.sin for math\.sin"),
    (lambda x: float(x), r"float\(\)"),
    (lambda x: complex(x), "real numbers"),
    (lambda x: int(x), r"np\.trunc"),
    (lambda x: [1, 2][x], "index"),
    (lambda x: range(x), "whole number"),
    (unpack, "unpacking"),
    (lambda x: len(x), r"len\(\)"),
    (lambda x: x[0], "indexing"),
    (lambda x: np.array([x, x]), "tuple or a list"),
    (lambda x: np.asarray(x), "NumPy array"),
    (lambda x: np.max([x, x]), "NumPy array"),
    (lambda x: np.sinc(x), r"np\.sinc does not work on a traced scalar; these do: .*\btanh\b"),
    (lambda x: np.spacing(x), r"np\.spacing does not work"),
    (lambda x: np.add.reduce(x), r"np\.add\.reduce"),
    (lambda x: np.sin(x, where=False), "where="),
    (lambda x: np.clip(x, 0, 1, out=np.zeros(())), "out"),
    (lambda x: np.where(x), "missing a required argument"),
    (lambda x: np.select([x > 0], [x, x]), "as many choices"),
    (lambda x: np.piecewise(x, [x > 0], [1, 2, 3]), "a function per condition"),
    (lambda x: np.round(x, 0.5), "digits"),  # type: ignore[reportArgumentType]
    (lambda x: pow(x, 2, 3), "modulus"),
    (lambda x: x & 1, "combines conditions"),
    (lambda x: x + "1", r"'1' \(a str\)"),
    (lambda x: x * 1j, "complex"),
    (lambda x: np.complex128(1j) * x, "complex"),
    (lambda x: x + None, "NoneType"),
    (lambda x: x + 10**400, "too large"),
    (lambda x: x + (kept[0] if kept else trace(keep) and kept[0]), "another function"),
    (lambda x: apply("polygamma", x, x), "constant whole number"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "message"), REFUSED, ids=lambda p: getattr(p, "__name__", p))
def test_what_tracing_cannot_follow_names_the_line(
    function: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(TraceError, match=message) as caught:
        trace(function)
    place = re.match(r"(.*), line (\d+): ", str(caught.value))
    assert place is not None
    assert place[1] == __file__
    first = function.__code__.co_firstlineno
    assert first <= int(place[2]) <= first + 2


def starred(*xs: Any) -> Any:
    return xs[0]


def keyword(x: Any, *, scale: float = 1.0) -> Any:
    return scale * x


def nothing(x: Any) -> None:
    pass


def dictionary(x: Any) -> Any:
    return {"x": x}


def empty(x: Any) -> Any:
    return ()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (starred, r"starred: the parameter `\*xs"),
        (keyword, r"keyword: the parameter `scale"),
        (max, "max has no signature"),
        (nothing, "nothing returns None"),
        (dictionary, r"dictionary returns \{.*a dict"),
        (empty, r"empty returns nothing to compute"),
        (lambda x: kept[0], "another function"),
    ],
    ids=lambda p: getattr(p, "__name__", p),
)
def test_signatures_and_results_that_cannot_be_traced(
    function: Callable[..., Any], message: str
) -> None:
    trace(keep)
    with pytest.raises(TraceError, match=message):
        trace(function)


def test_arrays_are_not_there_yet() -> None:
    with pytest.raises(UnsupportedError, match="an array meets a traced value"):
        trace(lambda x: np.array([1.0, 2.0]) * x)


def test_errors_of_the_function_pass_through() -> None:
    def broken(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        trace(broken)


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
        seen.append((len({x: 1, x + 1: 2}), repr(x), x.shape, x.ndim, isinstance(x, Tracer)))
        return x

    trace(f)
    assert seen == [(2, "Tracer(<%0: f64 = param >)", (), 0, True)]
