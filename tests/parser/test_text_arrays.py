"""Arrays in text: what NumPy makes of the same expressions; shapes with symbols; refusals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from symdiff.errors import NeedsShapes, ParseError, ShapeError, ShapeParseError
from symdiff.ir import Branch, Function, Type, dtype_named, interpret, parse_type, verify
from symdiff.parser.text import declared_types, parse_text, read_type

RNG = np.random.default_rng(7)
ARRAYS: dict[str, Any] = {
    "x": RNG.normal(size=4),
    "y": RNG.normal(size=3),
    "W": RNG.normal(size=(3, 4)),
    "S": RNG.normal(size=(4, 4)),
    "T": RNG.normal(size=(2, 3, 4)),
    "idx": np.array([3, 0, 2, -1, 1]),
    "k": np.array(2),
    "b": np.array([True, False, True, False]),
    "s": np.array(0.75),
    "g": RNG.normal(size=4).astype("f4"),
}


def _logsumexp(x: Any, axis: Any = None) -> Any:
    return np.log(np.sum(np.exp(x), axis=axis))


def _softmax(x: Any, axis: Any = None) -> Any:
    return np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)


NAMES = [
    "sin", "tanh", "exp", "log", "sqrt", "where", "sum", "mean", "prod", "var", "std", "argmax",
    "argmin", "cumsum", "dot", "matmul", "einsum", "outer", "trace", "diagonal", "tril", "triu",
    "stack", "concatenate", "pad", "flip", "reshape", "transpose", "swapaxes", "moveaxis",
    "squeeze", "expand_dims", "ravel", "broadcast_to", "take", "roll", "repeat", "tile", "clip",
    "diag", "shape", "maximum", "vstack", "hstack", "inner", "kron", "tensordot", "cross", "any",
    "all", "size", "abs",
]  # fmt: skip
NUMPY: dict[str, Any] = {
    **{name: getattr(np, name) for name in NAMES},
    "norm": np.linalg.norm, "logsumexp": _logsumexp, "softmax": _softmax, "len": len,
    "max": np.max, "min": np.min, "ndim": np.ndim,
}  # fmt: skip


def types_of(*names: str) -> dict[str, Type]:
    return {n: Type(dtype_named(ARRAYS[n].dtype), ARRAYS[n].shape) for n in names}


def read(text: str) -> Function:
    words = "".join(c if c.isalnum() or c == '"' else " " for c in text).split()
    fn = parse_text(text, types_of(*(n for n in ARRAYS if n in words)))
    verify(fn)
    return fn


def value(text: str) -> Any:
    fn = read(text)
    results = interpret(fn, [ARRAYS[n] for n in fn.param_names])
    return results[0] if len(results) == 1 else results


@pytest.mark.parametrize(
    "text",
    [
        "x", "W @ x", "tanh(W @ x) @ y", "y @ W", "x @ x", "T @ x", "W.T @ y", "T.T[0]",
        "-x + 2*x**2/3 - 1", "x*s + s", "W + x", "W*y[:, None]", "W[None] + T", "x // 2 % 0.3",
        "x[0]", "x[-1]", "W[1, -2]", "W[1]", "W[:, 1]", "W[..., 1]", "W[1, ...]", "W[...]",
        "x[1:3]", "x[::-1]", "x[::2]", "x[3:0:-2]", "x[-3:]", "x[:-1]", "x[5:9]", "x[None, :2]",
        "T[1, :, ::2]", "T[:, None, 1:, -1]", "T[..., None, 0]", "x[len(x) - 2]",
        "x[idx]", "W[idx % 3]", "W[:, idx]", "T[0, :, idx]", "T[:, idx % 3, idx]", "T[1, idx % 3]",
        "W[idx % 3, 0]", "W[idx[:3] % 3, idx[None, :3]]", "x[[0, 2, -1]]", "x[[[0, 1], [2, 3]]]",
        "x[k]", "W[k, k]", "x[k - 1]", "x[idx[0]]", "x[2:][0]",
        "where(x > 0, x, 0)", "where(b, x, g)", "maximum(x, 0.5)", "clip(x, -0.5, 0.5)",
        "sin(x)*exp(-x**2)", "abs(x)", "1/(1 + exp(-W))", "(x > 0) & b", "~b", "x > s", "x == x",
        "sum(x)", "sum(W, axis=0)", "sum(W, 1)", "sum(W, axis=(0, 1))", "sum(W, axis=-1)",
        "sum(W, axis=None)", "sum(T, axis=(0, 2), keepdims=True)", "mean(W, axis=1)", "max(x)",
        "min(W, axis=0)", "prod(x)", "var(x)", "std(W, axis=0)", "var(x, ddof=1)", "argmax(x)",
        "argmin(W, axis=1)", "cumsum(x)", "cumsum(W, axis=0)", "norm(x)", "norm(W)", "norm(x, 1)",
        "norm(W, axis=1)", "dot(x, x)", "dot(W, x)", "matmul(W, x)", "outer(x, y)", "trace(S)",
        'einsum("ij,j->i", W, x)', "einsum('ij,jk,k->i', W, S, x)", 'einsum("ii", S)',
        "diagonal(S)", "diag(x)", "tril(S)", "triu(S, 1)", "stack([x, x*2])", "stack((x, x), 1)",
        "concatenate([x, y])", "concatenate((W, W), axis=1)", "pad(x, 1)", "pad(x, (1, 2))",
        "pad(W, ((1, 0), (0, 2)))", "flip(x)", "flip(W, axis=0)", "reshape(W, (4, 3))",
        "reshape(W, -1)", "reshape(W, (len(x), -1))", "transpose(T, (2, 0, 1))", "ravel(W)",
        "swapaxes(T, 0, 2)", "moveaxis(T, 0, -1)", "expand_dims(x, 0)", "squeeze(x[None])",
        "broadcast_to(x, (2, 4))", "take(x, idx)", "take(W, [0, 2], axis=1)", "roll(x, 1)",
        "repeat(x, 2)", "tile(x, 2)", "logsumexp(x)", "softmax(x)", "softmax(W, axis=1)",
        "inner(x, x)", "kron(x, y)", "tensordot(W, S, 1)", "cross(y, y*2 + 1)", "any(b)", "all(b)",
        "len(W) + x", "shape(W)[1]*x", "size(T)*x", "ndim(T) + x", "shape(T)[-1] + s",
        "g*2", "g/3 + 1", "g*s", "g + x", "idx*2", "idx + 0.5", "idx // 2", "idx % 3", "idx**2",
        "-idx", "idx/2", "g*idx[:4]", "sum(idx)", "sum(b)",
        "sum((W @ x - y)**2)/len(y)", "log(sum(exp(x - max(x)))) + max(x)",
    ],
)  # fmt: skip
def test_means_what_numpy_means(text: str) -> None:
    expected = np.asarray(eval(text, {"__builtins__": {}, **NUMPY, **ARRAYS}))
    result = np.asarray(value(text))
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(result, expected, rtol=1e-6 if "g" in text else 1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[s, 2, s**2]", [0.75, 2, 0.5625]),
        ("[[1, 2], [3, 4]] @ [s, 1]", [2.75, 6.25]),
        ("[[s, 0], [1, -s]]", [[0.75, 0], [1, -0.75]]),
        ("[x[:2], y[:2]].T[0]", [ARRAYS["x"][0], ARRAYS["y"][0]]),
        ("w = [1, 2, s]\nw*w", [1, 4, 0.5625]),
        ("i = [0, 2]; x[i]", ARRAYS["x"][[0, 2]]),
        ("i = 2; x[i - 1]", ARRAYS["x"][1]),
        ("a = W @ x; b = a*a; sum(b) + a[0]", None),
        ("x if s > 0 else -x", ARRAYS["x"]),
        ("x if b else 0", ARRAYS["x"] * ARRAYS["b"]),
        ("x if x > 0 else s if x > -1 else x**2", None),
        ("Piecewise((x, x > 0), (s, True))", np.where(ARRAYS["x"] > 0, ARRAYS["x"], 0.75)),
        ("sum(x > 0)", (ARRAYS["x"] > 0).sum()),
        ("max(x, s)", np.maximum(ARRAYS["x"], 0.75)),
        ("max([s, 1, 2])", 2),
        ("0 < x < 1", (ARRAYS["x"] > 0) & (ARRAYS["x"] < 1)),
        ("not (x > 0)", ARRAYS["x"] <= 0),
        ("x > 0 and x < 1", (ARRAYS["x"] > 0) & (ARRAYS["x"] < 1)),
        ("x += 1; x @ x", ((ARRAYS["x"] + 1) ** 2).sum()),
    ],
)
def test_value(text: str, expected: Any) -> None:
    result = value(text)
    if expected is not None:
        np.testing.assert_allclose(result, expected, rtol=1e-15)


def test_constant_lists_are_constants() -> None:
    assert [v.op.name for v in read("[[1, 2], [3, 4]] @ [5, 6]").live()] == [
        "const", "const", "contract"
    ]  # fmt: skip
    assert str(
        parse_text("[1, 2]*x", types_of("g") | {"x": parse_type("f32[2]")}).outputs[0].type
    ) == ("f32[2]")


def test_several_results() -> None:
    fn = read("W @ x, s")
    assert isinstance(fn.result, Branch)
    assert [str(o.type) for o in fn.outputs] == ["f64[3]", "f64"]


# Symbols for extents.

MODEL = """
def model(W: f64[m,n], b: f64[m], x: f64[n], scale) -> f64[m]:
    h = tanh(W @ x + b)
    return scale*h*m/n
