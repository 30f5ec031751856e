"""Sums over indices in text: they mean what Python means by them, and stay loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symdiff import autodiff
from symdiff.errors import ParseError
from symdiff.ir import Function, Type, dtype_named, interpret, print_function, verify
from symdiff.parser.text import parse_text

RNG = np.random.default_rng(5)
N, M = 6, 4
ARRAYS: dict[str, Any] = {
    "x": RNG.normal(size=N),
    "y": RNG.normal(size=M),
    "A": RNG.normal(size=(N, M)),
    "B": RNG.normal(size=(M, N)),
    "S": RNG.normal(size=(N, N)),
    "P": RNG.normal(size=(N, 3)),
    "T": RNG.normal(size=(N, M, 3)),
    "idx": np.array([3, 0, 2, 2, -1, 1]),
    "nbr": RNG.integers(0, N, (M, 3)),
    "c": np.array(0.25),
    "k": np.array(2),
}
PYTHON: dict[str, Any] = {
    "len": len, "range": range, "sum": sum, "max": max, "min": min, "abs": abs, "norm":
    np.linalg.norm, "dot": np.dot, "sin": np.sin, "exp": np.exp, "sqrt": np.sqrt, "where": np.where,
    "prod": lambda terms: np.prod(list(terms), axis=0), "n": N, "m": M,
}  # fmt: skip


def read(text: str) -> Function:
    """`text` as a function of those of ARRAYS that it names."""
    types = {name: Type(dtype_named(a.dtype), a.shape) for name, a in ARRAYS.items()}
    declared = ", ".join(f"{name}: {types[name]}" for name in ARRAYS if _named(name, text))
    body = text.replace("\n", "\n    ")
    fn = parse_text(f"def f({declared}):\n    n = {N}; m = {M}\n    {body}")
    verify(fn)
    return fn


def _named(name: str, text: str) -> bool:
    words = "".join(c if c.isalnum() else " " for c in text).split()
    return name in words


def value(text: str) -> Any:
    fn = read(text)
    (result,) = interpret(fn, [ARRAYS[name] for name in fn.param_names])
    return result


def operations(fn: Function) -> list[str]:
    return [v.op.name for v in fn.live()]


MEANS_WHAT_PYTHON_MEANS = [
    "sum(100*(x[i+1]-x[i]**2)**2 + (1-x[i])**2 for i in range(n-1))",
    "sum(x[i] for i in range(n))",
    "sum(x[i] for i in range(2, n))",
    "sum(x[i] for i in range(n-1, 0, -1))",
    "sum(x[i] for i in range(1, n, 2))",
    "sum(x[i] for i in range(n-1, -1, -2))",
    "sum(x[2*i+1]*x[i] for i in range(n//2))",
    "sum(x[n-1-i]*x[i]*i for i in range(n))",
    "sum(i*x[i]/n for i in range(n))",
    "sum(i**2 for i in range(5))",
    "sum(1/(1 + i) for i in range(5))",
    "sum(c for i in range(3) for j in range(i))",
    "sum(sin(i*c) for i in range(7))",
    "sum(x[i]*y[j] for i in range(n) for j in range(m))",
    "sum(x[i]*y[j]*A[i,j] for j in range(m) for i in range(n))",
    "sum(A[i,j]*B[j,i] for i in range(n) for j in range(m))",
    "sum(A[i][j] for i in range(n) for j in range(m))",
    "sum(A[i, -1] + A[-1, 0] for i in range(n))",
    "sum(S[i,i] for i in range(n))",
    "sum(S[i,i+1]*S[i+1,i] for i in range(n-1))",
    "sum(S[i,n-1-i] for i in range(n))",
    "sum(T[i,j,2]*A[i,j] for i in range(n) for j in range(m))",
    "sum(T[i,j,k] for i in range(n) for j in range(m) for k in range(3))",
    "sum(T[i,0,i] for i in range(3))",
    "sum(S[i,j]*S[j,i] for i in range(n) for j in range(n))",
    # Triangles.
    "sum(x[i]*x[j] for i in range(n) for j in range(i))",
    "sum(x[i]*x[j] for i in range(n) for j in range(i+1, n))",
    "sum(x[i]*x[j] for i in range(n) for j in range(i+1))",
    "sum(x[i-j]*x[j] for i in range(n) for j in range(i))",
    "sum(x[i+j] for i in range(n) for j in range(n-i))",
    "sum(x[i-j-1]*j for i in range(n) for j in range(i))",
    "sum(S[i,j]*x[k] for i in range(n) for j in range(i) for k in range(j, i))",
    "sum(x[i]*x[j] for i in range(n) for j in range(max(0, i-1), min(n, i+2)))",
    "sum(x[j] for i in range(n) for j in range(i, n, 2))",
    "sum(x[j] for i in range(n) for j in range(i, -1, -1))",
    "sum(x[j]*i for i in range(n) for j in range(i, 0, -2))",
    "sum(1/(x[i]-x[j])**2 for i in range(n) for j in range(i))",
    "sum(1/sum((P[i,k]-P[j,k])**2 for k in range(3))**3 for i in range(n) for j in range(i))",
    "sum(1/norm(P[i]-P[j])**6 for i in range(n) for j in range(i+1, n))",
    # Conditions.
    "sum(x[i]*x[j] for i in range(n) for j in range(n) if i != j)",
    "sum(1/(x[i]-x[j]) for i in range(n) for j in range(n) if i < j)",
    "sum(x[i]*x[j] for i in range(n) if i > 1 for j in range(i) if i + j < 5 and j > 0)",
    "sum(x[i+1] for i in range(n) if i + 1 < n)",
    "sum(x[i+1] for i in range(n) if i + 1 < n and x[i+1] > 0)",
    "sum(sqrt(x[i]) for i in range(n) if x[i] > 0)",
    "sum(x[i] for i in range(n) if i % 2 == 0)",
    "sum(x[i]*j for i in range(n) for j in range(m) if x[i] > y[j] or i == j)",
    "sum(x[i] for i in range(n) if not x[i] < c)",
    "sum(x[i]*x[j] for i in range(n) for j in range(n) if 0 < i - j <= 2)",
    "sum(x[idx[i]] for i in range(n) if idx[i] > 0)",
    "sum(x[2*i] for i in range(n) if 2*i < n)",
    "sum(x[i+j]*y[j] for i in range(n) for j in range(m) if i + j < n)",
    "sum(x[i*i] for i in range(n) if i < 3)",
    "sum((x[i+1] if i + 1 < n else 0)*x[i] for i in range(n))",
    "sum((x[i+j] if i + j < n else y[j])*x[i] for i in range(n) for j in range(m))",
    "sum((x[i+1] if i < n - 1 and x[i] > 0 else x[i-1]) for i in range(n))",
    "sum((x[idx[i] + 3] if idx[i] < 3 else 0) for i in range(n))",
    "sum((x[i-7] if i >= 7 else c) for i in range(n))",
    "sum((S[i-8, 2*i] if 2 <= i < 3 else S[i, 0] if i != 2 else c) for i in range(n))",
    # Around the end.
    "sum(x[i]*x[i-1] for i in range(n))",
    "sum(x[i]*x[(i+1) % n] for i in range(n))",
    "sum(S[(i+1) % n, j]*S[i, (j-1) % n] for i in range(n) for j in range(n))",
    "sum(x[(i+3) % n]*x[(i-2) % n] for i in range(n))",
    "sum(x[i % 2] for i in range(n))",
    "sum(x[i//2] for i in range(n))",
    "sum(x[(i*j) % n] for i in range(n) for j in range(n))",
    # Computed places.
    "sum(x[idx[i]] for i in range(n))",
    "sum(P[idx[i],j]*y[j] for i in range(n) for j in range(3))",
    "sum(P[idx[i]][0]*A[i,j] for i in range(n) for j in range(m))",
    "sum(S[idx[i],idx[j]] for i in range(n) for j in range(n))",
    "sum(S[i,idx[i]] for i in range(n))",
    "sum(S[idx[i],i] for i in range(n))",
    "sum(x[nbr[i,j]]*y[i] for i in range(m) for j in range(3))",
    "sum(sum(x[nbr[i]]) for i in range(m))",
    "sum(dot(x[nbr[i]], P[i]) for i in range(m))",
    "sum(T[i,idx[j] % m,j % 3] for i in range(n) for j in range(n))",
    "sum(x[k]*y[i] for i in range(m))",
    "sum(x[k+i-1]*y[i] for i in range(m))",
    "sum(x[abs(i-j)] for i in range(n) for j in range(n))",
    "sum(x[max(i, j)]*y[min(j, 2)] for i in range(n) for j in range(m))",
    # Sums within sums.
    "sum(x[i]*sum(S[i,j]*x[j] for j in range(n)) for i in range(n))",
    "sum(sum(x[j] for j in range(i))**2 for i in range(n))",
    "sum(exp(sum(A[i,j] for j in range(m) if i != j)) for i in range(n))",
    "sum(x[i]*x[i] for i in range(n))/sum(y[i]*y[i] for i in range(m))",
    "sum(sum(sum(T[i,j,k]*x[i] for k in range(3))*y[j] for j in range(m))**2 for i in range(n))",
    "sum(max(A[i,j] for j in range(m)) for i in range(n))",
    "sum(len(A[i]) for i in range(n))",
    # Rows.
    "sum(A[i] for i in range(n))",
    "sum(A[i]*x[i] for i in range(n))",
    "sum(A[i] + B[:,i] for i in range(n))",
    "sum(A[i,:]*y for i in range(n) if i > 2)",
    "sum(A[i] @ y for i in range(n))",
    "sum(S[i] @ S[:,j] for i in range(n) for j in range(n))",
    "sum((A @ B)[i,i] for i in range(n))",
    "sum(S[i].T[j] for i in range(n) for j in range(n))",
    "sum(v**2 for v in x)",
    "sum(v @ w for v in P for w in P)",
    "sum(row[0]*v for row in A for v in y)",
    "sum(x[i:i+3] @ P[i] for i in range(n-2))",
    "sum(S[i:i+2, j:j+3][0] for i in range(n-1) for j in range(n-2))",
    "sum(A[i][None,:] * P[i][:,None] for i in range(n))",
    "sum([x[i], 1, i][0] for i in range(n))",
    "sum(dot([x[i], c], [i, 2]) for i in range(n))",
    "sum((A[i] if x[i] > 0 else y)[1] for i in range(n))",
    "sum(where(A[i] > y, A[i], y)[0] for i in range(n))",
    # Products and extremes.
    "prod(x[i] for i in range(n))",
    "prod(x[i]*y[j] for i in range(n) for j in range(m) if i > j)",
    "max(x[i]*y[j] for i in range(n) for j in range(m))",
    "min(S[i,j] for i in range(n) for j in range(i))",
    "prod(x[i] for i in range(n) for j in range(3))",
    "prod((i + 2) * j for i in range(2) for j in range(1, 3) for k in range(2)) * x[0]",
    # Terms that are infinite where outer loops do not count them.
    "sum(sum(1/(x[i]-x[j]) for k in range(3)) for i in range(n) for j in range(i))",
    "sum(sum(1/(x[i]-x[j])**k for k in range(3)) for i in range(n) for j in range(n) if i != j)",
    # Nothing to sum.
    "sum(x[i] for i in range(0)) + c",
    "sum(x[i+1] for i in range(3, 2)) + c",
    "sum(x[i]*y[j] for i in range(n) for j in range(i, 0)) + c",
    "sum(x[i] for i in range(n) if i > n) + c",
    "sum(x[i]*x[j] for i in range(1) for j in range(i+1, 1)) + c",
]


@pytest.mark.parametrize("text", MEANS_WHAT_PYTHON_MEANS)
def test_means_what_python_means(text: str) -> None:
    expected = eval(text, {"__builtins__": {}, **PYTHON, **ARRAYS})
    result = value(text)
    assert np.shape(result) == np.shape(expected)
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-13)


SCALARS = [
    text
    for text in MEANS_WHAT_PYTHON_MEANS
    if np.shape(eval(text, {"__builtins__": {}, **PYTHON, **ARRAYS})) == ()
    and any(_named(name, text) for name in "xyABSPT")
]


@pytest.mark.parametrize("text", SCALARS)
def test_gradient(text: str) -> None:
    fn = read(text)
    wrt = [i for i, p in enumerate(fn.params) if p.type.dtype.kind == "f"]
    point = [ARRAYS[name] for name in fn.param_names]
    gradient = autodiff.gradient(fn, wrt, False)
    verify(gradient)
    found = interpret(gradient, point)
    assert all(np.all(np.isfinite(g)) for g in found)
    # Along a random direction, by central differences.
    direction = [RNG.normal(size=np.shape(point[i])) for i in wrt]

    def at(step: float) -> float:
        moved = list(point)
        for i, d in zip(wrt, direction, strict=True):
            moved[i] = point[i] + step * d
        return interpret(fn, moved)[0]

    expected = (at(1e-6) - at(-1e-6)) / 2e-6
    along = sum(np.sum(g * d) for g, d in zip(found, direction, strict=True))
    scale = max(1.0, *(float(np.max(np.abs(g), initial=0.0)) for g in found))
    assert abs(along - expected) < 1e-6 * scale


@pytest.mark.parametrize(
    "text",
    [
        "sum(100*(x[i+1]-x[i]**2)**2 + (1-x[i])**2 for i in range(n-1))",
        "sum(1/norm(P[i]-P[j])**6 for i in range(n) for j in range(i+1, n))",
        "sum(x[i]*x[(i+1) % n]*x[i-1] for i in range(n))",
        "sum(x[idx[i]]*x[i] for i in range(n))",
        "sum(x[i+j]*x[j] for i in range(n) for j in range(n-i) if i % 3 != j)",
    ],
)
def test_nothing_is_unrolled(text: str) -> None:
    source = f"def f(x: f64[n], P: f64[n,3], idx: i64[n]): {text}"

    def names(n: int) -> list[str]:
        types = {"x": ("f64", (n,)), "P": ("f64", (n, 3)), "idx": ("i64", (n,))}
        args = {name: Type(dtype_named(d), shape) for name, (d, shape) in types.items()}
        return operations(parse_text(source, args))

    assert names(7) == names(1_000_000)


def test_shifted_indices_are_slices() -> None:
    fn = read("sum(100*(x[i+1]-x[i]**2)**2 + (1-x[i])**2 for i in range(n-1))")
    assert set(operations(fn)) == {
        "param", "const", "slice", "pow", "sub", "mul", "add", "reduce_sum"
    }  # fmt: skip


def test_a_triangle_is_masked_right_below_the_sum() -> None:
    fn = read("sum(x[i]*x[j] for i in range(n) for j in range(i))")
    (total,) = fn.outputs
    (masked,) = total.args
    condition, _, zero = masked.args
    assert (total.op.name, masked.op.name, condition.op.name) == ("reduce_sum", "where", "le")
    assert [side.op.name for side in condition.args] == ["iota", "iota"]
    assert zero.literal is not None
    assert zero.literal.scalar == 0.0
    assert print_function(fn).splitlines()[1:3] == [
        "  %0: f64[5] = slice %x {shape=[5], start=[1], step=[1]}",  # i = 0 has no j
        "  %1: f64[5] = slice %x {shape=[5], start=[0], step=[1]}",
    ]


def test_wrapping_indices_are_slices() -> None:
    assert "gather" not in operations(read("sum(x[i]*x[(i+1) % n]*x[i-2] for i in range(n))"))


def test_indices_that_a_choice_keeps_in_range_are_slices() -> None:
    fn = read("sum((x[i+1] if i + 1 < n else 0)*x[i] for i in range(n))")
    assert "gather" not in operations(fn)
    assert "embed" in operations(fn)


def test_integers_and_precisions() -> None:
    types = {"x": Type(dtype_named("f32"), (3,)), "k": Type(dtype_named("i64"), (3,))}
    for text, dtype in [
        ("sum(i*x[i]/2 + 0.5 for i in range(3))", "f32"),
        ("sum(i*k[i] for i in range(3))", "i64"),
        ("sum(k[i]/2 for i in range(3))", "f64"),
        ("sum(k[i]*x[i] for i in range(3))", "f64"),
        ("sum(x[k[i] % 3] for i in range(3))", "f32"),
        ("sum(x[i] > 0 for i in range(3))", "f32"),
    ]:
        (output,) = parse_text(text, types).outputs
        assert str(output.type) == dtype, text


def test_parameters_come_in_order_of_the_text() -> None:
    fn = parse_text("sum(a*i + d for i in range(9) if i < c and b > i) + e")
    assert fn.param_names == ("a", "d", "c", "b", "e")
    assert parse_text("sum(i for i in range(3)) + i").param_names == ("i",)
    (result,) = interpret(parse_text("i = 2; sum(i for i in range(4))*i"), [])
    assert result == 12


def test_declared_parameters_keep_their_order() -> None:
    text = "sum(A[i] if x[i] > y[i] else 0 for i in range(n) if x[i] > 0)"
    fn = parse_text(f"def f(A: f64[3], y: f64[3], x: f64[3]):\n    n = 3\n    return {text}")
    assert fn.param_names == ("A", "y", "x")


def test_deep_sums() -> None:
    text = "x"
    for level in range(40):
        text = f"sum({text}*i{level} for i{level} in range(2))"
    (result,) = interpret(parse_text(text), [0.5])
    assert result == 0.5
    nested = "sum(" * 2000 + "x" + " for i in range(1))" * 2000
    (result,) = interpret(parse_text(nested), [0.5])
    assert result == 0.5


@pytest.mark.parametrize(
    ("text", "spot", "part"),
    [
        (
            "sum(x[i+1] for i in range(n))",
            "i+1]",
            "i+1 is 6 for i = 5, out of range for an axis of 6",
        ),
        ("sum(x[i] for i in range(7))", "i]", ": i = 6, out of range for an axis of 6"),
        ("sum(x[i-7] for i in range(n))", "i-7]", "i-7 is -7 for i = 0"),
        ("sum(x[i] for i in range(N))", "N)", "an extent is len(x)"),
        ("sum(x[2*i] for i in range(n))", "2*i]", "2*i is 6 for i = 3"),
        ("sum(x[i+j] for i in range(n) for j in range(2))", "i+j]", "i+j is 6 for i = 5, j = 1"),
        ("sum(x[i]*x[j+1] for i in range(n) for j in range(i+1))", "j+1]", "j+1 is 6 for j = 5"),
        ("sum(x[i+j] for i in range(n) for j in range(i))", "i+j]", "out of range"),
        ("sum(A[i,j] for i in range(n) for j in range(n))", "j] for", "axis of 4"),
        ("sum(x[i:i+3] @ y[0:3] for i in range(n))", "i:i+3", "i+2 is 7 for i = 5"),
        ("sum(x[i] for i in range(c))", "c))", "whole numbers that shapes tell"),
        ("sum(x[i] for i in range(k))", "k))", "whole numbers that shapes tell"),
        ("sum(x[i] for i in range(2.5))", "2.5", "whole numbers that shapes tell"),
        ("sum(x[i] for i in range(0, n, k))", "k))", "step"),
        ("sum(x[i] for i in range(0, n, 0))", "0))", "step"),
        ("sum(x[i] for i in range())", "range()", "range takes 1 to 3 arguments, not 0"),
        (
            "sum(x[j] for i in range(n) for j in range(i*i))",
            "i*i",
            "sums of such with outer indices",
        ),
        ("sum(x[i] for i in 3)", "3)", "an index runs over a range"),
        (
            "sum(x[i] for i in range(n) for i in range(m))",
            "for i in range(m",
            "two indices are called i",
        ),
        ("sum(x[i/2] for i in range(n))", "i/2", "a whole number, not a real one"),
        ("sum(x[c] for i in range(n))", "c]", "a whole number, not a real one"),
        ("sum(x[i:2*i] @ y for i in range(n))", "i:2*i", "length of this slice changes"),
        ("sum(x[i] if i for i in range(n))", "if i", "`if` without `else`"),
        ("sum(x[i] for i in range(n) if i)", "i)", "`if` needs a condition"),
        ("sum(x[i], 2 for i in range(n))", "for i in", "the only argument"),
        ("sum(x[i] for i in range(n), 2)", ", 2)", "the only argument"),
        ("sum(x[i] for i, j in range(n))", ", j", "expected `in`"),
        ("sum(x[i] for 2 in range(n))", "2 in", "name of an index"),
        ("(x[i] for i in range(n))", "for", "only in the call of a function"),
        ("[x[i] for i in range(n)]", "for", "only in the call of a function"),
        ("norm(x[i] for i in range(n))", "norm", "norm of a generator"),
        ("max(x[i] for i in range(0))", "max", "max of no terms"),
        ("range(n)", "range", "after `in`"),
    ],
)
def test_refused(text: str, spot: str, part: str) -> None:
    with pytest.raises(ParseError) as caught:
        read(text)
    assert part in str(caught.value)
    assert caught.value.line == 3
    assert f"    {text}"[caught.value.column - 1 :].startswith(spot)
    assert caught.value.hint
