"""Array functions: the values, shapes and dtypes of NumPy, and derivatives that are right."""

# Functions taken from NumPy and from symdiff by name have no types that pyright could tell.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

# The lambdas in loops are called at once.
# ruff: noqa: B023

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special

from symdiff import autodiff
from symdiff.errors import ArgumentError, IndexRangeError, ShapeError, UnsupportedError
from symdiff.ir import Function, Graph, Type, Value, dtype_named, interpret, verify
from symdiff.ops import arrays

RNG = np.random.default_rng(7)
CUBE = RNG.normal(size=(3, 4, 5))
MATRIX = RNG.normal(size=(4, 6))
VECTOR = RNG.normal(size=5)
HALF: Any = 0.5  # no axis, and no extent
SHAPES: list[tuple[int, ...]] = [(3, 4, 5), (1, 4, 1), (2, 3), (1,), (5,), (), (0, 3), (2, 0, 4)]


def traced(build: Callable[..., Any], *xs: Any) -> Function:
    graph = Graph()
    types = [Type(dtype_named(np.asarray(x).dtype), np.shape(x)) for x in xs]
    params = tuple(graph.param(f"x{i}", type) for i, type in enumerate(types))
    fn = Function("f", params, (build(*params),))
    verify(fn)
    return fn


def check(build: Callable[..., Any], numpy: Callable[..., Any], *xs: Any) -> None:
    """Value, shape and dtype are those that NumPy computes."""
    with np.errstate(all="ignore"):
        expected = np.asarray(numpy(*xs))
    (result,) = interpret(traced(build, *xs), xs)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    assert_allclose(result, expected, rtol=1e-6 if result.dtype == np.float32 else 1e-12)


def both(call: Callable[..., Any], *xs: Any) -> None:
    """`call(module, *xs)` for NumPy and for symdiff."""
    check(lambda *values: call(arrays, *values), lambda *values: call(np, *values), *xs)


def check_derivative(build: Callable[..., Any], *xs: Any) -> None:
    """Forward mode is the slope along a line; reverse mode is its adjoint."""
    fn = traced(build, *xs)
    wrt = range(len(xs))
    dxs = [RNG.normal(size=np.shape(x)) for x in xs]
    ybar = RNG.normal(size=fn.outputs[0].type.shape)
    _, slope = interpret(autodiff.jvp(fn, wrt), [*xs, *dxs])
    _, *pulled = interpret(autodiff.vjp(fn, wrt, bare=False), [*xs, ybar])
    step = 1e-5
    above, below = (
        interpret(fn, [x + s * step * dx for x, dx in zip(xs, dxs, strict=True)])[0]
        for s in (1, -1)
    )
    assert_allclose(slope, (above - below) / (2 * step), rtol=1e-6, atol=1e-7)
    backward = sum(np.vdot(a, b) for a, b in zip(pulled, dxs, strict=True))
    assert_allclose(np.vdot(ybar, slope), backward, rtol=1e-10, atol=1e-12)


def with_gradient(fn: Function, *xs: Any) -> list[Any]:
    """The output and, for ones as its cotangent, the cotangents of the parameters."""
    ones = np.ones(fn.outputs[0].type.shape)
    return interpret(autodiff.vjp(fn, range(len(xs)), bare=False), [*xs, ones])


# Indexing.

KEYS: list[Any] = [
    0, -1, (0, 1), (1, 2, 3), (slice(None, None, -1),), (..., 0), (None, ..., None, 2), (),
    (slice(1, 3), None, [0, 2]), ([0, 1], slice(None), [1, 2]), ([0, 1], [1, 2]), ..., None,
    (0, slice(None), [1, 2]), (slice(None), [[0, 1], [2, 3]], [[0], [1]]), CUBE > 0,
    (slice(None), np.array([True, False, True, True])), ([0], None, [1]), np.array([], int),
    (slice(5, 2),), (..., [0, 1, 3]), (..., [4, 2, 0]), (slice(None), slice(3, 0, -2), -1),
    (np.int64(2), np.array(1)), (slice(None), 1, [0, 1]), [], [[0, 1], [2, 2]], (..., CUBE[0] > 0),
    ([0, 0, 2, 0],), (slice(-100, 100), slice(100, -100, -1)), ([1, 1], ..., [0, 0]),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=lambda k: str(k)[:30].replace("\n", ""))
