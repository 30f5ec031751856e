"""Passes over loops and over functions with derivatives of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from derivatives import at_random, flat, loop, reals, verified

from symdiff import autodiff
from symdiff.ir import Function, Graph, Type, f64, interpret
from symdiff.ops import OPS, add, custom, mul, neg, scan, sin, stop_gradient
from symdiff.ops.bodies import Loop
from symdiff.passes.loops import inline_custom, inside, map_bodies, trim_scans
from symdiff.passes.simplify import simplify


def tangled(carry: Any, xs: Any, rest: Any) -> Any:
    """Carries that go through, that nothing reads and that read each other; outputs twice."""
    (a, b, same, lost, also_lost), (x, unread), (w, _) = carry, xs, rest
    a = mul(add(a, x), w)
    b = sin(add(b, mul(a, same)))
    return [a, b, same, also_lost, add(lost, unread)], [b, b, x, same, w, neg(lost)]


FN = loop(tangled, [()] * 5, [(), ()], [(), ()], length=4)


def scans(fn: Function) -> list[Loop]:
    return [Loop.of(v) for v in fn.live() if v.op is scan]


@pytest.mark.parametrize("chosen", [[0], [1], [2], [3], [5, 6], [7], [8, 9], [1, 10], range(11)])
def test_trimmed_loops_give_the_same(chosen: Any, rng: np.random.Generator) -> None:
    fn = Function("f", FN.params, tuple(FN.outputs[i] for i in chosen), flat(len(chosen)))
    at = at_random(fn, rng)
    trimmed = verified(trim_scans(fn))
    assert [p.attr("name") for p in trimmed.params] == [p.attr("name") for p in fn.params]
    for found, expected in zip(interpret(trimmed, at), interpret(fn, at), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_nobody_needs_is_gone() -> None:
    fn = Function("f", FN.params, (FN.outputs[0],))
    (small,) = scans(trim_scans(fn))
    assert (small.carries, small.inputs, len(small.body.params)) == (1, 1, 3)
    assert len(small.body.outputs) == 1
    fn = Function("f", FN.params, FN.outputs[7:10], flat(3))
    assert not scans(trim_scans(fn))
    fn = Function("f", FN.params, FN.outputs[5:7], flat(2))
    (small,) = scans(trim_scans(fn))
    assert (small.carries, len(small.body.outputs)) == (2, 3)


def test_trimmed_derivatives_give_the_same(rng: np.random.Generator) -> None:
    pulled = autodiff.vjp(FN, reals(FN), bare=False)
    for fn in (pulled, autodiff.jvp(FN, reals(FN)), autodiff.vjp(pulled, [0, 1], bare=False)):
        at = at_random(fn, rng)
        for found, expected in zip(
            interpret(verified(trim_scans(fn)), at), interpret(fn, at), strict=True
        ):
            np.testing.assert_array_equal(found, expected)


def nested() -> Function:
    """A loop whose body has a loop and a function with a derivative of its own."""

    def outer(carry: Any, xs: Any, rest: Any) -> Any:
        (h,) = carry
        body = Graph()
        x = body.param("x", Type(f64))
        square = Function("square", (x,), (mul(x, stop_gradient(x)),), flat(1))
        h = OPS["item"](custom(h, body=square, vjp=None, jvp=None), index=0)
        inner = loop(lambda c, x, r: ([add(c[0], 0.0)], [neg(c[0])]), [()], length=2)
        copy = scan(h, **dict(inner.outputs[0].args[0].attrs))
        return [OPS["item"](copy, index=0)], []

    return loop(outer, [()], length=3)


def test_passes_reach_inside(rng: np.random.Generator) -> None:
    fn = nested()
    at = [0.9]
    seen: list[str] = []

    def note(inner: Function) -> Function:
        seen.append(inner.name)
        return inner

    map_bodies(fn, note)
    assert seen == ["square", "step", "step"]
    for step in (inline_custom, inside(simplify), inside(trim_scans), trim_scans):
        (found,) = interpret(verified(step(fn)), at)
        assert found == interpret(fn, at)[0]
    (outer,) = scans(inline_custom(fn))
    assert {v.op.name for v in outer.body.live()} == {"param", "mul", "scan", "item"}
    (outer,) = scans(trim_scans(fn))
    (inner,) = scans(outer.body)
    assert len(inner.body.outputs) == 1
