"""What must hold of the derivatives of any function, checked with the interpreter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.testing import assert_allclose

from symdiff import autodiff
from symdiff.ir import Branch, Function, Graph, Leaf, Type, Value, f64, interpret, verify
from symdiff.ops import OPS, scan

Step = Callable[..., tuple[Sequence[Value], Sequence[Value]]]


def loop(
    step: Step,
    carry: Sequence[Any],
    xs: Sequence[Any] = (),
    rest: Sequence[Any] = (),
    *,
    length: int,
    reverse: bool = False,
    checkpoint: bool = False,
) -> Function:
    """A function that is one loop; `step(carry, xs, rest)` gives carries and per-step outputs.

    The operands are given by shapes, or as Types.
    """
    body = Graph()
    types = [[_type(t) for t in group] for group in (carry, xs, rest)]
    counts = [len(group) for group in types]
    names = [f"{n}{i}" for n, count in zip("cxr", counts, strict=True) for i in range(count)]
    inner = [
        body.param(n, t) for n, t in zip(names, [t for group in types for t in group], strict=True)
    ]
    a, b = counts[0], counts[0] + counts[1]
    carries, ys = step(inner[:a], inner[a:b], inner[b:])
    made = Function("step", tuple(inner), (*carries, *ys), flat(len(carries) + len(ys)))
    graph = Graph()
    params = [
        graph.param(p.attr("name"), _stacked(p.type, length) if a <= i < b else p.type)
        for i, p in enumerate(inner)
    ]
    attrs: dict[str, Any] = {
        "body": made, "carries": a, "inputs": counts[1], "length": length, "reverse": reverse,
    }  # fmt: skip
    if checkpoint:
        attrs["checkpoint"] = True
    value = scan(*params, **attrs)
    count = len(made.outputs)
    outputs = tuple(OPS["item"](value, index=i) for i in range(count))
    return Function("looped", tuple(params), outputs, flat(count))


def flat(count: int) -> Branch:
    return Branch(tuple(Leaf(f"v{i}") for i in range(count)))


def _type(given: Any) -> Type:
    return given if isinstance(given, Type) else Type(f64, given)


def _stacked(type: Type, length: int) -> Type:
    return type.with_shape((length, *type.shape))


def at_random(fn: Function, rng: np.random.Generator) -> list[Any]:
    """Arguments for `fn`: real numbers around 0, small integers, truth values."""
    draw = {
        "f": lambda shape: 0.7 * rng.normal(size=shape),
        "i": lambda shape: rng.integers(0, 2, shape),
        "b": lambda shape: rng.integers(0, 2, shape).astype(bool),
    }
    return [draw[p.type.dtype.kind](p.type.shape).astype(p.type.dtype.numpy) for p in fn.params]


def real_only(fn: Function) -> Function:
    """`fn` with those outputs that have derivatives."""
    outputs = tuple(o for o in fn.outputs if o.type.dtype.kind == "f")
    return Function(fn.name, fn.params, outputs, flat(len(outputs)))


def check_derivatives(fn: Function, at: Sequence[Any], *, second: bool = True) -> None:
    """Forward mode against differences, reverse mode against forward mode; and once more each."""
    fn = real_only(fn)
    _check_first(fn, at)
    if second:
        wrt = reals(fn)
        pulled = real_only(verified(autodiff.vjp(fn, wrt, bare=False)))
        rng = np.random.default_rng(7)
        bars = [rng.normal(size=o.type.shape) for o in fn.outputs]
        _check_first(pulled, [*at, *bars])
        pushed = real_only(verified(autodiff.jvp(fn, wrt)))
        _check_first(pushed, [*at, *(rng.normal(size=fn.params[i].type.shape) for i in wrt)])


def reals(fn: Function) -> list[int]:
    return [i for i, p in enumerate(fn.params) if p.type.dtype.kind == "f"]


def _check_first(fn: Function, at: Sequence[Any]) -> None:
    rng = np.random.default_rng(5)
    wrt = reals(fn)
    count = len(fn.outputs)
    values = interpret(fn, at)
    dx = {i: rng.normal(size=np.shape(at[i])) for i in wrt}
    results = interpret(verified(autodiff.jvp(fn, wrt)), [*at, *dx.values()])
    for found, value in zip(results[:count], values, strict=True):
        assert_allclose(found, value, rtol=1e-13, atol=1e-13)
    dy = results[count:]
    for found, expected in zip(dy, differences(fn, at, dx), strict=True):
        assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    bars = [rng.normal(size=o.type.shape) for o in fn.outputs]
    results = interpret(verified(autodiff.vjp(fn, wrt, bare=False)), [*at, *bars])
    for found, value in zip(results[:count], values, strict=True):
        assert_allclose(found, value, rtol=1e-13, atol=1e-13)
    left = sum(np.sum(a * b) for a, b in zip(bars, dy, strict=True))
    terms = [np.sum(a * b) for a, b in zip(results[count:], dx.values(), strict=True)]
    scale = float(np.sum(np.abs(terms)))
    scale += float(sum(np.sum(np.abs(a * b)) for a, b in zip(bars, dy, strict=True)))
    assert_allclose(left, np.sum(terms), rtol=1e-11, atol=1e-12 * (1 + scale))


def verified(fn: Function) -> Function:
    verify(fn)
    return fn


def differences(fn: Function, at: Sequence[Any], dx: dict[int, Any], h: float = 1e-3) -> list[Any]:
    """The derivatives along dx by central differences, extrapolated (Richardson)."""

    def shifted(step: float) -> list[Any]:
        return interpret(fn, [a + step * dx[i] if i in dx else a for i, a in enumerate(at)])

    def central(step: float) -> list[Any]:
        pairs = zip(shifted(step), shifted(-step), strict=True)
        return [(up - down) / (2 * step) for up, down in pairs]

    steps = [central(h / 2**k) for k in range(3)]
    first = [
        [(4 * b - a) / 3 for a, b in zip(wide, fine, strict=True)] for wide, fine in pairwise(steps)
    ]
    return [(16 * b - a) / 15 for a, b in zip(*first, strict=True)]
