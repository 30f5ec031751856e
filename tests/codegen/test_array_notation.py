"""Formulas of arrays: NumPy computes what the text says, and LaTeX has mathematics' notation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symdiff import ops
from symdiff.autodiff.transforms import gradient
from symdiff.codegen.formula import assignments, formula
from symdiff.codegen.latex import latex
from symdiff.errors import UnsupportedError
from symdiff.ir import F64, Branch, Function, Graph, Leaf, Type, Value, f64, i64, interpret
from symdiff.passes import PIPELINE, run

NAMES: dict[str, Any] = {
    **{n: getattr(np, n) for n in (
        "argmax", "argmin", "arange", "broadcast_to", "concatenate", "cumsum", "einsum", "exp",
        "flip", "outer", "pad", "pi", "reshape", "sin", "sum", "tanh", "transpose", "where",
    )},
    "sech2": lambda x: 1 / np.cosh(x) ** 2,
    "max": lambda x, *args, **kw: np.maximum(x, *args) if args else np.max(x, **kw),
    "min": lambda x, *args, **kw: np.minimum(x, *args) if args else np.min(x, **kw),
}  # fmt: skip


def of(build: Callable[..., Value]) -> Function:
    """The function of A[3,4], B[4,3], x[4], y[3] and s that returns what `build` makes of them."""
    graph = Graph()
    shapes = {"A": (3, 4), "B": (4, 3), "x": (4,), "y": (3,), "s": ()}
    params = tuple(graph.param(name, Type(f64, shape)) for name, shape in shapes.items())
    return Function("f", params, (build(*params),))


def computed(fn: Function, args: list[Any]) -> list[Any]:
    """What NumPy makes of the formula of `fn`."""
    scope = {**NAMES, **dict(zip(fn.param_names, args, strict=True))}
    for name, text in assignments(fn):
        scope[name] = eval(text, scope)
    return [np.asarray(scope[name]) for name, _ in assignments(fn)[-len(fn.outputs) :]]


def column(x: Value, n: int) -> Value:
    return ops.reshape(x, shape=(n, 1))


T = ops.transpose
PRINTED: list[tuple[str, str, Callable[..., Value]]] = [
    ("A @ B", r"A \, B", lambda A, B, x, y, s: ops.contract(A, B, spec="ij,jk->ik")),
    ("A @ x", r"A \, x", lambda A, B, x, y, s: ops.contract(A, x, spec="ij,j->i")),
    ("y @ A", r"A^{\mathsf{T}} \, y", lambda A, B, x, y, s: ops.contract(y, A, spec="i,ij->j")),
    ("B @ y", r"B \, y", lambda A, B, x, y, s: ops.contract(y, B, spec="i,ji->j")),
    ("x @ x", r"x^{\mathsf{T}} \, x", lambda A, B, x, y, s: ops.contract(x, x, spec="i,i->")),
    ("A.T @ B.T", r"A^{\mathsf{T}} \, B^{\mathsf{T}}",
     lambda A, B, x, y, s: ops.contract(A, B, spec="ij,ki->jk")),
    ("B @ A", r"B \, A", lambda A, B, x, y, s: ops.contract(A, B, spec="ij,ki->kj")),
    ("outer(x, y)", r"x \, y^{\mathsf{T}}",
     lambda A, B, x, y, s: ops.contract(x, y, spec="i,j->ij")),
    ("outer(y, x)", r"y \, x^{\mathsf{T}}",
     lambda A, B, x, y, s: ops.contract(x, y, spec="i,j->ji")),
    ("sum(A * A)", r"\operatorname{tr}\left(A^{\mathsf{T}} \, A\right)",
     lambda A, B, x, y, s: ops.contract(A, A, spec="ij,ij->")),
    ("sum(A * B.T)", r"\operatorname{tr}\left(A \, B\right)",
     lambda A, B, x, y, s: ops.contract(A, B, spec="ij,ji->")),
    ('einsum("ij,i->ij", A, y)', r"\operatorname{einsum}_{ij,i \to ij}\left(A, y\right)",
     lambda A, B, x, y, s: ops.contract(A, y, spec="ij,i->ij")),
    ("(A + B.T).T", r"\left(A + B^{\mathsf{T}}\right)^{\mathsf{T}}",
     lambda A, B, x, y, s: T(ops.add(A, T(B, axes=(1, 0))), axes=(1, 0))),
    ("A + x", "A + x", lambda A, B, x, y, s: ops.add(A, ops.broadcast(x, shape=(3, 4)))),
    ("A * s", r"A \, s", lambda A, B, x, y, s: ops.mul(A, ops.broadcast(s, shape=(3, 4)))),
    ("A * x", r"A \odot x", lambda A, B, x, y, s: ops.mul(A, ops.broadcast(x, shape=(3, 4)))),
    ("A + y[:, None]", r"A + y\left[:, \ast\right]",
     lambda A, B, x, y, s: ops.add(A, ops.broadcast(column(y, 3), shape=(3, 4)))),
    ("broadcast_to(s, 2) + 1", r"\operatorname{broadcast}_{2}\left(s\right) + 1",
     lambda A, B, x, y, s: ops.add(ops.broadcast(s, shape=(2,)), 1.0)),
    ("broadcast_to(2, 3)", r"\operatorname{broadcast}_{3}\left(2\right)",
     lambda A, B, x, y, s: ops.like(y, 2.0)),
    ("sum(broadcast_to(s, (2, 3)))",
     r"\sum\left(\operatorname{broadcast}_{2 \times 3}\left(s\right)\right)",
     lambda A, B, x, y, s: ops.reduce_sum(ops.broadcast(s, shape=(2, 3)), shape=())),
    ("sum(A)", r"\sum\left(A\right)", lambda A, B, x, y, s: ops.reduce_sum(A, shape=())),
    ("max(A, axis=0)", r"\max_{\mathrm{axis}\,0}\left(A\right)",
     lambda A, B, x, y, s: ops.reduce_max(A, shape=(4,))),
    ("min(A, axis=1, keepdims=True)", r"\min_{\mathrm{axis}\,1}\left(A\right)",
     lambda A, B, x, y, s: ops.reduce_min(A, shape=(3, 1))),
    ("sum(A, axis=1)", r"\sum_{\mathrm{axis}\,1}\left(A\right)",
     lambda A, B, x, y, s: ops.reshape(ops.reduce_sum(A, shape=(3, 1)), shape=(3,))),
    ("reshape(sum(A), 1)", r"\sum\left(A\right)",
     lambda A, B, x, y, s: ops.reduce_sum(A, shape=(1,))),
    ("x[1:3]", r"x\left[1:3\right]",
     lambda A, B, x, y, s: ops.slice_(x, start=(1,), step=(1,), shape=(2,))),
    ("A[::-2, 1:]", r"A\left[::-2, 1:\right]",
     lambda A, B, x, y, s: ops.slice_(A, start=(2, 1), step=(-2, 1), shape=(2, 3))),
    ("A[1]", r"A\left[1\right]", lambda A, B, x, y, s: ops.reshape(
        ops.slice_(A, start=(1, 0), step=(1, 1), shape=(1, 4)), shape=(4,))),
    ("(x + x)[0]", r"\left(x + x\right)\left[0\right]", lambda A, B, x, y, s: ops.reshape(
        ops.slice_(ops.add(x, x), start=(0,), step=(1,), shape=(1,)), shape=())),
    ("A[:, [2, 0]]", r"A\left[:, \begin{bmatrix} 2 \\ 0 \end{bmatrix}\right]",
     lambda A, B, x, y, s: ops.gather(A, A.graph.const([2, 0], Type(i64, (2,))), axis=1)),
    ("pad(x, (1, 2))", r"\operatorname{pad}_{1+2}\left(x\right)",
     lambda A, B, x, y, s: ops.embed(x, start=(1,), step=(1,), shape=(7,))),
    ("concatenate([x, y], axis=0)", r"\begin{bmatrix} x \\ y \end{bmatrix}",
     lambda A, B, x, y, s: ops.concatenate(x, y, axis=0)),
    ("[[s, 1]]", r"\begin{bmatrix} s & 1 \end{bmatrix}", lambda A, B, x, y, s: ops.reshape(
        ops.concatenate(ops.reshape(s, shape=(1,)), s.graph.const(1.0, Type(f64, (1,))), axis=0),
        shape=(1, 2))),
    ("x + [0.5, 1, pi, -1]",
     r"x + \begin{bmatrix} 0.5 \\ 1 \\ \pi \\ -1 \end{bmatrix}",
     lambda A, B, x, y, s: ops.add(x, x.graph.const([0.5, 1, np.pi, -1], x.type))),
    ("transpose(broadcast_to(A, (2, 3, 4)), (1, 2, 0))",
     r"\operatorname{transpose}_{1,2,0}\left(\operatorname{broadcast}_{2 \times 3 \times 4}"
     r"\left(A\right)\right)",
     lambda A, B, x, y, s: T(ops.broadcast(A, shape=(2, 3, 4)), axes=(1, 2, 0))),
    ("cumsum(A, axis=1)", r"\operatorname{cumsum}_{1}\left(A\right)",
     lambda A, B, x, y, s: ops.cumsum(A, axis=1, reverse=False)),
    ("flip(cumsum(flip(x, 0), axis=0), 0)", r"\operatorname{cumsum}_{0,\leftarrow}\left(x\right)",
     lambda A, B, x, y, s: ops.cumsum(x, axis=0, reverse=True)),
    ("argmax(A, axis=1)", r"\operatorname{argmax}_{1}\left(A\right)",
     lambda A, B, x, y, s: ops.argmax(A, axis=1)),
    ("arange(4)", r"\operatorname{index}_{0}\left(4\right)",
     lambda A, B, x, y, s: ops.iota(A.graph, (4,), 0, i64)),
    ("broadcast_to(arange(3)[:, None], (3, 2))", r"\operatorname{index}_{0}\left(3 \times 2\right)",
     lambda A, B, x, y, s: ops.iota(A.graph, (3, 2), 0, i64)),
    ("A**2 + where(A < 0, A, 0)",
     r"A^{\circ 2} + \left(\begin{cases} A & A < 0 \\ 0 & \text{otherwise} \end{cases}\right)",
     lambda A, B, x, y, s: ops.add(ops.mul(A, A), ops.where(ops.lt(A, 0.0), A, ops.like(A, 0.0)))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tex", "build"), PRINTED, ids=[p[0] for p in PRINTED])
def test_notation(
    text: str, tex: str, build: Callable[..., Value], rng: np.random.Generator
) -> None:
    fn = of(build)
    assert formula(fn) == text
    assert latex(fn) == f"f(A, B, x, y, s) = {tex}"
    args = [rng.normal(size=p.type.shape) for p in fn.params]
    (expected,), (got,) = interpret(fn, args), computed(fn, args)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-13)


def network(A: Value, B: Value, x: Value, y: Value, s: Value) -> Value:
    """s * sum(tanh(A x + y)**2), and a few terms that need shapes."""
    hidden = ops.tanh(ops.add(ops.contract(A, x, spec="ij,j->i"), y))
    total = ops.reduce_sum(ops.mul(hidden, hidden), shape=())
    part = ops.slice_(x, start=(1,), step=(1,), shape=(3,))
    spread = ops.mul(ops.broadcast(column(part, 3), shape=(3, 4)), A)
    trace = ops.reduce_sum(ops.exp(ops.contract(B, A, spec="ij,jk->ik")), shape=())
    return ops.add(ops.mul(s, ops.add(total, ops.reduce_sum(spread, shape=()))), trace)


def test_gradients_say_what_they_compute(rng: np.random.Generator) -> None:
    fn = run(PIPELINE, gradient(of(network), [0, 1, 2, 3, 4], False, True))
    args = [rng.normal(size=p.type.shape) for p in fn.params]
    for got, expected in zip(computed(fn, args), interpret(fn, args), strict=True):
        assert got.shape == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-14)
    assert r"\frac{\partial f}{\partial A} &=" in latex(fn)


def test_large_constants_are_marked() -> None:
    graph = Graph()
    x = graph.param("x", Type(f64, (1000,)))
    fn = Function("f", (x,), (ops.add(x, graph.const(range(1000), x.type)),))
    assert formula(fn) == "x + <f64[1000]>"
    assert latex(fn) == r"f(x) = x + \mathrm{const}_{1000}"


def test_what_has_no_notation_is_named() -> None:
    graph = Graph()
    x, index = graph.param("x", Type(f64, (3,))), graph.param("i", Type(i64, (3,)))
    inner = Graph()
    c = inner.param("c", F64)
    body = Function("step", (c,), (ops.sin(c), c), Branch((Leaf("c"), Leaf("y"))))
    attrs = {"body": body, "carries": 1, "inputs": 0, "length": 9, "reverse": False}
    start = graph.param("s", F64)
    loop = ops.scan(start, **attrs)
    for value in (
        ops.scatter_add(x, index, axis=0, shape=(5,)),
        ops.embed(x, start=(0,), step=(2,), shape=(5,)),
        loop,
    ):
        named = rf"no notation for {value.op.name}, type {value.type}".replace("[", r"\[")
        for printer in (formula, latex):
            with pytest.raises(
                UnsupportedError, match=named.replace("(", r"\(").replace(")", r"\)")
            ):
                printer(Function("f", (x, index, start), (value,)))