def test_indexing_and_its_updates(key: Any) -> None:
    def assigned(x: Any, value: Any) -> Any:
        x = x.copy()
        x[key] = value
        return x

    def added(x: Any, value: Any) -> Any:
        x = x.copy()
        np.add.at(x, key, value)
        return x

    part = CUBE[key]
    value = RNG.normal(size=part.shape)
    check(lambda x: arrays.getitem(x, key), lambda x: x[key], CUBE)
    check(lambda x, v: arrays.put(x, key, v), assigned, CUBE, value)
    check(lambda x, v: arrays.add_at(x, key, v), added, CUBE, value)
    check(lambda x: arrays.put(x, key, 7), lambda x: assigned(x, 7), CUBE)
    check(lambda x: arrays.put(x, key, 1), lambda x: assigned(x, 1), CUBE > 0.5)
    if part.size:
        check_derivative(lambda x: arrays.getitem(x, key), CUBE)
        check_derivative(lambda x, v: arrays.put(x, key, v), CUBE, value)


COMPUTED: list[Callable[[Any, Any], Any]] = [
    lambda i, j: i,
    lambda i, j: (i, j),
    lambda i, j: (i, slice(None), j),
    lambda i, j: (slice(None), j),
    lambda i, j: (i, j, slice(None, None, 2)),
    lambda i, j: (..., j),
    lambda i, j: (0, ..., j),
    lambda i, j: (i, None, j, [0, 1, 0, 1]),
    lambda i, j: (slice(2), j, 1),
]


@pytest.mark.parametrize("key", COMPUTED)
def test_computed_indices(key: Callable[[Any, Any], Any]) -> None:
    def assigned(x: Any, i: Any, j: Any, value: Any) -> Any:
        x = x.copy()
        x[key(i, j)] = value
        return x

    for i, j in [([0, 2, -1, 2], [1, 0, 3, 0]), ([1, -3, 0, 1], [2, 2, 2, 2])]:
        places = np.array(i), np.array(j, np.int32)
        check(lambda x, i, j: arrays.getitem(x, key(i, j)), lambda x, i, j: x[key(i, j)],
              CUBE, *places)  # fmt: skip
        value = RNG.normal(size=CUBE[key(*places)].shape)
        check(lambda x, i, j, v: arrays.put(x, key(i, j), v), assigned, CUBE, *places, value)


