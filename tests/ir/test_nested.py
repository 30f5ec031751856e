"""Functions in attributes: printed below their users, read back, verified."""

from __future__ import annotations

from typing import Any

import pytest
from derivatives import flat, loop

import symdiff as sd
from symdiff.ir import Function, Graph, Type, f64, print_function, read_function, verify
from symdiff.ops import OPS, add, custom, mul, neg, scan, sin


def inner(carry: Any, xs: Any, rest: Any) -> Any:
    return [sin(mul(carry[0], rest[0]))], [xs[0]]


def shared() -> Function:
    """Two loops with the same body, one of them in the body of a third that has its name."""
    once = loop(inner, [()], [()], [()], length=2)
    attrs = dict(once.outputs[0].args[0].attrs)

    def outer(carry: Any, xs: Any, rest: Any) -> Any:
        again = scan(carry[0], xs[0], carry[0], **attrs)
        return [OPS["item"](again, index=0)], []

    whole = loop(outer, [()], [(2,)], length=3)
    first = scan(whole.params[0], *once_params(whole), **attrs)
    outputs = (*whole.outputs, OPS["item"](first, index=1))
    return Function("step", whole.params, outputs, flat(2))


def once_params(fn: Function) -> list[Any]:
    xs = fn.graph.param("ys", Type(f64, (2,)))
    return [xs, fn.params[0]]


def test_round_trip() -> None:
    fn = shared()
    extra = next(v for v in fn.live() if v.op.name == "param" and v not in fn.params)
    fn = Function(fn.name, (*fn.params, extra), fn.outputs, fn.result)
    verify(fn)
    text = print_function(fn)
    heads = [line.split("(")[0] for line in text.splitlines() if line.startswith("func")]
    assert heads == ["func @step", "func @step_1", "func @step_2"]
    assert text.count("body=@step_2") == 2
    again = read_function(text, OPS)
    verify(again)
    assert print_function(again) == text


def test_a_missing_rule_is_null() -> None:
    graph = Graph()
    x = graph.param("x", Type(f64))
    body = loop(inner, [()], [()], [()], length=2).outputs[0].args[0].attr("body")
    made = custom(x, x, x, body=body, vjp=None, jvp=None)
    fn = Function("f", (x,), (OPS["item"](made, index=0),))
    text = print_function(fn)
    assert "{body=@step, jvp=null, vjp=null}" in text
    assert print_function(read_function(text, OPS)) == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("func @step(", "func @other(", "line 2: .*no function @step below"),
        ("= sin", "= sinus", "line 9: .*unknown operation sinus"),
        ("  return %1, %x0", "", "line 10: .*expected `return"),
        ("body=@step", "body=3", "line 2: "),
        ("func @step(", "func @looped(", "line 2: .*no function @step"),
    ],
)
def test_broken_texts_name_the_line(old: str, new: str, message: str) -> None:
    text = print_function(loop(inner, [()], [()], [()], length=2))
    assert old in text
    with pytest.raises(sd.IRError, match=message):
        read_function(text.replace(old, new), OPS)


def test_two_functions_of_one_name_are_refused() -> None:
    text = print_function(loop(inner, [()], [()], [()], length=2))
    body = text[text.index("func @step") :]
    with pytest.raises(sd.IRError, match="two functions @step"):
        read_function(f"{text}\n{body}", OPS)


def test_bodies_are_verified() -> None:
    fn = loop(lambda c, x, r: ([neg(add(c[0], c[0]))], []), [()], length=2)
    body = fn.outputs[0].args[0].attr("body")
    body.outputs[0].type = Type(f64, (3,))
    with pytest.raises(sd.IRError, match=r"@step: .*its rule says f64"):
        verify(fn)
