"""The models of `models` for JAX: value and gradient, jitted, in float64.

Written as JAX's own users write them: `jax.nn` and `jax.scipy` where these have the function. Where
another way of writing is faster in JAX, it is here too. Importing this module switches JAX to
float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

import numpy as np

jax: Any = import_module("jax")
jax.config.update("jax_enable_x64", True)
jnp: Any = jax.numpy
logsumexp: Any = import_module("jax.scipy.special").logsumexp

Array = Any

DECAY: Final = 1e-2
STEP: Final = 0.1


def rosenbrock(x: Array) -> Array:
    """The chained Rosenbrock function."""
    return jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def cross_entropy(scores: Array, labels: Array) -> Array:
    """The mean of -log softmax(scores)[row, label]."""
    return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(scores.shape[0]), labels])


def softmax_regression(X: Array, labels: Array, W: Array, b: Array) -> Array:
    """Softmax regression with an L2 penalty."""
    return cross_entropy(X @ W + b, labels) + 0.5 * DECAY * jnp.sum(W**2)


def network(X: Array, labels: Array, W: Array, b: Array, U: Array) -> Array:
    """A network with one hidden layer and an L2 penalty."""
    scores = jnp.tanh(X @ W + b) @ U
    return cross_entropy(scores, labels) + 0.5 * DECAY * (jnp.sum(W**2) + jnp.sum(U**2))


def mixture(x: Array, alphas: Array, means: Array, icf: Array) -> Array:
    """The log-likelihood of a Gaussian mixture with ADBench's Wishart prior (gamma 1, m 0)."""
    n, d = x.shape
    rows, columns = np.tril_indices(d, -1)
    order = np.lexsort((rows, columns))  # the triangle comes column by column
    diagonal = jnp.exp(icf[:, :d])

    def factor(logarithms: Array, triangle: Array) -> Array:
        return jnp.diag(jnp.exp(logarithms)).at[rows[order], columns[order]].set(triangle)

    factors = jax.vmap(factor)(icf[:, :d], icf[:, d:])
    whitened = jnp.einsum("kij,nkj->nki", factors, x[:, None, :] - means)
    log_determinant = jnp.sum(icf[:, :d], axis=1)
    inner = alphas + log_determinant - 0.5 * jnp.sum(whitened**2, axis=2)
    likelihood = jnp.sum(logsumexp(inner, axis=1)) - n * logsumexp(alphas)
    prior = 0.5 * (jnp.sum(diagonal**2) + jnp.sum(icf[:, d:] ** 2))
    freedom = d + 1
    multigamma = float(import_module("scipy.special").multigammaln(0.5 * freedom, d))
    constant = -0.5 * n * d * math.log(2 * math.pi)
    constant += len(alphas) * (0.5 * freedom * d * math.log(2) + multigamma)
    return constant + likelihood + prior


def lennard_jones(x: Array) -> Array:
    """The Lennard-Jones energy, from all pairs."""
    difference = x[:, None, :] - x[None, :, :]
    squared = jnp.sum(difference**2, axis=2) + jnp.eye(len(x))
    s = 1 / squared**3
    return 2 * jnp.sum(s * s - s)


def lennard_jones_triangle(x: Array) -> Array:
    """The same from each pair once."""
    i, j = np.tril_indices(len(x), -1)
    s = jnp.sum((x[i] - x[j]) ** 2, axis=1) ** -3
    return 4 * jnp.sum(s * s - s)


def lstm(main: Array, extra: Array, state: Array, sequence: Array, unroll: int = 1) -> Array:
    """ADBench's LSTM."""
    weights, biases = main[0::2], main[1::2]
    layers, width = len(weights), sequence.shape[1]
    gates = (layers, 4, width)
    weights, biases = weights.reshape(gates), biases.reshape(gates)

    def step(carry: Any, pair: Any) -> Any:
        (hidden, cell), (given, wanted) = carry, pair
        signal = given * extra[0]
        hiddens: list[Array] = []
        cells: list[Array] = []
        for w, b, h, c in zip(weights, biases, hidden, cell, strict=True):
            forget = jax.nn.sigmoid(signal * w[0] + b[0])
            let_in = jax.nn.sigmoid(h * w[1] + b[1])
            let_out = jax.nn.sigmoid(signal * w[2] + b[2])
            c = c * forget + let_in * jnp.tanh(h * w[3] + b[3])
            signal = let_out * jnp.tanh(c)
            hiddens.append(signal)
            cells.append(c)
        predicted = signal * extra[1] + extra[2]
        normalised = predicted - jnp.log(jnp.sum(jnp.exp(predicted)) + 2)
        return (jnp.stack(hiddens), jnp.stack(cells)), jnp.sum(wanted * normalised)

    pairs = (sequence[:-1], sequence[1:])
    _, terms = jax.lax.scan(step, (state[0::2], state[1::2]), pairs, unroll=unroll)
    return -jnp.sum(terms) / ((len(sequence) - 1) * width)