def test_take() -> None:
    both(lambda n, x: n.take(x, [0, 5, -1]), CUBE)
    both(lambda n, x: n.take(x, [[0, 1]], 2), CUBE)
    both(lambda n, x, i: n.take(x, i, 1), CUBE, np.array([[3, -4]]))
    order = np.argsort(CUBE, 1)
    both(lambda n, x: n.take_along_axis(x, order, 1), CUBE)
    both(lambda n, x, i: n.take_along_axis(x, i, 1), CUBE, order[:, :2])


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (3, IndexRangeError, r"index 3 is out of range for axis 0 of f64\[3,4,5\]"),
        ((0, 0, [0, -6]), IndexRangeError, "index -6 is out of range for axis 2"),
        ((0, 0, 0, 0), IndexRangeError, "indexed along 4 axes"),
        ((..., 0, ...), ShapeError, "more than one Ellipsis"),
        (1.0, ShapeError, "whole numbers"),
        ("a", UnsupportedError, "dtype"),
        (True, ShapeError, "whole numbers"),
        (np.ones((2, 4), bool), IndexRangeError, "a mask of shape"),
        (([0, 1], [0, 1, 2]), ShapeError, "indexing: the shapes"),
        (slice(0.5), ShapeError, "cannot be sliced"),
        (slice(None, None, 0), ShapeError, "cannot be sliced"),
        ([[1], [1, 2]], ShapeError, "different lengths"),
    ],
)
def test_keys_that_do_not_fit(key: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        traced(lambda x: arrays.getitem(x, key), CUBE)


# Reductions.

AXES: list[Any] = [None, 0, 1, -1, (0, 2), (-1, 0), ()]
REDUCTIONS = ["sum", "mean", "prod", "max", "min", "var", "std", "any", "all", "ptp"]


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_reductions(name: str, shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=shape)
    for axis in AXES:
        axes = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else [axis]
        known = {a % len(shape) for a in axes if -len(shape) <= a < len(shape)}
        if len(known) < len(axes) or (name == "ptp" and not axes):
            continue
        if name in ("max", "min", "ptp") and 0 in [shape[a] for a in axes]:
            with pytest.raises(ShapeError, match="has no elements along axis"):
                traced(lambda x, axis=axis: getattr(arrays, name)(x, axis), x)
            continue
        for keep in (False, True):

            def reduce(n: Any, x: Any, axis: Any = axis, keep: bool = keep) -> Any:
                return getattr(n, name)(x, axis=axis, keepdims=keep)

            with pytest.warns(RuntimeWarning) if _warns(name, shape, axes) else _quiet():
                both(reduce, x)


class _quiet:  # noqa: N801 - reads like contextlib.nullcontext
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


def _warns(name: str, shape: tuple[int, ...], axes: Any) -> bool:
    return name in ("mean", "var", "std") and 0 in [shape[a] for a in axes]


SMOOTH: list[Callable[[Any], Any]] = [
    arrays.sum, lambda x: arrays.mean(x, 1), lambda x: arrays.prod(x, (0, 2)), arrays.max,
    lambda x: arrays.min(x, -1), lambda x: arrays.var(x, 0, ddof=1), lambda x: arrays.std(x, 1),
    lambda x: arrays.cumsum(x, 1), lambda x: arrays.cumprod(x, 2), lambda x: arrays.diff(x, 2),
    lambda x: arrays.logsumexp(x, 1), lambda x: arrays.softmax(x, (0, 1)), arrays.log_softmax,
    lambda x: arrays.norm(x, axis=1), lambda x: arrays.norm(x, 3, 0), arrays.norm,
    lambda x: arrays.take(x, arrays.argmax(x), None), lambda x: arrays.norm(x, np.inf, 2),
    lambda x: arrays.norm(x, 1, (0, 1)),
    lambda x: arrays.average(x, 1, [1.0, 2.0, 3.0, 4.0]), lambda x: arrays.clip(x, -0.5, 0.5),
    lambda x: arrays.pad(x, 1, "reflect"), lambda x: arrays.pad(x, 1, constant_values=2),
    lambda x: arrays.tril(x), lambda x: arrays.diagonal(x, 1, 2, 0), lambda x: arrays.flip(x, 1),
    lambda x: arrays.roll(x, 2), lambda x: arrays.tile(x, (2, 1)), lambda x: arrays.repeat(x, 2, 1),
    lambda x: arrays.stack([x, x], 1), lambda x: arrays.moveaxis(x, 0, 2), arrays.transpose,
    lambda x: arrays.kron(x, x), lambda x: arrays.einsum("ijk,ilk->jl", x, x),
    lambda x: arrays.logsumexp(x, 1, b=[[0.5], [2.0], [1.0], [3.0]]), arrays.nan_to_num,
]  # fmt: skip


@pytest.mark.parametrize("build", SMOOTH)
def test_derivatives(build: Callable[[Any], Any]) -> None:
    check_derivative(build, CUBE)


def test_the_product_has_derivatives_at_zeros() -> None:
    x = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.0, 2.0, 4.0]])
    fn = traced(lambda x: arrays.prod(x, 1), x)
    _, result = with_gradient(fn, x)
    assert_allclose(result, [[6, 0, 0], [0, 0, 0], [8, 4, 2]])