"""


def test_symbols_are_bound_by_types() -> None:
    args = {
        "W": Type(dtype_named("f64"), (3, 4)),
        "b": parse_type("f64[3]"),
        "x": parse_type("f64[4]"),
    }
    for fn in (parse_text(MODEL, args), parse_text(MODEL, shapes=args)):
        assert (fn.name, fn.param_names) == ("model", ("W", "b", "x", "scale"))
        assert [str(p.type) for p in fn.params] == ["f64[3,4]", "f64[3]", "f64[4]", "f64"]
        assert str(fn.outputs[0].type) == "f64[3]"
    # The shapes of some parameters may say all that there is to know.
    fn = parse_text(MODEL, shapes={"W": args["W"]})
    assert [str(p.type) for p in fn.params] == ["f64[3,4]", "f64[3]", "f64[4]", "f64"]


def test_symbols_in_args() -> None:
    args = {"x": read_type("f64[n]"), "c": read_type("f64")}
    assert declared_types("sum(c*x[i]**i for i in range(n))", args) == args
    fn = parse_text("sum(c*x[i]**i for i in range(n))", args, shapes={"x": parse_type("f64[5]")})
    (result,) = interpret(fn, [np.full(5, 2.0), 3.0])
    assert result == 3 * 31


def test_declared_types() -> None:
    declared = declared_types(MODEL)
    assert declared is not None
    assert {n: str(t) for n, t in declared.items()} == {
        "W": "f64[m,n]", "b": "f64[m]", "x": "f64[n]", "scale": "f64"
    }  # fmt: skip
    assert declared_types("x + y") is None


def test_symbols_need_shapes() -> None:
    with pytest.raises(NeedsShapes, match=r"model has .* W: f64\[m,n\], b: f64\[m\], x: f64\[n\]"):
        parse_text(MODEL)
    with pytest.raises(NeedsShapes, match=r"W: f64\[m,n\], x: f64\[n\]"):
        parse_text(MODEL, shapes={"b": parse_type("f64[3]")})


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"W": "f64[3,4]", "x": "f64[3]"}, "n is 4 in W: f64[m,n], but 3 in x: f64[n], axis 0"),
        ({"W": "f64[3,4]", "b": "f64[4]"}, "m is 3 in W: f64[m,n], but 4 in b: f64[m], axis 0"),
        ({"W": "f64[3]"}, "W is declared f64[m,n], got f64[3]"),
        ({"x": "f64"}, "x is declared f64[n], got f64"),
    ],
)
def test_shapes_that_do_not_fit(shapes: dict[str, str], message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        parse_text(MODEL, shapes={n: parse_type(t) for n, t in shapes.items()})
    assert message in str(caught.value)


def test_declared_extents_are_checked() -> None:
    with pytest.raises(ShapeError, match=r"x is declared f64\[3\], got f64\[4\]"):
        parse_text("def f(x: f64[3]): x", {"x": parse_type("f64[4]")})
    with pytest.raises(ParseError, match="n is a parameter, and an extent"):
        parse_text("def f(x: f64[n], n): x")
    with pytest.raises(ParseError, match=r"the result is f64\[4\], declared f64\[m\]"):
        parse_text("def f(W: f64[m,n]) -> f64[m]: W[0]", {"W": parse_type("f64[3,4]")})


def test_read_type() -> None:
    assert read_type("f64[3, 4]") == parse_type("f64[3,4]")
    assert str(read_type(" float32[n, 3 ,m]")) == "f32[n,3,m]"
    for text in ("f64[n", "f64[n+1]", "f64[]", "f65[n]", "f64[2n]", "f64[n,,m]", "[n]"):
        with pytest.raises(ShapeError):
            read_type(text)


# Refusals.


@pytest.mark.parametrize(
    ("text", "spot", "part"),
    [
        ("x[4]", "4]", "the index 4, out of range for an axis of 4"),
        ("x[-5]", "-5]", "out of range"),
        ("x[[0, 4]]", "[0, 4]", "the index 4"),
        ("x[1, 2]", "2]", "2 subscripts for an array of 1 axes, f64[4]"),
        ("W[..., ...]", "...]", "`...` stands twice"),
        ("x[s]", "s]", "a whole number, not a real one"),
        ("x[1.5]", "1.5", "a whole number, not a real one"),
        ("x[x > 0]", "x > 0", "selected from by conditions"),
        ("x[s:]", "s:", "bounds of a slice are whole numbers"),
        ("x[::0]", "::0", "the step of this slice"),
        ("x[1:2:3:4]", ":4", "at most start, stop and step"),
        ("x[]", "]", "nothing between the brackets"),
        ("x[0", "[0", "`[` is never closed"),
        ("x[0)", ")", "the `[` at line 1, column 2 is closed by `]`"),
        ("x]", "]", "closes no bracket"),
        ("[]", "]", "nothing between the brackets"),
        ("s[0]", "[0]", "`s` is a number and has no elements"),
        ("(s*2)[0]", "[0]", "this is a number and has no elements"),
        ("x[0] = 2; x", "x[0]", "arrays do not change"),
        ("x.shape", ".shape", "write len(x)"),
        ("x.sum()", ".sum", "sin(x)"),
        ("x.T(2)", "(2)", "an operator is missing"),
        ("np.sum(x)", ".sum", "sin(x)"),
        ("[[1, 2], [3]]", "[3]", "rows of different lengths"),
        ("[1, [2, 3]]", "[2, 3]", "rows of different lengths"),
        ("[[2, 3], 1]", "1]", "numbers beside rows"),
        ("[x, y]", "y]", "different shapes, (4,) and (3,)"),
        ("[x, s]", "s]", "different shapes, (4,) and ()"),
        ("(x, y)[2]", "2]", "no such element of a tuple of 2"),
        ("shape(W)[2]", "2]", "no such element of a tuple of 2"),
        ("sum(W, axis=s)", "s)", "has to be a constant"),
        ("sum(W, axes=0)", "sum", "unexpected keyword argument 'axes'"),
        ("sum(W, axis=0, axis=1)", "1)", "axis is given twice"),
        ("sum(axis=0, W)", "W)", "without a name after one with a name"),
        ("sum()", "sum()", "missing a required argument"),
        ("sin(x, axis=0)", "axis=0", "sin takes no argument called axis"),
        ("einsum(W, x)", "einsum", "einsum"),
        ("sum('x')", "'x'", "no quoted text"),
        ("norm(s)", "s)", "norm takes an array, `s` is a number"),
        ("len(s)", "s)", "len takes an array, `s` is a number"),
        ("s @ x", "s @", "`@` takes arrays, `s` is a number"),
        ("concatenate(s)", "s)", "takes several arrays"),
        ("softmx(x)", "softmx", "did you mean softmax?"),
        ("x[...] + ...", "...", "x[..., 0]"),
        ("x and b", "x and", "needs a condition"),
        ("sin(None)", "None", "`None` stands in the subscripts"),
    ],
)  # fmt: skip
def test_refused(text: str, spot: str, part: str) -> None:
    with pytest.raises(ParseError) as caught:
        read(text)
    assert part in str(caught.value)
    assert text[caught.value.column - 1 :].startswith(spot)
    assert caught.value.hint
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "column", "parts"),
    [
        ("s + (x + y)", 5, ("add", "(4,)", "(3,)")),
        ("1 + W @ y", 5, ("matmul", "f64[3,4]", "f64[3]")),
        ("einsum('ij,j->i', W, y)", 1, ("einsum", "f64[3,4]", "f64[3]")),
        ("sum(W, axis=2)", 1, ("sum", "axis 2", "f64[3,4]")),
        ("concatenate([x, W])", 1, ("concatenate",)),
        ("reshape(x, (3, 2))", 1, ("reshape", "f64[4]", "(3, 2)")),
        ("x if b else y", 1, ("where", "(4,)", "(3,)")),
        ("x < y", 1, ("lt", "(4,)", "(3,)")),
        ("(x > 0) & (y > 0)", 1, ("(4,)", "(3,)")),
        ("W[idx % 3, idx[:2]]", 1, ("subscripts", "(5,)", "(2,)")),
    ],
)
def test_shapes_of_operands(text: str, column: int, parts: tuple[str, ...]) -> None:
    with pytest.raises(ShapeParseError) as caught:
        read(text)
    assert all(part in str(caught.value) for part in parts), str(caught.value)
    assert (caught.value.line, caught.value.column) == (1, column)
    assert isinstance(caught.value, (ShapeError, ParseError))
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (ShapeParseError, str(caught.value))


DEEP = {
    "subscripts": "x" + "[None]" * 2000,
    "lists": "[" * 100_000 + "1" + "]" * 100_000,
    "lists of values": "[" * 100_000 + "s" + "]" * 100_000,
    "transposes": "x" + ".T" * 20_000,
    "products": "x" + " @ S" * 3000,
    "calls": "sum(" * 20_000 + "x" + ")" * 20_000,
    "keywords": "sum(x, axis=" * 20_000 + "0" + ")" * 20_000,
    "generators": "sum(" * 20_000 + "x[i]" + " for i in range(1))" * 20_000,
    "brackets": "x[" * 20_000 + "0" + "]" * 20_000,
    "a long list": f"[{', '.join(['s'] * 20_000)}]",
    "a long slice": "x" + "[::-1]" * 20_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_and_long(text: str) -> None:
    try:
        read(text)
    except ParseError as error:
        assert len(str(error)) < 600  # noqa: PT017 -- either is fine, a crash is not
