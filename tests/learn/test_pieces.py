"""Activations, losses, initial values and clipping."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import symdiff as sd
from symdiff.learn import activations, clipping, init, losses

POINTS = np.array([-6.0, -1.5, -1.0, -0.25, 0.0, 0.5, 1.0, 1.5, 6.0])

# Activations.

ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "sigmoid": (activations.sigmoid, lambda x: 1 / (1 + mpmath.exp(-x))),
    "tanh": (activations.tanh, mpmath.tanh),
    "hard_tanh": (activations.hard_tanh, lambda x: max(-1, min(1, x))),
    "relu": (activations.relu, lambda x: max(x, 0)),
    "leaky_relu": (activations.leaky_relu, lambda x: x if x > 0 else mpmath.mpf(0.01) * x),
    "prelu": (lambda x: activations.prelu(x, 0.25), lambda x: x if x > 0 else x / 4),
    "softplus": (activations.softplus, lambda x: mpmath.log1p(mpmath.exp(x))),
    "gelu": (activations.gelu, lambda x: x * mpmath.ncdf(x)),
    "gelu-tanh": (
        lambda x: activations.gelu(x, "tanh"),
        lambda x: x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + 0.044715 * x**3))) / 2,
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_traced_and_on_arrays(name: str) -> None:
    ours, exact = ACTIVATIONS[name]
    with mpmath.workdps(40):
        expected = np.array([float(exact(mpmath.mpf(x))) for x in POINTS])
    np.testing.assert_allclose(ours(POINTS), expected, rtol=1e-14, atol=1e-15)
    traced = sd.compile(lambda x: ours(x) + 0.0 * np.sum(x), args={"x": "f64[9]"})
    np.testing.assert_allclose(traced(POINTS), expected, rtol=1e-13, atol=1e-15)
    assert sd.check(sd.function(lambda x: ours(x)), at={"x": 0.3}).passed


def test_the_lectures_identity_and_the_conventions_at_kinks() -> None:
    np.testing.assert_allclose(activations.tanh(POINTS), 2 * activations.sigmoid(2 * POINTS) - 1)
    assert sd.grad(activations.relu)(0.0) == 0.0
    assert sd.grad(lambda x: activations.leaky_relu(x, 0.2))(0.0) == 0.2
    assert sd.grad(activations.hard_tanh)(1.0) == 1.0
    slopes = sd.grad(lambda x, a: np.sum(activations.prelu(x, a)), wrt="a")
    x = np.array([[-1.0, 2.0], [-3.0, -4.0]])
    assert slopes(x, np.array([0.1, 0.2])).tolist() == [-4.0, -4.0]
    with pytest.raises(sd.ArgumentError, match="approximate='erf'"):
        activations.gelu(1.0, "erf")


# Losses.


def test_cross_entropy_of_classes_and_of_rows() -> None:
    rng = np.random.default_rng(0)
    scores, labels = 5 * rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    chances = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = -np.mean(np.log(chances[np.arange(7), labels]))
    both = sd.value_and_grad(losses.softmax_cross_entropy, wrt="scores")
    for given in (labels, np.eye(4)[labels]):
        assert losses.softmax_cross_entropy(scores, given) == pytest.approx(expected, rel=1e-14)
        value, gradient = both(scores, given)
        assert value == pytest.approx(expected, rel=1e-14)
        np.testing.assert_allclose(gradient, (chances - np.eye(4)[labels]) / 7, atol=1e-15)
    cube = scores[:6].reshape(2, 3, 4), labels[:6].reshape(2, 3)
    flat = losses.softmax_cross_entropy(scores[:6], labels[:6])
    assert losses.softmax_cross_entropy(*cube) == pytest.approx(flat, rel=1e-15)
    one = losses.softmax_cross_entropy(scores[0], labels[0])
    assert one == pytest.approx(-np.log(chances[0, labels[0]]), rel=1e-14)
    far = np.array([[1e3, 0.0], [0.0, 1e3]])
    assert both(far, np.array([1, 1]))[0] == 500.0


def test_cross_entropy_names_shapes_that_do_not_fit() -> None:
    with pytest.raises(sd.ShapeError, match=r"integer labels of shape \(3,\)"):
        losses.softmax_cross_entropy(np.zeros((3, 2)), np.zeros(3))
    with pytest.raises(sd.ShapeError, match=r"got labels of shape \(2,\)"):
        losses.softmax_cross_entropy(np.zeros((3, 2)), np.zeros(2, int))
    with pytest.raises(sd.IndexRangeError):
        sd.function(losses.softmax_cross_entropy)(np.zeros((3, 2)), np.array([0, 1, 2]))


def test_logistic_loss() -> None:
    scores, targets = np.array([-2.0, 0.5, 3.0]), np.array([0.0, 1.0, 0.0])
    chances = 1 / (1 + np.exp(-scores))
    expected = -np.mean(targets * np.log(chances) + (1 - targets) * np.log(1 - chances))
    value, gradient = sd.value_and_grad(losses.logistic, wrt="scores")(scores, targets)
    assert value == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient, (chances - targets) / 3, rtol=1e-13)
    far = sd.value_and_grad(losses.logistic, wrt="scores")(np.array([-800.0]), np.array([1.0]))
    assert far[0] == 800.0
    assert far[1] == -1.0
    with pytest.raises(sd.ShapeError, match="are to be the same"):
        losses.logistic(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(sd.ShapeError, match="are to be the same"):
        losses.mean_squared_error(np.zeros((3, 1)), np.zeros(3))


def test_penalties_on_chosen_leaves() -> None:
    params = {"layers": [{"W": np.array([[1.0, -2.0]]), "b": np.array([3.0])}], "U": np.ones(2)}
    assert losses.l2(params) == 1 + 4 + 9 + 2
    assert losses.l2(params, "layers.*.W") == 5
    assert losses.l1(params, ["U", "layers"]) == 2 + 3 + 3
    gradient = sd.grad(lambda p: losses.l2(p, "*.W") + losses.l1(p, "U"))(params)
    assert gradient["layers"][0]["W"].tolist() == [[2.0, -4.0]]
    assert gradient["layers"][0]["b"].tolist() == [0.0]
    assert gradient["U"].tolist() == [1.0, 1.0]
    with pytest.raises(sd.ArgumentError, match="l2: no parameter is called 'V'"):
        losses.l2(params, "V")
    with pytest.raises(sd.ArgumentError, match="keys must not have dots"):
        losses.l2({"a.b": np.ones(1), "a": {"b": np.ones(1)}})


# Initial values.

SHAPE = (400, 250)
DRAWS: dict[str, tuple[Callable[[Any], Any], float, float]] = {
    # what draws, its variance, and the largest element there can be
    "uniform": (lambda rng: init.uniform(SHAPE, rng, 0.3), 0.3**2 / 3, 0.3),
    "xavier_normal": (lambda rng: init.xavier_normal(SHAPE, rng), 2 / 650, math.inf),
    "xavier_uniform": (lambda rng: init.xavier_uniform(SHAPE, rng), 2 / 650, math.sqrt(6 / 650)),
    "he_normal": (lambda rng: init.he_normal(SHAPE, rng), 2 / 400, math.inf),
    "he_uniform": (lambda rng: init.he_uniform(SHAPE, rng), 2 / 400, math.sqrt(6 / 400)),
    "normal": (lambda rng: init.normal(SHAPE, rng, 0.2), 0.04, math.inf),
}


@pytest.mark.parametrize("name", DRAWS)
def test_initial_values_have_the_variance_that_they_promise(name: str) -> None:
    draw, variance, largest = DRAWS[name]
    W = draw(np.random.default_rng(7))
    assert W.shape == SHAPE
    assert W.dtype == np.float64
    # Five standard errors of a mean, and of a variance, of 100,000 numbers.
    assert abs(W.mean()) < 5 * math.sqrt(variance / W.size)
    assert abs(W.var() / variance - 1) < 5 * math.sqrt(2 / W.size)
    assert np.abs(W).max() <= largest
    assert largest == math.inf or np.abs(W).max() > 0.99 * largest
    assert np.array_equal(W, draw(7))
    assert not np.array_equal(W, draw(8))


def test_fans() -> None:
    assert init.glorot_normal is init.xavier_normal
    wide = init.he_uniform((5, 5, 3, 16), 0)  # 5 x 5 places
    assert 0.95 * math.sqrt(6 / 75) < np.abs(wide).max() <= math.sqrt(6 / 75)
    flipped = init.he_uniform((16, 3000), 0, fan=(3000, 16))
    assert np.abs(flipped).max() <= math.sqrt(6 / 3000)
    with pytest.raises(sd.ArgumentError, match=r"pass fan=\(n_in, n_out\)"):
        init.xavier_normal(3, 0)
    with pytest.raises(sd.ArgumentError, match="r=0"):
        init.uniform(3, 0, 0)


def test_output_biases_are_best_where_weights_are_zero() -> None:
    """The gradient of the loss with respect to the bias vanishes."""
    y = np.array([[1.0, 5.0], [2.0, 6.0], [6.0, 1.0]])
    slope = sd.grad(lambda b: losses.mean_squared_error(b + 0 * y, y))(init.output_bias(y))
    np.testing.assert_allclose(slope, 0.0, atol=1e-14)
    bits = np.array([1, 0, 0, 1, 1.0])
    slope = sd.grad(lambda b: losses.logistic(b + 0 * bits, bits))
    assert slope(init.output_bias(bits, "logistic")) == pytest.approx(0.0, abs=1e-15)
    classes = np.array([0, 2, 2, 1, 2, 0])
    scores = sd.grad(lambda b: losses.softmax_cross_entropy(b + np.zeros((6, 3)), classes))
    for given in (classes, np.eye(3)[classes]):
        bias = init.output_bias(given, "softmax")
        np.testing.assert_allclose(scores(bias), 0.0, atol=1e-15)
    # A class that never comes counts as half an example.
    np.testing.assert_allclose(np.exp(init.output_bias([0, 0, 1], "softmax", 3))[2], 1 / 6)
    assert math.isfinite(init.output_bias([1, 1, 1], "logistic"))
    assert init.zeros((2, 3)).tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize(
    ("targets", "kind", "message"),
    [
        ([0.5, 1.5], "logistic", "between 0 and 1"),
        ([0.5], "softmax", "whole numbers"),
        ([-1], "softmax", "counted from 0"),
        ([0], "median", "kind='median'"),
        ([], "mean", "at least one target"),
    ],
)
def test_targets_are_checked(targets: Any, kind: str, message: str) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        init.output_bias(targets, kind)
    with pytest.raises(sd.ArgumentError, match="4 classes in the targets, not 2"):
        init.output_bias([0, 3], "softmax", classes=2)


# Clipping.


def test_clipping_by_the_norm_of_all_gradients() -> None:
    gradients = {"W": np.array([[3.0, 0.0]]), "b": np.array([-4.0])}
    clip = clipping.by_global_norm(1.0)
    for clipped in (clip(gradients), sd.function(lambda g: clip(g))(gradients)):
        np.testing.assert_allclose(clipped["W"], np.array([[3.0, 0.0]]) / (5 + 1e-6), rtol=1e-15)
        np.testing.assert_allclose(clipped["b"], -4.0 / (5 + 1e-6), rtol=1e-15)
    kept = clipping.by_global_norm(5.1)(gradients)
    assert np.array_equal(kept["W"], gradients["W"])
    assert clipping.global_norm(gradients) == 5.0
    nothing = clipping.by_global_norm(1.0)({"W": np.zeros(2)})
    assert nothing["W"].tolist() == [0.0, 0.0]
    assert repr(clip) == "by_global_norm(1.0)"
    with pytest.raises(sd.ArgumentError, match="clip: limit=0: expected a finite number above 0"):
        clipping.by_global_norm(0)


@pytest.mark.parametrize(
    ("dtype", "large"), [("f4", 1e20), ("f4", 3e38), ("f8", 1e200), ("f8", 1.7e308)]
)
def test_gradients_whose_norm_overflows_are_clipped(dtype: str, large: float) -> None:
    """Squares of the first ones are beyond range, of the second ones the norm too."""
    gradients = {"W": np.full((1, 2), large, dtype), "b": np.full(2, -large, dtype)}
    clip = clipping.by_global_norm(1.0)
    for clipped in (clip(gradients), sd.function(lambda g: clip(g))(gradients)):
        assert clipped["W"].dtype == dtype
        np.testing.assert_allclose(
            clipped["W"], [[0.5, 0.5]], rtol=1e-5 if dtype == "f4" else 1e-14
        )
        np.testing.assert_array_equal(clipped["b"], -clipped["W"][0])


def test_norms_of_gradients_at_the_borders() -> None:
    """Zeros, vanishing squares, mixed precisions, no elements; inf and NaN as in PyTorch."""
    clip = clipping.by_global_norm(1.0)
    compiled = sd.function(lambda g: clip(g))
    assert clipping.global_norm({"W": np.array([3e-200, 4e-200])}) == pytest.approx(
        5e-200, rel=1e-15
    )
    zeros = {"W": np.zeros(2), "none": np.zeros((0, 3))}
    mixed = {"W": np.array([3.0], np.float32), "b": np.array([1e200])}
    endless = {"W": np.array([np.inf, 1.0]), "b": np.ones(1)}
    for change in (clip, compiled):
        assert change(zeros)["W"].tolist() == [0.0, 0.0]
        assert change(zeros)["none"].shape == (0, 3)
        clipped = change(mixed)
        assert clipped["W"].dtype == np.float32
        assert clipped["W"][0] == 0.0
        assert clipped["b"][0] == pytest.approx(1.0, rel=1e-14)
        with np.errstate(invalid="ignore"):
            clipped = change(endless)
        assert np.isnan(clipped["W"][0])
        assert [clipped["W"][1], clipped["b"][0]] == [0.0, 0.0]
    assert np.isnan(compiled({"W": np.array([np.nan, 1.0])})["W"]).all()


def test_clipping_by_value() -> None:
    clipped = clipping.by_value(0.5)({"W": np.array([-2.0, 0.25, 0.75])})
    assert clipped["W"].tolist() == [-0.5, 0.25, 0.5]


def test_rows_count_once_in_a_norm() -> None:
    from symdiff.learn import Rows

    rows = Rows(np.array([1, 1]), np.array([[1.0, 0.0], [2.0, 4.0]]))
    assert clipping.global_norm({"table": rows}) == 5.0
    clipped = clipping.by_value(2.0)({"table": rows})["table"]
    assert clipped.added(np.zeros((3, 2)), clipped.values).tolist() == [[0, 0], [2, 2], [0, 0]]