@pytest.mark.parametrize("build", [arrays.norm, arrays.std, lambda x: arrays.norm(x, 3)])
def test_roots_have_derivative_zero_at_zero(build: Callable[[Any], Value]) -> None:
    x = np.zeros(4)
    fn = traced(build, x)
    value, gradient = with_gradient(fn, x)
    assert value == 0
    assert_allclose(gradient, np.zeros(4))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 2)], ids=str)
def test_exponentials(axis: Any) -> None:
    for x in (CUBE, CUBE * 1e3, np.where(CUBE > 0, -np.inf, CUBE), np.zeros((1, 1, 1))):
        check(lambda x: arrays.logsumexp(x, axis), lambda x: special.logsumexp(x, axis), x)
        check(lambda x: arrays.logsumexp(x, axis, keepdims=True),
              lambda x: special.logsumexp(x, axis, keepdims=True), x)  # fmt: skip
        if np.isfinite(x).all():
            check(lambda x: arrays.softmax(x, axis), lambda x: special.softmax(x, axis), x)
            check(lambda x: arrays.log_softmax(x, axis), lambda x: special.log_softmax(x, axis), x)


def test_exponentials_of_infinities_and_of_nothing() -> None:
    for x in ([-np.inf, -np.inf], [np.inf, 1.0], [np.nan, 1.0]):
        check(arrays.logsumexp, special.logsumexp, np.array(x))
    check(arrays.logsumexp, lambda x: -np.inf, np.zeros(0))
    check(lambda x: arrays.softmax(x, 0), lambda x: x, np.zeros((0, 2)))
    check(lambda x: arrays.log_softmax(x, 0), lambda x: x, np.zeros((0, 2)))


def test_the_exponentials_are_shared() -> None:
    fn = traced(lambda x: arrays.logsumexp(x, 1), MATRIX)
    pulled = autodiff.vjp(fn, [0], bare=False)
    assert [v.op.name for v in pulled.live()].count("exp") == 1


def test_norms() -> None:
    ord: Any
    for ord in (None, 1, 2, np.inf, -np.inf, 0, 3, 0.5, -1):
        for keep in (False, True):
            check(lambda x: arrays.norm(x, ord, 1, keep),
                  lambda x: np.linalg.norm(x, ord, 1, keep), CUBE)  # fmt: skip
    for ord in (None, "fro", 1, -1, np.inf, -np.inf):
        for axis in ((0, 1), (2, 0)):
            check(lambda x: arrays.norm(x, ord, axis), lambda x: np.linalg.norm(x, ord, axis), CUBE)
        check(lambda x: arrays.norm(x, ord), lambda x: np.linalg.norm(x, ord), MATRIX)
    with pytest.raises(UnsupportedError, match="ord=2 of a matrix"):
        traced(lambda x: arrays.norm(x, 2), MATRIX)
    with pytest.raises(ShapeError, match="needs one axis or two"):
        traced(lambda x: arrays.norm(x, 1), CUBE)


@pytest.mark.parametrize("shape", [s for s in SHAPES if 0 not in s], ids=str)
def test_positions_and_running_totals(shape: tuple[int, ...]) -> None:
    x = RNG.integers(-3, 3, shape).astype(float)
    for axis in (None, *range(len(shape))):
        for name in ("argmax", "argmin"):
            both(lambda n, x: getattr(n, name)(x, axis, keepdims=True), x)
            both(lambda n, x: getattr(n, name)(x, axis), x)
        for name in ("cumsum", "cumprod", "count_nonzero"):
            both(lambda n, x: getattr(n, name)(x, axis), x)


# Products.

