"""Derivatives by hand, as loops that numba compiles."""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, Final

import numpy as np

from bench import models
from bench.core import Inputs, Maker, Ready, Way
from bench.jacobians import LENGTHS, TWISTS

LABEL: Final = "numba: by hand"


def ways(workload: str) -> dict[str, Way]:
    """Code by hand for a workload."""
    name = workload.split("/")[1]
    if workload.startswith("tensors/") and name in LOOPS:
        make, parallel = LOOPS[name]
        return {LABEL: Way(make, "by hand", parallel=parallel, packages=("numba",))}
    return {}


def _compiled(function: Any, **options: Any) -> Any:
    numba: Any = import_module("numba")
    # `prange` is a plain range unless parallel=True.
    function.__globals__["prange"] = numba.prange
    return numba.njit(fastmath=True, error_model="numpy", **options)(function)


prange: Any = range


def _rosenbrock_loop(x: Any, g: Any) -> Any:
    n = len(x)
    first = x[1] - x[0] ** 2
    total = 100 * first**2 + (1 - x[0]) ** 2
    g[0] = -400 * x[0] * first - 2 * (1 - x[0])
    for i in prange(1, n - 1):
        before, after, off = x[i] - x[i - 1] ** 2, x[i + 1] - x[i] ** 2, 1 - x[i]
        total += 100 * after**2 + off**2
        g[i] = 200 * before - 400 * x[i] * after - 2 * off
    g[n - 1] = 200 * (x[n - 1] - x[n - 2] ** 2)
    return total


def _rosenbrock(inputs: Inputs, threads: int) -> Ready:
    x = inputs["x"]
    g = np.empty_like(x)
    loop = _compiled(_rosenbrock_loop, parallel=threads > 1 and len(x) > 100_000)
    return Ready(loop, [x, g], lambda value: [np.array(value), g])


def _lennard_jones_loop(x: Any, g: Any) -> Any:
    g[:] = 0.0
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            d0, d1, d2 = x[i, 0] - x[j, 0], x[i, 1] - x[j, 1], x[i, 2] - x[j, 2]
            inverse = 1 / (d0 * d0 + d1 * d1 + d2 * d2)
            s = inverse * inverse * inverse
            total += 4 * (s * s - s)
            slope = inverse * s * (24 - 48 * s)
            g[i, 0] += slope * d0
            g[i, 1] += slope * d1
            g[i, 2] += slope * d2
            g[j, 0] -= slope * d0
            g[j, 1] -= slope * d1
            g[j, 2] -= slope * d2
    return total


def _lennard_jones(inputs: Inputs, threads: int) -> Ready:
    x = inputs["x"]
    g = np.empty_like(x)
    return Ready(_compiled(_lennard_jones_loop), [x, g], lambda value: [np.array(value), g])


def _mixture_loop(x: Any, alphas: Any, means: Any, icf: Any, ga: Any, gm: Any, gi: Any) -> Any:
    """All of the value but its constant, and the gradient."""
    (n, d), k = x.shape, len(alphas)
    ga[:] = 0.0
    gm[:] = 0.0
    gi[:] = 0.0
    factor = np.zeros((k, d, d))
    log_det = np.zeros(k)
    total = 0.0
    for c in range(k):
        place = d
        for j in range(d):
            factor[c, j, j] = math.exp(icf[c, j])
            log_det[c] += icf[c, j]
            gi[c, j] = factor[c, j, j] ** 2
            total += 0.5 * gi[c, j]
            for i in range(j + 1, d):
                factor[c, i, j] = icf[c, place]
                gi[c, place] = icf[c, place]
                total += 0.5 * icf[c, place] ** 2
                place += 1
    q, centred = np.empty((k, d)), np.empty((k, d))
    inner = np.empty(k)
    for p in range(n):
        for c in range(k):
            squares = 0.0
            for i in range(d):
                centred[c, i] = x[p, i] - means[c, i]
                whitened = 0.0
                for j in range(i + 1):
                    whitened += factor[c, i, j] * centred[c, j]
                q[c, i] = whitened
                squares += whitened * whitened
            inner[c] = alphas[c] + log_det[c] - 0.5 * squares
        largest = inner.max()
        denominator = 0.0
        for c in range(k):
            inner[c] = math.exp(inner[c] - largest)
            denominator += inner[c]
        total += largest + math.log(denominator)
        for c in range(k):
            w = inner[c] / denominator
            ga[c] += w
            place = d
            for j in range(d):
                down = 0.0
                gi[c, j] += w * (1 - q[c, j] * factor[c, j, j] * centred[c, j])
                down = q[c, j] * factor[c, j, j]
                for i in range(j + 1, d):
                    down += q[c, i] * factor[c, i, j]
                    gi[c, place] -= w * q[c, i] * centred[c, j]
                    place += 1
                gm[c, j] += w * down
    largest = alphas.max()
    weights = np.exp(alphas - largest)
    whole = weights.sum()
    for c in range(k):
        ga[c] -= n * weights[c] / whole
    return total - n * (largest + math.log(whole))