def kalman(
    log_variances: Array, start: Array, log_spread: Array, observed: Array, unroll: int = 1
) -> Array:
    """The negative log-likelihood of a Kalman filter with position and velocity."""
    move = jnp.array([[1, STEP], [0, 1]])
    walk = jnp.array([[STEP**3 / 3, STEP**2 / 2], [STEP**2 / 2, STEP]])
    variances = jnp.exp(log_variances)
    process, noise = variances[0] * walk, jnp.diag(variances[1:])

    def step(carry: Any, seen: Array) -> Any:
        mean, covariance = carry
        S = covariance + noise
        determinant = S[0, 0] * S[1, 1] - S[0, 1] * S[1, 0]
        inverse = jnp.array([[S[1, 1], -S[0, 1]], [-S[1, 0], S[0, 0]]]) / determinant
        surprise = seen - mean
        term = 0.5 * (jnp.log(determinant) + surprise @ inverse @ surprise)
        gain = covariance @ inverse
        mean = move @ (mean + gain @ surprise)
        covariance = move @ (covariance - gain @ covariance) @ move.T + process
        return (mean, covariance), term

    first = (start, jnp.diag(jnp.exp(log_spread)))
    _, terms = jax.lax.scan(step, first, observed, unroll=unroll)
    return jnp.sum(terms) + len(observed) * math.log(2 * math.pi)


def bundle_adjustment(
    cameras: Array, points: Array, weights: Array, camera: Array, point: Array, features: Array
) -> Array:
    """The sum of ADBench's squared residuals."""
    seen = jax.vmap(project)(cameras[camera], points[point])
    errors = weights[:, None] * (seen - features)
    return jnp.sum(errors**2) + jnp.sum((1 - weights**2) ** 2)


def project(camera: Array, point: Array) -> Array:
    """Where one point is in the image of one camera."""
    x, y, z = rotate(camera[:3], point - camera[3:6])
    plane = jnp.array([x, y]) / z
    squared = jnp.sum(plane**2)
    return camera[6] * (1 + camera[9] * squared + camera[10] * squared**2) * plane + camera[7:9]


def rotate(rotation: Array, point: Array) -> Array:
    """One point turned by one rotation vector."""
    squared = jnp.sum(rotation**2)
    still = squared == 0
    angle = jnp.sqrt(jnp.where(still, 1.0, squared))
    axis = rotation / angle
    turned = (
        point * jnp.cos(angle)
        + jnp.cross(axis, point) * jnp.sin(angle)
        + axis * (axis @ point) * (1 - jnp.cos(angle))
    )
    return jnp.where(still, point + jnp.cross(rotation, point), turned)


def bundle_adjustment_components(
    cameras: Array, points: Array, weights: Array, camera: Array, point: Array, features: Array
) -> Array:
    """The same, the observations of each component in one array."""
    c = [column[camera] for column in cameras.T]
    moved = [points[:, k][point] - c[3 + k] for k in range(3)]
    x, y, z = rotate_components(c[:3], moved)
    u, v = x / z, y / z
    squared = u**2 + v**2
    scale = c[6] * (1 + c[9] * squared + c[10] * squared**2)
    across = weights * (scale * u + c[7] - features[:, 0])
    down = weights * (scale * v + c[8] - features[:, 1])
    return jnp.sum(across**2 + down**2) + jnp.sum((1 - weights**2) ** 2)


def rotate_components(rotation: Sequence[Array], point: Sequence[Array]) -> list[Array]:
    """`rotate` for components that are arrays."""
    (a, b, c), (x, y, z) = rotation, point
    squared = a**2 + b**2 + c**2
    still = squared == 0
    angle = jnp.sqrt(jnp.where(still, 1.0, squared))
    cosine, sine = jnp.cos(angle), jnp.sin(angle)
    product = (b * z - c * y, c * x - a * z, a * y - b * x)
    along = (a * x + b * y + c * z) / angle**2 * (1 - cosine)
    return [
        jnp.where(still, p + cr, p * cosine + cr * (sine / angle) + r * along)
        for r, p, cr in zip(rotation, point, product, strict=True)
    ]


# For each model, the ways of writing it that JAX is measured with.
PEERS: Final[dict[str, dict[str, Callable[..., Any]]]] = {
    "rosenbrock": {"plain": rosenbrock},
    "softmax_regression": {"plain": softmax_regression},
    "network": {"plain": network},
    "mixture": {"plain": mixture},
    "lennard_jones": {"all pairs": lennard_jones},
    "lennard_jones_text": {"each pair once": lennard_jones_triangle, "all pairs": lennard_jones},
    "lstm": {"plain": lstm, "unroll=8": partial(lstm, unroll=8)},
    "kalman": {"plain": kalman, "unroll=8": partial(kalman, unroll=8)},
    "bundle_adjustment": {
        "vmap": bundle_adjustment,
        "by components": bundle_adjustment_components,
    },
}


def value_and_grad(
    function: Callable[..., Any], parameters: Sequence[str], wrt: Sequence[str]
) -> Callable[..., Any]:
    """Value and gradient of one of the PEERS, jitted, as a function of `parameters` in order."""
    positions = tuple(parameters.index(name) for name in wrt)
    return jax.jit(jax.value_and_grad(function, positions))