EINSUMS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij,jk", ((2, 3), (3, 4))), ("ij,jk->ki", ((2, 3), (3, 4))), ("ii", ((3, 3),)),
    ("ii->i", ((3, 3),)), ("i,i", ((3,), (3,))), ("...ij,...jk", ((5, 2, 3), (3, 4))),
    ("ij->ji", ((2, 3),)), ("ij->", ((2, 3),)), ("ij,ij,ij", ((2, 3),) * 3),
    ("ab,bc,cd,de", ((2, 3), (3, 4), (4, 5), (5, 2))), ("i,j,k->kji", ((2,), (3,), (4,))),
    ("iij,j->i", ((3, 3, 2), (2,))), ("...,...", ((2, 3), (3,))), ("ij...->...i", ((2, 3, 4),)),
    ("ij,j", ((2, 1), (3,))), (",i", ((), (3,))), ("ba", ((2, 3),)), ("iii", ((3, 3, 3),)),
    ("ijij->ij", ((2, 3, 2, 3),)), ("ij,kl->", ((2, 3), (4, 5))), ("ab,b", ((0, 3), (3,))),
    ("ij,jk,kl,lm,mn,no", ((2, 3), *(((3, 3),) * 5))), ("ab,bc", ((2, 0), (0, 3))),
    ("i...,i...->...", ((3, 1, 2), (3, 4, 1))), ("Ab,bA->A", ((2, 3), (3, 2))),
    (" ij , jk -> ik ", ((2, 3), (3, 4))), ("i,i,i->", ((4,),) * 3), (",", ((), ())),
    ("ij,ik,il->jkl", ((5, 2), (5, 3), (5, 4))), ("bij,bjk,bk->bi", ((2, 3, 4), (2, 4, 3), (2, 3))),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "shapes"), EINSUMS, ids=lambda p: p if isinstance(p, str) else "")
def test_einsum(spec: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    operands = [RNG.normal(size=s) for s in shapes]
    both(lambda n, *xs: n.einsum(spec, *xs), *operands)
    if all(0 not in s for s in shapes):
        check_derivative(lambda *xs: arrays.einsum(spec, *xs), *operands)


def test_einsum_by_lists_of_labels() -> None:
    x, y = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))
    both(lambda n, x, y: n.einsum(x, [0, 1], y, [1, 2], [0, 2]), x, y)
    both(lambda n, x, y: n.einsum(x, [5, 1], y, [1, 2]), x, y)
    both(lambda n, x: n.einsum(x, [0, ...], [..., 0]), CUBE)


@pytest.mark.parametrize(
    ("spec", "shapes", "message"),
    [
        ("ij,jk", ((2, 3), (4, 5)), "extents 3 and 4 meet"),
        ("ij", ((2, 3, 4),), "2 subscripts for"),
        ("ij,jk", ((2, 3),), "subscripts for 2 operands, got 1"),
        ("ij->k", ((2, 3),), "the result has 'k'"),
        ("ij->ii", ((2, 3),), "twice"),
        ("i$", ((2, 3),), "is not a label"),
        ("ii", ((2, 3),), "no diagonal"),
    ],
)
def test_subscripts_that_do_not_fit(spec: str, shapes: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=f"einsum: .*{message}"):
        traced(lambda *xs: arrays.einsum(spec, *xs), *(np.ones(s) for s in shapes))


PAIRS = [
    ((3, 4), (4, 5)), ((4,), (4,)), ((4,), (4, 2)), ((2, 4), (4,)), ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((1, 3, 4), (2, 4, 5)), ((5, 2, 3, 4), (2, 4, 1)), ((4,), (2, 4, 3)),
    ((2, 3, 4), (4,)), ((0, 4), (4, 2)), ((2, 0), (0, 3)), ((1, 1), (1, 1)), ((3, 1), (1, 3)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), PAIRS, ids=str)
