"""Figures of training: penalties, initial weights, optimisers, rates, a network in the plane."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap
from scipy.optimize import minimize

import symdiff as sd
from symdiff import learn

Array = np.ndarray[Any, Any]


STRENGTHS: Final = np.logspace(-4, 1, 26)


@cache
def penalised() -> Array:
    """Losses on data that was learnt from, and on fresh data, for every strength of the penalty."""
    draw = np.random.default_rng(1)
    truth = draw.normal(size=30) * (np.arange(30) < 6)

    def data(count: int) -> tuple[Array, Array]:
        X = draw.normal(size=(count, 30))
        return X, (X @ truth + 1.5 * draw.normal(size=count) > 0).astype(float)

    def objective(w: Any, X: Any, y: Any, strength: Any) -> Any:
        return learn.losses.logistic(X @ w, y) + strength * np.sum(w**2)

    (X, y), (fresh, answers) = data(60), data(4000)
    f = sd.value_and_grad(objective, wrt="w")
    losses = np.empty((2, len(STRENGTHS)))
    for i, strength in enumerate(STRENGTHS):
        w = minimize(f, np.zeros(30), args=(X, y, strength), jac=True).x
        losses[:, i] = objective(w, X, y, 0.0), objective(w, fresh, answers, 0.0)
    return losses


def regularisation(_: Any) -> Any:
    """Both losses against the strength of the penalty."""
    losses = penalised()
    figure, axes = plt.subplots(figsize=(6.6, 2.9))
    axes.semilogx(STRENGTHS, losses[0], label="data that it learnt from")
    axes.semilogx(STRENGTHS, losses[1], label="fresh data")
    axes.set(xlabel="strength of the penalty", ylabel="loss", ylim=(0, 2.5))
    axes.legend()
    return figure


LAYERS: Final = range(1, 11)
FACTORS: Final = {"a third of Xavier's": 1 / 3, "Xavier's": 1.0, "three times Xavier's": 3.0}


@cache
def arrivals(width: int = 100) -> dict[str, Array]:
    """Norms of the gradients that arrive at tanh layers, means of ten networks."""

    def loss(states: Any, weights: Any, x: Any) -> Any:
        # What is added to each layer is zero; its gradient is the one that arrives there.
        for W, shift in zip(weights, states, strict=True):
            x = np.tanh(W @ x + shift)
        return np.sum(x)

    arriving = sd.grad(loss, wrt="states")
    means: dict[str, Array] = {}
    for label, factor in FACTORS.items():
        norms: list[Array] = []
        for seed in range(10):
            draw = np.random.default_rng(seed)
            weights = [factor * learn.init.xavier_normal((width, width), draw) for _ in LAYERS]
            found = arriving([np.zeros(width) for _ in LAYERS], weights, draw.normal(size=width))
            norms.append(np.array([np.linalg.norm(g) for g in found]))
        means[label] = np.mean(norms, axis=0)
    return means


def initialisation(_: Any) -> Any:
    """The norms, from the first layer to the last."""
    figure, axes = plt.subplots(figsize=(6.6, 2.9))
    for label, norms in arrivals().items():
        axes.semilogy(LAYERS, norms, marker="o", label=label)
    axes.set(xlabel="layer, from the input to the output", ylabel="norm of the gradient")
    axes.set_xticks(LAYERS)
    axes.legend()
    return figure


def ravine(p: Any) -> Any:
    """A valley that is steep across and flat along."""
    return 0.5 * (p[0] ** 2 + 25 * p[1] ** 2)


DESCENTS: Final[dict[str, Callable[[], Any]]] = {
    "SGD": lambda: learn.optim.SGD(lr=0.075),
    "momentum": lambda: learn.optim.SGD(lr=0.03, momentum=0.8),
    "Adagrad": lambda: learn.optim.Adagrad(lr=0.8),
    "RMSprop": lambda: learn.optim.RMSprop(lr=0.1),
    "Adam": lambda: learn.optim.Adam(lr=0.3),
}


def optimisers(look: Any) -> Any:
    """Sixty steps of each optimiser down the ravine."""
    slope = sd.grad(ravine)
    x, y = np.meshgrid(np.linspace(-4.6, 1.6, 120), np.linspace(-1.9, 1.9, 80))
    height = ravine(np.stack([x, y]))
    figure, grid = plt.subplots(1, 5, figsize=(8.6, 2.3), sharex=True, sharey=True)
    for axes, (title, make), colour in zip(grid, DESCENTS.items(), look.series, strict=True):
        optimizer, p = make(), np.array([-4.0, 1.5])
        state, path = optimizer.init(p), [p]
        for _ in range(60):
            p, state = optimizer.update(p, slope(p), state)
            path.append(p)
        axes.contour(
            x, y, height, levels=np.geomspace(0.1, 50, 9), colors=look.faint, linewidths=0.8
        )
        axes.plot(*np.array(path).T, color=colour, linewidth=1.4, marker="o", markersize=2.2)
        axes.plot(0, 0, marker="+", color=look.ink, markersize=9)
        axes.set(title=title, xticks=(), yticks=())
        axes.grid(visible=False)
    return figure


@cache
def spirals() -> tuple[Array, Array]:
    """Points on two spirals, and which of them each is on."""
    draw = np.random.default_rng(4)
    angle, side = draw.uniform(0.5, 9.0, 1000), draw.integers(0, 2, 1000)
    points = (
        np.stack([np.cos(angle), np.sin(angle)], axis=1) * (angle * (2 * side - 1))[:, None] / 9
    )
    return points, side


def scores(p: Any, X: Any) -> Any:
    """A network of two hidden layers."""
    h = np.tanh(X @ p["W1"] + p["b1"])
    return np.tanh(h @ p["W2"] + p["b2"]) @ p["U"] + p["c"]


@cache
def trained(lr: float, epochs: int) -> learn.Result:
    """The network after so many epochs on the spirals."""

    def loss(p: Any, X: Any, labels: Any) -> Any:
        return learn.losses.softmax_cross_entropy(scores(p, X), labels)

    start = {
        "W1": 3 * learn.init.xavier_uniform((2, 32), 1), "b1": np.zeros(32),
        "W2": learn.init.xavier_uniform((32, 32), 2), "b2": np.zeros(32),
        "U": learn.init.xavier_uniform((32, 2), 3), "c": np.zeros(2),
    }  # fmt: skip
    optimizer = learn.optim.SGD(lr=lr, momentum=0.9)
    return learn.fit(loss, start, spirals(), optimizer=optimizer, epochs=epochs, progress=False)


def rates(_: Any) -> Any:
    """Losses with three learning rates."""
    figure, axes = plt.subplots(figsize=(6.6, 2.9))
    for lr in (0.001, 0.1, 2.0):
        axes.semilogy(np.arange(1, 61), trained(lr, 60).history["loss"], label=f"rate {lr:g}")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    return figure


def schedules(_: Any) -> Any:
    """The learning rate over 50 epochs."""
    t = np.linspace(0, 50, 501)
    known = (
        learn.schedules.halving(0.1, every=10),
        learn.schedules.exponential(0.1, k=0.05),
        learn.schedules.warmup(5, learn.schedules.cosine(0.1, 50)),
        learn.schedules.cyclic(0.01, 0.06, period=12.5),
    )
    figure, axes = plt.subplots(figsize=(6.6, 2.7))
    for rate, label in zip(
        known, ("halving", "exponential", "warm-up, cosine", "cyclic"), strict=True
    ):
        axes.plot(t, [rate(x) for x in t], label=label)
    axes.set(xlabel="epoch", ylabel="learning rate", ylim=(0, 0.105))
    axes.legend(ncols=2)
    return figure


def plane(look: Any) -> Any:
    """The answer of the trained network all over the plane."""
    points, side = spirals()
    p = trained(0.1, 100).params
    x, y = np.meshgrid(np.linspace(-1.1, 1.1, 220), np.linspace(-1.1, 1.1, 220))
    answer = sd.numpy.softmax(scores(p, np.stack([x.ravel(), y.ravel()], axis=1)), axis=1)
    figure, axes = plt.subplots(figsize=(4.2, 4.0))
    colours = LinearSegmentedColormap.from_list(
        "sides", [look.series[1], look.ground, look.series[0]]
    )
    shown = np.asarray(answer)[:, 1].reshape(x.shape)
    extent = (-1.1, 1.1, -1.1, 1.1)
    axes.imshow(
        shown, cmap=colours, alpha=0.6, extent=extent, origin="lower", interpolation="bilinear"
    )
    for which in (0, 1):
        axes.plot(*points[side == which].T, ".", color=look.series[1 - which], markersize=3)
    axes.set(xticks=(), yticks=(), aspect="equal")
    axes.grid(visible=False)
    return figure


PLOTS: Final = {
    "regularisation": regularisation,
    "initialisation": initialisation,
    "optimisers": optimisers,
    "rates": rates,
    "schedules": schedules,
    "spirals": plane,
}
