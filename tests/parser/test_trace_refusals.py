"""Python functions: what tracing refuses, with the user's line and a way out."""

# Lambdas over traced values, given to NumPy, have types that its overloads do not know.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportCallIssue=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

import functools
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ArgumentError, TraceError, UnsupportedError
from symdiff.parser.trace import apply, trace

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


def within(x: Any) -> Any:
    with x:
        return x


def assign(x: Any) -> Any:
    x[0] = 1.0
    return x


def delete(x: Any) -> Any:
    del x[0]
    return x


def new_attribute(x: Any) -> Any:
    x.name = "mine"
    return x


REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: f"{x:.3f}", r"format '\.3f' needs a number"),
    (lambda x: "{:5}".format(x), "format '5'"),  # noqa: UP032
    (lambda x: format(x, "e"), "format 'e'"),
    (lambda x: "%.3f" % x, r"float\(\)"),  # noqa: UP031
    (lambda x: x.foo, "no `foo`; use operators"),
    (lambda x: x.sin(), r"no `sin`; use np\.sin\("),
    (lambda x: x.clip(0, 1), r"no `clip`; use np\.clip\("),
    (lambda x: x.astype(float), "no `astype`"),
    (lambda x: x.T, "no `T`"),
    (lambda x: x.item(), "no `item`"),
    (lambda x: x.__dict__, "no `__dict__`"),
    (lambda x: 1 in x, "`in` needs elements"),
    (lambda x: x in [1, 2], "truth value"),
    (within, "`with`"),
    (assign, "assignment to an element"),
    (delete, "`del`"),
    (new_attribute, "no attribute 'name'"),
    (lambda x: x(1), "traced value.*not callable"),
    (lambda x: x @ x, "write \\*"),
    (lambda x: np.ones(2) @ x, "matmul"),
    (lambda x: x << 1, r"x \* 2\*\*n"),
    (lambda x: 1 >> x, r"x / 2\*\*n"),
    (lambda x: "a" + x, "traced value"),
    (lambda x: "".join([x]), "traced value"),
    (lambda x: next(x), "not an iterator"),
    (lambda x: max(*x), "unpacking"),
    (lambda x: dict(**x), "mapping"),
    (lambda x: np.float64(x), "NumPy array|float"),
    (lambda x: math.fsum([x]), r"float\(\)"),
    (lambda x: pickle.dumps(x), "pickle"),
    (lambda x: reversed(x), r"len\(\)|not reversible"),
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
        (max, "max has no signature.*max\\(x, y\\)"),
        (lambda *xs: xs[0], "by position; give it plain parameters, as in `lambda x, y: x\\*y`"),
        (functools.partial(keyword, scale=2.0, x=1), "by position; give it plain parameters"),
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


class OwnError(Exception):
    pass


@pytest.mark.parametrize(
    "error",
    [KeyError("mine"), TypeError("mine"), AttributeError("mine"), ValueError("mine"),
     ZeroDivisionError("mine"), IndexError("mine"), StopIteration("mine"), OwnError("mine"),
     ArgumentError("mine"), KeyboardInterrupt("mine")],
    ids=lambda e: type(e).__name__,
)  # fmt: skip
def test_errors_of_the_function_pass_through(error: BaseException) -> None:
    def broken(x: Any) -> Any:
        raise error

    def within_numpy(x: Any) -> Any:
        return np.piecewise(x, [x > 0], [broken])

    for function in (broken, within_numpy):
        with pytest.raises(type(error)) as caught:
            trace(function)
        assert caught.value is error
        with pytest.raises(type(error)) as caught:
            sd.grad(function)
        assert caught.value is error


def test_errors_of_python_keep_their_cause() -> None:
    with pytest.raises(TraceError) as caught:
        trace(lambda x: x(1))
    assert isinstance(caught.value.__cause__, TypeError)
    with pytest.raises(TypeError, match="NoneType"):
        trace(lambda x: None + 1)  # type: ignore[reportOptionalOperand]
