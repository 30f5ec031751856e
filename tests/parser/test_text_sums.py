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
    "sum([x[i], c] @ [i, 2] for i in range(n))",
    "sum((A[i] if x[i] > 0 else y)[1] for i in range(n))",
    "sum(where(A[i] > y, A[i], y)[0] for i in range(n))",
    # Products and extremes.
    "prod(x[i] for i in range(n))",
    "prod(x[i]*y[j] for i in range(n) for j in range(m) if i > j)",
    "max(x[i]*y[j] for i in range(n) for j in range(m))",
    "min(S[i,j] for i in range(n) for j in range(i))",
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


@pytest.mark.parametrize(
    "text", [t for t in MEANS_WHAT_PYTHON_MEANS if "x" in t and ".T" not in t][::2]
)
def test_derivative_of_a_sum(text: str) -> None:
    fn = read(f"total = {text}; sum(total*total) if {int('A[i]' in text)} else total*c + c*c")
    if not fn.outputs[0].type == Type(dtype_named("f64")):
        pytest.skip("the text is of an array")