def _mixture(inputs: Inputs, threads: int) -> Ready:
    x, alphas, means, icf = inputs.values()
    (n, d), k = x.shape, len(alphas)
    constant = -0.5 * n * d * math.log(2 * math.pi) - k * models.wishart_constant(d)
    gradients = [np.empty_like(part) for part in (alphas, means, icf)]
    return Ready(
        _compiled(_mixture_loop),
        [*inputs.values(), *gradients],
        lambda value: [np.array(value + constant), *gradients],
    )


def _arm_loop(q: Any, pose: Any, J: Any, lengths: Any, ct: Any, st: Any) -> None:
    """Configurations are the first axis."""
    for o in prange(len(q)):
        axes, places = np.empty((7, 3)), np.empty((7, 3))
        X, Y, Z, p = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
        X[0] = Y[1] = Z[2] = 1.0
        for i in range(7):
            c, s = math.cos(q[o, i]), math.sin(q[o, i])
            for k in range(3):
                x, y, z = X[k], Y[k], Z[k]
                axes[i, k] = z
                places[i, k] = p[k]
                p[k] += lengths[i] * z
                across = c * y - s * x
                X[k] = c * x + s * y
                Y[k] = ct[i] * across + st[i] * z
                Z[k] = ct[i] * z - st[i] * across
        level = math.sqrt(X[0] ** 2 + X[1] ** 2)
        pose[o, 0], pose[o, 1], pose[o, 2] = p[0], p[1], p[2]
        pose[o, 3] = math.atan2(Y[2], Z[2])
        pose[o, 4] = math.atan2(-X[2], level)
        pose[o, 5] = math.atan2(X[1], X[0])
        cy, sy = X[0] / level, X[1] / level
        for i in range(7):
            z0, z1, z2 = axes[i, 0], axes[i, 1], axes[i, 2]
            d0, d1, d2 = p[0] - places[i, 0], p[1] - places[i, 1], p[2] - places[i, 2]
            tilt = (cy * z0 + sy * z1) / level
            J[o, 0, i] = z1 * d2 - z2 * d1
            J[o, 1, i] = z2 * d0 - z0 * d2
            J[o, 2, i] = z0 * d1 - z1 * d0
            J[o, 3, i] = tilt
            J[o, 4, i] = cy * z1 - sy * z0
            J[o, 5, i] = z2 - X[2] * tilt


def _arm(inputs: Inputs, threads: int) -> Ready:
    q = inputs["q"].reshape(-1, 7)
    pose, jacobian = np.empty((len(q), 6)), np.empty((len(q), 6, 7))
    tables = [np.array(LENGTHS), *np.array(TWISTS, float).T.copy()]
    loop = _compiled(_arm_loop, parallel=threads > 1)
    return Ready(
        loop, [q, pose, jacobian, *tables], lambda _: [pose.T, np.moveaxis(jacobian, 0, -1)]
    )


# The maker, and whether it can use several threads.
LOOPS: Final[dict[str, tuple[Maker, bool]]] = {
    "rosenbrock": (_rosenbrock, True),
    "rosenbrock_small": (_rosenbrock, True),
    "lennard_jones": (_lennard_jones, False),
    "lennard_jones_text": (_lennard_jones, False),
    "mixture": (_mixture, False),
    "arm": (_arm, False),
    "arms": (_arm, True),
}
