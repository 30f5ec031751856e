"""LaTeX has balanced braces, subscripts, Greek letters, fractions, and derivatives by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from op_functions import ELEMENTWISE, of_op
from opcases import SAMPLED, single

from symdiff import ops
from symdiff.autodiff.transforms import gradient, hessian, jacobian
from symdiff.codegen.latex import latex, symbol
from symdiff.errors import UnsupportedError
from symdiff.ir import F64, Branch, Function, Graph, Leaf, Op, Value
from symdiff.page import mathml
from symdiff.passes import PIPELINE, run

Build = Callable[[Value, Value, Value], Value]


def of(build: Build) -> Function:
    graph = Graph()
    x, y, z = (graph.param(name, F64) for name in "xyz")
    return Function("f", (x, y, z), (build(x, y, z),))


def is_balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0 and text.count(r"\left") == text.count(r"\right")


add, sub, mul, div, pow, neg = ops.add, ops.sub, ops.mul, ops.div, ops.pow, ops.neg

PRINTED: list[tuple[str, Build]] = [
    (r"\frac{x + y}{z}", lambda x, y, z: div(add(x, y), z)),
    (r"\left(\frac{x}{y}\right)^{z}", lambda x, y, z: pow(div(x, y), z)),
    (r"x \, \frac{y}{z}", lambda x, y, z: mul(x, div(y, z))),
    (r"\left(x + y\right) \, z", lambda x, y, z: mul(add(x, y), z)),
    (r"x^{y + z}", lambda x, y, z: pow(x, add(y, z))),
    (r"\left(x^{y}\right)^{z}", lambda x, y, z: pow(pow(x, y), z)),
    (r"\left(e^{x}\right)^{2}", lambda x, y, z: mul(ops.exp(x), ops.exp(x))),
    (r"\sqrt{x + y}", lambda x, y, z: ops.sqrt(add(x, y))),
    (r"\left|x - y\right|", lambda x, y, z: ops.abs(sub(x, y))),
    (r"x - \left(-y\right)", lambda x, y, z: sub(x, neg(y))),
    (r"x \, \left(-2\right)", lambda x, y, z: mul(x, -2.0)),
    (r"-\left(-x\right)", lambda x, y, z: neg(neg(x))),
    (r"-x \, y", lambda x, y, z: neg(mul(x, y))),
    (r"x \, y \, z", lambda x, y, z: mul(x, mul(y, z))),
    (r"x + y - z", lambda x, y, z: add(x, sub(y, z))),
    (r"x - \left(y + z\right)", lambda x, y, z: sub(x, add(y, z))),
    (r"x \cdot 2 \, y", lambda x, y, z: mul(x, mul(2.0, y))),
    (r"x^{-2}", lambda x, y, z: pow(x, -2.0)),
    (r"2 \cdot 3^{x}", lambda x, y, z: mul(2.0, pow(3.0, x))),
    (r"1 \cdot 10^{-5} + \pi", lambda x, y, z: add(ops.like(x, 1e-5), 3.141592653589793)),
    (r"\left(2.5 \cdot 10^{20}\right)^{x}", lambda x, y, z: pow(2.5e20, x)),
    (r"\operatorname{hypot}\left(x, y\right)", lambda x, y, z: ops.hypot(x, y)),
    (r"\psi^{(2)}\left(x\right)", lambda x, y, z: ops.polygamma(x, n=2)),
    (r"\lnot \left(x < y\right)", lambda x, y, z: ops.not_(ops.lt(x, y))),
    (
        r"\begin{cases} y & x < -1 \\ \infty & \text{otherwise} \end{cases}",
        lambda x, y, z: ops.where(ops.lt(x, -1.0), y, float("inf")),
    ),
]


@pytest.mark.parametrize(("text", "build"), PRINTED, ids=[text for text, _ in PRINTED])
def test_notation(text: str, build: Build) -> None:
    assert latex(of(build)) == f"f(x, y, z) = {text}"


@pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.name)
def test_every_operation_is_balanced(op: Op) -> None:
    assert is_balanced(latex(of_op(op)))


@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_every_operation_can_be_set(op: Op) -> None:
    fn = single(op, np.random.default_rng(0))
    try:
        formula = latex(fn)
    except UnsupportedError:
        assert not op.elementwise
    else:
        assert "<mi>x</mi>" in mathml(formula, display=True)


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("x", "x"),
        ("lambda", r"\lambda"),
        ("λ", r"\lambda"),
        ("Omega", r"\Omega"),
        ("Alpha", r"\mathrm{Alpha}"),
        ("q1", "q_{1}"),
        ("m_0", "m_{0}"),
        ("E_n", "E_{n}"),
        ("x_{12}", "x_{12}"),
        ("theta_max", r"\theta_{\mathrm{max}}"),
        ("x1_2", "x_{1,2}"),
        ("speed", r"\mathrm{speed}"),
        ("_x", r"\mathrm{\_x}"),
        ("x_", r"\mathrm{x\_}"),
        ("50%", r"\mathrm{50\%}"),
        ("a{b", r"\mathrm{a\lbrace b}"),
    ],
)
def test_names(name: str, printed: str) -> None:
    assert symbol(name) == printed


def test_names_that_look_alike_are_told_apart() -> None:
    graph = Graph()
    params = tuple(graph.param(name, F64) for name in ("x1", "x_1", "t1", "pi"))
    e = ops.exp(params[0])
    fn = Function("f", params, (mul(e, ops.sin(e)),))
    assert latex(fn) == (
        "\\begin{aligned}\n"
        "t_{2} &= e^{x_{1}} \\\\\n"
        "f(x_{1}, \\mathrm{x\\_1}, t_{1}, \\mathrm{pi}) &= t_{2} \\, \\sin\\left(t_{2}\\right)\n"
        "\\end{aligned}"
    )


def test_derivatives_are_written_as_such() -> None:
    graph = Graph()
    x, y = graph.param("x", F64), graph.param("alpha", F64)
    f = Function("f", (x, y), (mul(pow(x, 3.0), ops.sin(y)),))
    first = latex(run(PIPELINE, gradient(f, [0, 1], False, True)))
    assert r"f(x, \alpha) &= t_{1} \, t_{2}" in first
    assert r"\frac{\partial f}{\partial x} &=" in first
    assert r"\frac{\partial f}{\partial \alpha} &=" in first
    second = latex(run(PIPELINE, hessian(f, [0, 1], False, "auto")))
    assert r"\frac{\partial^2 f}{\partial x^2} &=" in second
    assert r"\frac{\partial^2 f}{\partial x\,\partial \alpha} &=" in second
    assert r"\frac{\partial f}{\partial x} =" in latex(run(PIPELINE, gradient(f, [0], True)))
    square = Function("f", (x,), (mul(x, x),))
    assert latex(run(PIPELINE, hessian(square, [0], True, "auto"))) == (
        r"\frac{\partial^2 f}{\partial x^2} = 2"
    )
    two = Function("g", (x, y), (add(x, y), mul(x, y)), Branch((Leaf("u"), Leaf("v"))))
    third = latex(run(PIPELINE, jacobian(two, [0, 1], False, "auto")))
    assert r"\frac{\partial v}{\partial \alpha} &= x" in third
    assert all(map(is_balanced, (first, second, third)))


def test_mixed_derivatives_of_names_with_underscores() -> None:
    graph = Graph()
    params = tuple(graph.param(name, F64) for name in ("a", "a_b", "b_a"))
    f = Function("f", params, (mul(mul(params[0], params[1]), params[2]),))
    text = latex(hessian(f, [0, 1, 2], False, "auto"))
    assert r"\frac{\partial^2 f}{\partial a\,\partial b_{a}}" in text
    assert r"\frac{\partial^2 f}{\partial a_{b}\,\partial a}" in text


def test_other_results_keep_their_names() -> None:
    graph = Graph()
    x = graph.param("x", F64)
    fn = Function("f", (x,), (x, neg(x)), Branch((Leaf("d_foo"), Leaf("area_2"))))
    assert latex(fn) == (
        "\\begin{aligned}\nd_{\\mathrm{foo}} &= x \\\\\n\\mathrm{area}_{2} &= -x\n\\end{aligned}"
    )
