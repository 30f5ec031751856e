"""Figures of numbers: differences, non-linearities, vectorisation."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np
from matplotlib import pyplot as plt

import symdiff as sd


def check(look: Any) -> Any:
    """The error of numeric gradients against the size of the step, for the radiation formula."""
    source = "log(1 + x**2) * exp(-sin(3*x))"
    f, exact = sd.function(source), sd.grad(source)(0.7)
    steps = np.logspace(-13, -0.5, 60)

    def central(h: np.ndarray[Any, Any]) -> Any:
        return (f(0.7 + h) - f(0.7 - h)) / (2 * h)

    one_sided = (f(0.7 + steps) - f(0.7)) / steps
    extrapolated = (4 * central(steps / 2) - central(steps)) / 3
    figure, axes = plt.subplots(figsize=(6.6, 3.2))
    for label, found in (
        ("one-sided", one_sided),
        ("central", central(steps)),
        ("central, extrapolated", extrapolated),
    ):
        axes.loglog(steps, np.maximum(np.abs(found / exact - 1), 1e-17), label=label)
    axes.axhline(2.2e-16, color=look.ink, linewidth=1, linestyle=":")
    axes.annotate("symdiff: within the last digit", (1e-13, 4e-16), color=look.ink, fontsize=9.5)
    axes.set(xlabel="step h", ylabel="relative error", ylim=(5e-17, 10))
    axes.legend(loc="upper center", ncols=3)
    return figure


ACTIVATIONS: Final = (
    ("sigmoid", "sigmoid(z)"),
    ("tanh", "tanh(z)"),
    ("hard tanh", "hard_tanh(z)"),
    ("ReLU", "relu(z)"),
    ("leaky ReLU, slope 0.1", "leaky_relu(z, 0.1)"),
    ("softplus", "softplus(z)"),
    ("GELU", "z * erfc(-z / sqrt(2)) / 2"),
    ("SiLU", "z * sigmoid(z)"),
)


def activations(_: Any) -> Any:
    """Non-linearities and their derivatives."""
    z = np.linspace(-4.0, 4.0, 801)
    figure, grid = plt.subplots(2, 4, figsize=(8.4, 3.9), sharex=True)
    for axes, (title, formula) in zip(grid.flat, ACTIVATIONS, strict=True):
        value, slope = sd.value_and_grad(formula)(z)
        axes.plot(z, value)
        # A kink is a jump of the derivative: no line across it.
        jumps = np.abs(np.diff(slope, append=slope[-1])) > 0.2
        axes.plot(z, np.where(jumps, np.nan, slope), linestyle="--")
        axes.set(title=title, xticks=(-4, 0, 4))
        low, high = min(value.min(), -0.3), max(min(value.max(), 2.2), 1.2)
        axes.set_ylim(max(low, -1.3), high)
    return figure


def best(call: Callable[[], Any], repeats: int = 30) -> float:
    """The shortest of so many times of a call, in microseconds."""
    call()
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * min(times)


@cache
def timed() -> dict[str, float]:
    """The lecture's example, 500 windows of 300 numbers and 5 classes: microseconds each way."""
    draw = np.random.default_rng(0)
    weights, windows = draw.normal(size=(5, 300)), draw.normal(size=(500, 300))
    types = {"W": "f64[5,300]", "x": "f64[300]"}

    def scores(W: Any, x: Any) -> Any:
        return W @ x

    single = sd.compile(scores, args=types)
    whole = sd.compile(lambda W, X: X @ W.T, args={"W": types["W"], "X": "f64[500,300]"})
    mapped = sd.compile(sd.vmap(sd.function(scores, args=types), in_axes=(None, 0)))
    ways: dict[str, Callable[[], Any]] = {
        "NumPy, one by one": lambda: [weights @ w for w in windows],
        "NumPy, one matrix": lambda: windows @ weights.T,
        "symdiff, one by one": lambda: [single(weights, w) for w in windows],
        "symdiff, one matrix": lambda: whole(weights, windows),
        "symdiff, vmap of one": lambda: mapped(weights, windows),
    }
    return {name: best(call) for name, call in ways.items()}


def vectorisation(look: Any) -> Any:
    """The times as bars."""
    times = timed()
    figure, axes = plt.subplots(figsize=(6.6, 2.5))
    colours = [look.series[0] if name.startswith("symdiff") else look.faint for name in times]
    bars = axes.barh(list(times), list(times.values()), color=colours)
    axes.bar_label(bars, [f"{t:,.0f} µs" for t in times.values()], padding=4, color=look.ink)
    axes.set(xscale="log", xlim=(5, 20 * max(times.values()) / 5), xlabel="time, logarithmic")
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    return figure


PLOTS: Final = {"check": check, "activations": activations, "vectorisation": vectorisation}