def test_matmul(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    x, y = RNG.normal(size=left), RNG.normal(size=right)
    both(lambda n, x, y: n.matmul(x, y), x, y)
    both(lambda n, x, y: n.dot(x, y), x, y)
    both(lambda n, x, y: n.outer(x, y), x, y)
    both(lambda n, x, y: n.kron(x, y), x, y)
    if x.size and y.size:
        check_derivative(arrays.matmul, x, y)


def test_other_products() -> None:
    both(lambda n, x, y: n.inner(x, y), CUBE, VECTOR)
    both(lambda n, x, y: n.dot(x, y), CUBE, RNG.normal(size=(2, 5, 3)))
    both(lambda n, x, y: n.dot(x, y), CUBE, np.array(2.0))
    both(lambda n, x, y: n.vdot(x, y), CUBE, RNG.normal(size=(3, 4, 5)))
    both(lambda n, x, y: n.tensordot(x, y), CUBE, RNG.normal(size=(4, 5, 2)))
    both(lambda n, x, y: n.tensordot(x, y, 0), VECTOR, VECTOR)
    both(lambda n, x, y: n.tensordot(x, y, ([0, 1], [1, 0])), CUBE, RNG.normal(size=(4, 3, 2)))
    both(lambda n, x, y: n.cross(x, y), RNG.normal(size=(4, 3)), RNG.normal(size=3))
    both(lambda n, x, y: n.cross(x, y, axis=0), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4)))
    square = RNG.normal(size=(2, 3, 3))
    for power in (0, 1, 2, 5):
        check(lambda x: arrays.matrix_power(x, power),
              lambda x: np.linalg.matrix_power(x, power), square)  # fmt: skip
    chain = [RNG.normal(size=s) for s in ((2,), (2, 3), (3, 4), (4, 5))]
    check(lambda *xs: arrays.multi_dot(xs), lambda *xs: np.linalg.multi_dot(xs), *chain)
    for shapes in (((2, 3), (2, 3)), ((3,), (4, 3)), ((), (3,)), ((2, 3, 4), (3, 4, 5))):
        with pytest.raises(ShapeError, match=r"matmul: .*(meet|write|broadcast)"):
            traced(arrays.matmul, *(np.ones(s) for s in shapes))


# Shapes.

