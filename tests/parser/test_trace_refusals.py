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
from symdiff.errors import (
    ArgumentError,
    IndexRangeError,
    NeedsShapes,
    ShapeError,
    TraceError,
    UnsupportedError,
)
from symdiff.ir import Type, f64
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
    (lambda x: x.item(), r"item\(\) and tolist\(\) need numbers"),
    (lambda x: x.sort(), "no `sort`"),
    (lambda x: x.__dict__, "no `__dict__`"),
    (lambda x: 1 in x, r"np\.any\(x == item\)"),
    (lambda x: x in [1, 2], "truth value"),
    (within, "`with`"),
    (assign, "assignment to an element"),
    (delete, "`del`"),
    (new_attribute, "no attribute 'name'"),
    (lambda x: x(1), "traced value.*not callable"),
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
    (lambda x: np.array([x, x]), r"np\.stack\(\[x, y\]\) for np\.array\(\[x, y\]\)"),
    (lambda x: np.asarray(x), "NumPy array"),
    (lambda x: np.max([x, x]), "NumPy array"),
    (lambda x: np.sinc(x), r"np\.sinc does not work on a traced value; did you mean np\.\w+"),
    (lambda x: np.spacing(x), r"np\.spacing does not work"),
    (lambda x: np.divide.reduce(x), r"np\.divide\.reduce"),
    (lambda x: np.add.at(np.ones(2), 0, x), r"sd\.numpy\.add_at"),
    (lambda x: np.add(x, 1, out=np.ones(())), r"out="),
    (lambda x: np.ones(3)[x], r"sd\.numpy\.take"),
    (lambda x: np.put(x, 0, 1), "np.put does not work"),
    (lambda x: np.sin(x, where=False), "where="),
    (lambda x: np.clip(x, 0, 1, out=np.zeros(())), "out"),
    (lambda x: np.where(x), r"np\.where\(condition\) alone"),
    (lambda x: np.sum(x, where=True), "does not take where="),
    (lambda x: np.reshape(x, 1, order="F"), "does not take order="),
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
        trace(function, strict_scalars=False)
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


def text(x: Any) -> Any:
    return {"x": "a"}


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
        (nothing, "nothing returns nothing to compute: None"),
        (text, r"text returns 'a' \(a str\) in its result"),
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


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda x: np.hstack([x, np.array(["a"])]), UnsupportedError, "dtype"),
        (lambda x: np.array([1j, 2]) * x, UnsupportedError, "complex128"),
        (lambda x: np.array([None, 2]) * x, UnsupportedError, "object"),
        (lambda x: x * [1, [2, 3]], ShapeError, "rows of different lengths"),
        (lambda x: x + np.ones(4), ShapeError, r"add: the shapes \(3,\) and \(4,\) do not"),
        (lambda x: x @ np.ones(4), ShapeError, r"matmul: f64\[3\], \(4,\).* 3 and 4 meet"),
        (lambda x: x.reshape(2, 2), ShapeError, r"reshape: f64\[3\] has 3 elements"),
        (lambda x: np.sum(x, axis=1), ShapeError, "sum: axis 1 is out of range for"),
        (lambda x: np.einsum("ij", x), ShapeError, "einsum: 2 subscripts for"),
        (lambda x: np.einsum(x), ShapeError, "einsum: expected subscripts and operands"),
        (lambda x: np.broadcast_to(x[0], (-1,)), ShapeError, "broadcast_to: f64 does not"),
        (lambda x: np.broadcast_to(x[0], (2**40, 2**40)), ShapeError, "no memory can hold"),
        (lambda x: x.reshape(np.argmax(x), 1), ShapeError, "reshape: .* a computed value"),
        (lambda x: x[3], IndexRangeError, "index 3 is out of range for axis 0 of"),
        (lambda x: x[[0, -4]], IndexRangeError, "index -4 is out of range"),
        (lambda x: x[0, 0], IndexRangeError, "indexed along 2 axes"),
        (lambda x: x[x > 0], UnsupportedError, "computed mask"),
        (lambda x: x[x], ShapeError, "an index is whole numbers"),
        (lambda x: x[: np.argmax(x)], TraceError, "a slice needs Python numbers"),
        (assign, TraceError, r"sd\.numpy\.put"),
        (branch, TraceError, "`if`"),
        (lambda x: np.linalg.norm(x, "nuc"), ShapeError, "no norm of a vector"),
        (lambda x: np.linalg.svd(x), TraceError, r"np\.linalg\.svd does not work"),
        (lambda x: x.T.foo, TraceError, "no `foo`"),
    ],
    ids=lambda p: p if isinstance(p, str) else "",
)  # fmt: skip
def test_mistakes_with_arrays_name_the_line(
    function: Callable[[Any], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        trace(function, {"x": Type(f64, (3,))})
    first = function.__code__.co_firstlineno
    assert re.match(rf"{re.escape(__file__)}, line ({first}|{first + 1}): ", str(caught.value))


NEED_SHAPES: list[Callable[[Any], Any]] = [
    lambda x: np.array([1.0, 2.0]) * x, lambda x: x * [1, 2], lambda x: np.sum(x), lambda x: x.T,
    lambda x: x.sum(), lambda x: x[0], lambda x: x["W"], lambda x: x @ x, lambda x: np.ones(2) @ x,
    lambda x: len(x), unpack, lambda x: list(x), lambda x: x.shape, lambda x: np.shape(x),
    lambda x: x.W, lambda x: x.mean, lambda x: "W" in x, lambda x: np.stack([x, x]),
    lambda x: np.linalg.norm(x), lambda x: np.add.reduce(x), lambda x: dict(**x), assign, delete,
    lambda x: hasattr(x, "W") or x, lambda x: np.multiply.outer(x, x), lambda x: np.size(x) * x,
]  # fmt: skip


@pytest.mark.parametrize("function", NEED_SHAPES)
def test_what_is_for_arrays_needs_their_shapes(function: Callable[[Any], Any]) -> None:
    with pytest.raises(NeedsShapes, match=r"line.*shapes of the parameters") as caught:
        trace(function)
    assert str(caught.value).startswith(__file__)


def test_a_need_for_shapes_cannot_be_caught() -> None:
    def hidden(x: Any) -> Any:
        try:
            return np.sum(x)
        except Exception:
            return x

    def renamed(x: Any) -> Any:
        try:
            return np.sum(x)
        except TraceError:
            raise KeyError("mine") from None

    for function in (hidden, renamed):
        with pytest.raises(NeedsShapes, match="sum of a traced value"):
            trace(function)


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