MOVES: list[Callable[[Any, Any], Any]] = [
    lambda n, x: n.roll(x, 2, 1), lambda n, x: n.roll(x, (1, 2), (0, 2)),
    lambda n, x: n.roll(x, -7),
    lambda n, x: n.repeat(x, 2, 1), lambda n, x: n.repeat(x, 3), lambda n, x: n.tile(x, 2),
    lambda n, x: n.repeat(x, [1, 0, 2], 0), lambda n, x: n.tile(x, (2, 1, 2, 3)),
    lambda n, x: n.flip(x), lambda n, x: n.flip(x, (0, 2)), lambda n, x: n.moveaxis(x, 0, -1),
    lambda n, x: n.moveaxis(x, [0, 1], [-1, 0]), lambda n, x: n.swapaxes(x, 0, 2),
    lambda n, x: n.transpose(x, (1, 2, 0)), lambda n, x: n.transpose(x),
    lambda n, x: n.expand_dims(x, (0, -1)), lambda n, x: n.diff(x, 2, 1), lambda n, x: n.ravel(x),
    lambda n, x: n.stack([x, x], 1), lambda n, x: n.vstack([x, x]), lambda n, x: n.hstack([x, x]),
    lambda n, x: n.concatenate([x, x], None), lambda n, x: n.concatenate([x, x, x], -1),
    lambda n, x: n.split(x, 2, 1)[1], lambda n, x: n.split(x, [1, 3], 1)[1],
    lambda n, x: n.reshape(x, (6, -1)), lambda n, x: n.reshape(x, -1),
    lambda n, x: n.squeeze(n.expand_dims(x, (0, 2))), lambda n, x: n.squeeze(x[None] if n is np
        else arrays.getitem(x, None), 0),
    lambda n, x: n.broadcast_to(x, (2, 3, 4, 5)), lambda n, x: n.matrix_transpose(x),
    lambda n, x: n.atleast_1d(n.sum(x)), lambda n, x: n.atleast_2d(x[0][0] if n is np else
        arrays.getitem(x, (0, 0))), lambda n, x: n.column_stack([n.ravel(x), n.ravel(x)]),
    lambda n, x: n.clip(x, -1, 0.5), lambda n, x: n.clip(x, None, 0.5),
    lambda n, x: n.clip(x, 0, None),
    lambda n, x: n.average(x, 1, [1, 2, 3, 4.0]), lambda n, x: n.average(x),
    lambda n, x: n.broadcast_arrays(x, np.ones((2, 1, 1, 1)))[0],
    lambda n, x: n.pad(x, 2, constant_values=((1, 2), (3, 4), (5, 6))), lambda n, x: n.pad(x, 0),
    *(lambda n, x, mode=mode: n.pad(x, ((1, 2), (0, 3), (2, 0)), mode)
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap")),
]  # fmt: skip


@pytest.mark.parametrize("move", MOVES)
def test_moves(move: Callable[[Any, Any], Any]) -> None:
    both(move, CUBE)


@pytest.mark.parametrize("k", [-2, 0, 1, 7])
def test_diagonals_and_triangles(k: int) -> None:
    for name in ("diagonal", "tril", "triu", "diag", "trace"):
        both(lambda n, x: getattr(n, name)(x, k), MATRIX)
    for vector in (VECTOR, np.zeros(0)):
        both(lambda n, x: n.diag(x, k), vector)
    both(lambda n, x: n.diagonal(x, k, 2, 0), CUBE)
    both(lambda n, x: n.triu(x, k), CUBE)
    check_derivative(lambda x: arrays.diag(x, k), VECTOR)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: arrays.sum(x, 3), r"sum: axis 3 is out of range for f64\[3,4,5\]"),
        (lambda x: arrays.sum(x, (0, 0)), "sum: an axis is given twice"),
        (lambda x: arrays.mean(x, HALF), "mean: an axis is a whole number"),
        (lambda x: arrays.reshape(x, (7, -1)), "reshape: .* has 60 elements"),
        (lambda x: arrays.reshape(x, HALF), "reshape: a shape is whole numbers"),
        (lambda x: arrays.transpose(x, (0, 0, 1)), "transpose: .* is no order"),
        (lambda x: arrays.squeeze(x, 0), "squeeze: axis 0"),
        (lambda x: arrays.expand_dims(x, 9), "expand_dims: axis 9"),
        (lambda x: arrays.broadcast_to(x, (4, 5)), "broadcast_to: .* does not"),
        (lambda x: arrays.concatenate([x, arrays.sum(x)]), "concatenate: the shapes"),
        (lambda x: arrays.stack([x, arrays.sum(x)]), "stack: the shapes"),
        (lambda x: arrays.elementwise("add", x, np.ones((2, 5))), r"add: the shapes \(3, 4, 5\)"),
        (lambda x: arrays.split(x, 3, 1), "split: axis 1"),
        (lambda x: arrays.repeat(x, [1, 2], 0), "repeat: 2 counts"),
        (lambda x: arrays.pad(x, ((1, 2), (3, 4))), "pad: pad_width"),
        (lambda x: arrays.pad(x, 1, "mean"), "pad: unknown mode"),
        (lambda x: arrays.pad(x, -1), "pad: negative"),
        (lambda x: arrays.put(x, 0, np.ones(3)), r"put: f64\[3\] does not fit the shape \(4, 5\)"),
        (lambda x: arrays.cross(x, x), "cross: expected 3 elements"),
        (lambda x: arrays.tensordot(x, x, 1), "tensordot: .* 5 and 3 meet"),
        (lambda x: arrays.moveaxis(x, [0, 1], 0), "moveaxis: .* do not pair up"),
        (lambda x: arrays.diagonal(x, 0, 1, 1), "diagonal: axis1 and axis2 are both 1"),
        (lambda x: arrays.astype(x, "complex128"), "unknown dtype"),
    ],
)
def test_shapes_that_do_not_fit(build: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        traced(build, CUBE)


# Dtypes.

KINDS = [np.float64, np.float32, np.int64, np.int32, np.bool]
UFUNCS = {
    "add": np.add, "mul": np.multiply, "div": np.divide, "sub": np.subtract, "max": np.maximum,
    "lt": np.less, "eq": np.equal, "mod": np.mod, "floor_div": np.floor_divide, "hypot": np.hypot,
    "where": np.where, "pow": np.power, "abs": np.abs, "neg": np.negative, "floor": np.floor,
    "sqrt": np.sqrt, "sign": np.sign, "square": np.square, "fmod": np.fmod, "min": np.minimum,
}  # fmt: skip
UNARY = ("abs", "neg", "floor", "sqrt", "sign", "square")


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_dtypes_are_promoted_as_numpy_does(first: Any, second: Any) -> None:
    x = np.arange(-6, 6).reshape(3, 4).astype(first)
    y = np.array([[1], [-2], [3]]).astype(second)
    for name, ufunc in UFUNCS.items():
        if name in UNARY:
            operands = [x]
        elif name == "where":
            operands = [x > 0, x, y]
        else:
            operands = [np.abs(x), np.abs(y)] if name == "pow" else [x, y]
        try:
            with np.errstate(all="ignore"):
                expected = ufunc(*operands)
        except TypeError:  # NumPy has no subtraction of truth values, for example
            continue
        if expected.dtype.kind in "fib" and expected.dtype.itemsize in (1, 4, 8):
            if expected.dtype == np.int8 or (name == "floor" and first is np.bool):
                continue  # of truth values alone
            check(lambda *xs: arrays.elementwise(name, *xs), ufunc, *operands)


@pytest.mark.parametrize("kind", KINDS)
def test_python_numbers_are_weak(kind: Any) -> None:
    x = np.arange(1, 4).astype(kind)
    for number in (2, 2.5, np.float64(2.5), np.float32(2.5), np.int64(2), np.array([1.0, 2, 3])):
        check(lambda x: arrays.elementwise("mul", x, number), lambda x: x * number, x)
        check(lambda x: arrays.elementwise("div", number, x), lambda x: number / x, x)
        check(lambda x: arrays.elementwise("lt", x, number), lambda x: x < number, x)


@pytest.mark.parametrize("kind", KINDS)
def test_reductions_choose_numpys_dtype(kind: Any) -> None:
    x = (np.arange(12).reshape(3, 4) % 3).astype(kind)
    for name in ("sum", "mean", "prod", "max", "min", "argmax", "argmin", "cumsum", "any", "all"):
        both(lambda n, x: getattr(n, name)(x, 1), x)
    check(lambda x: arrays.norm(x, axis=1), lambda x: np.linalg.norm(x * 1.0, axis=1).astype(
        np.float32 if kind is np.float32 else np.float64), x)  # fmt: skip
    for other in KINDS:
        check(lambda x: arrays.astype(x, other), lambda x: x.astype(other), x)


def test_operands_that_are_no_real_numbers() -> None:
    for operand in (np.array([1j]), np.array([None]), np.array(["a"]), np.longdouble(1)):
        with pytest.raises(UnsupportedError, match="works with real numbers"):
            traced(lambda x: arrays.elementwise("add", x, operand), VECTOR)
    with pytest.raises(ShapeError, match="does not fit in i32"):
        traced(lambda x: arrays.elementwise("add", x, 2**40), np.arange(3, dtype=np.int32))
    with pytest.raises(ShapeError, match="negative integer powers"):
        traced(lambda x: arrays.elementwise("pow", x, -1), np.arange(3))
    with pytest.raises(ArgumentError, match="sin takes 1 argument"):
        traced(lambda x: arrays.elementwise("sin", x, x), VECTOR)


def test_every_function_is_in_the_namespace() -> None:
    for name, function in arrays.ARRAY_FUNCTIONS.items():
        assert getattr(arrays, function.__name__) is function
        assert hasattr(np, name) or hasattr(np.linalg, name) or name in (
            "add_at", "softmax", "log_softmax", "logsumexp"
        )  # fmt: skip
