"""Nine models as someone would write them with NumPy, and inputs for each, drawn from a seed.

Every model is a Python function (one is text) that symdiff differentiates as it stands. It runs on
plain arrays too, and `models_jax` has it for JAX. Where a model is ADBench's
(https://github.com/microsoft/ADBench), it has the mathematics, the sizes and the order of
parameters of that suite, so that figures can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

import symdiff as sd

Array = Any  # a NumPy array, or the traced value that stands for one
Inputs = dict[str, Any]

DECAY: Final = 1e-2  # weight of the L2 penalty of both classifiers
WISHART_GAMMA: Final = 1.0  # ADBench's prior on the precisions of the mixture
WISHART_M: Final = 0
STEP: Final = 0.1  # seconds between two observations of the Kalman filter


class Model(NamedTuple):
    """A model to be differentiated.

    Attributes:
        title: what it is, for tables.
        source: what symdiff takes.
        wrt: the parameters with respect to which the gradient is wanted.
        inputs: arguments by name, of the size that is measured unless told otherwise.
        small: arguments of `inputs` for tests.
    """

    title: str
    source: Any
    wrt: tuple[str, ...]
    inputs: Callable[..., Inputs]
    small: dict[str, int]


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


# Chained Rosenbrock.


def rosenbrock(x: Array) -> Array:
    """The chained Rosenbrock function of x[n]."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_inputs(n: int = 1_000_000) -> Inputs:
    """A point near the bottom of the valley."""
    draw = np.random.default_rng(1)
    return {"x": 1 + 0.3 * draw.normal(size=n)}


# Classifiers.


def cross_entropy(scores: Array, labels: Array) -> Array:
    """The mean over rows of -log softmax(scores)[row, label]."""
    logarithms = sd.numpy.log_softmax(scores, axis=1)
    chosen = logarithms[np.arange(len(scores)), labels]
    return -np.mean(chosen)  # pyright: ignore[reportUnknownVariableType]


def softmax_regression(X: Array, labels: Array, W: Array, b: Array) -> Array:
    """Softmax regression of labels[n] on X[n, features], with an L2 penalty."""
    return cross_entropy(X @ W + b, labels) + 0.5 * DECAY * np.sum(W**2)


def softmax_regression_inputs(rows: int = 1000, features: int = 50, classes: int = 10) -> Inputs:
    """Normal features, labels at random."""
    draw = np.random.default_rng(2)
    return {
        "X": draw.normal(size=(rows, features)),
        "labels": draw.integers(classes, size=rows),
        "W": 0.1 * draw.normal(size=(features, classes)),
        "b": 0.1 * draw.normal(size=classes),
    }


def network(X: Array, labels: Array, W: Array, b: Array, U: Array) -> Array:
    """A network with one hidden layer, classifying the rows of X, with an L2 penalty."""
    scores = np.tanh(X @ W + b) @ U
    return cross_entropy(scores, labels) + 0.5 * DECAY * (np.sum(W**2) + np.sum(U**2))


def network_inputs(
    rows: int = 128, features: int = 250, hidden: int = 100, classes: int = 5
) -> Inputs:
    """Normal features, labels at random, weights of the size that training begins with."""
    draw = np.random.default_rng(3)
    return {
        "X": draw.normal(size=(rows, features)),
        "labels": draw.integers(classes, size=rows),
        "W": draw.normal(size=(features, hidden)) / math.sqrt(features),
        "b": 0.1 * draw.normal(size=hidden),
        "U": draw.normal(size=(hidden, classes)) / math.sqrt(hidden),
    }


# Gaussian mixture.


def mixture(x: Array, alphas: Array, means: Array, icf: Array) -> Array:
    """The log-likelihood of x[n, d] under a Gaussian mixture, with a Wishart prior: ADBench's GMM.

    `alphas[k]` are the logarithms of the weights up to a constant, `means[k, d]` the centres.
    `icf[k, d*(d+1)/2]` has the inverse Cholesky factors of the covariances: the logarithms of the
    diagonal, then the lower triangle column by column.
    """
    n, d = x.shape
    clusters = len(alphas)
    place, below = lower_triangle(d)
    log_diagonal = icf[:, :d]
    diagonal = np.exp(log_diagonal)
    log_determinant = np.sum(log_diagonal, axis=1)
    factor = icf[:, d + place] * below

    centred = x[:, None, :] - means
    whitened = diagonal * centred + np.einsum("kij,nkj->nki", factor, centred)
    inner = alphas + log_determinant - 0.5 * np.sum(whitened**2, axis=2)
    likelihood = np.sum(sd.numpy.logsumexp(inner, axis=1)) - n * sd.numpy.logsumexp(alphas)

    squares = np.sum(diagonal**2) + np.sum(icf[:, d:] ** 2)
    prior = 0.5 * WISHART_GAMMA**2 * squares - WISHART_M * np.sum(log_determinant)
    constant = -0.5 * n * d * math.log(2 * math.pi) - clusters * wishart_constant(d)
    return constant + likelihood + prior


def lower_triangle(d: int) -> tuple[Array, Array]:
    """Where each element below the diagonal of a d x d matrix stands among them, and a mask.

    They are counted column by column; elements that are not below the diagonal are at place 0.
    """
    columns, rows = np.triu_indices(d, 1)
    place = np.zeros((d, d), np.int64)
    place[rows, columns] = np.arange(len(rows))
    return place, np.tri(d, k=-1)


def wishart_constant(d: int) -> float:
    """The part of the logarithm of the Wishart density that no parameter changes."""
    n = d + WISHART_M + 1
    log_gamma = 0.25 * d * (d - 1) * math.log(math.pi)
    log_gamma += sum(math.lgamma(0.5 * (n - j)) for j in range(d))
    return n * d * (math.log(WISHART_GAMMA) - 0.5 * math.log(2)) - log_gamma


def mixture_inputs(n: int = 1000, d: int = 10, k: int = 25) -> Inputs:
    """Points and parameters as ADBench draws them."""
    draw = np.random.default_rng(4)
    return {
        "x": draw.normal(size=(n, d)),
        "alphas": draw.normal(size=k),
        "means": draw.uniform(size=(k, d)),
        "icf": draw.normal(size=(k, d * (d + 1) // 2)),
    }


# Lennard-Jones.


def lennard_jones(x: Array) -> Array:
    """The Lennard-Jones energy of atoms at x[n, 3], from all pairs."""
    difference = x[:, None, :] - x[None, :, :]
    # An atom is at distance 1 from itself, where the potential is 0.
    squared = np.sum(difference**2, axis=2) + np.eye(len(x))
    s = 1 / squared**3
    return 2 * np.sum(s * s - s)  # 4 per pair, and every pair is met twice


LENNARD_JONES_TEXT: Final = """
def energy(x: f64[n,3]):
    return sum(4*(sum((x[i,k] - x[j,k])**2 for k in range(3))**-6
                  - sum((x[i,k] - x[j,k])**2 for k in range(3))**-3)
               for i in range(n) for j in range(i))
"""


def lennard_jones_inputs(n: int = 256) -> Inputs:
    """Atoms near the places of a cubic lattice."""
    draw = np.random.default_rng(5)
    side = math.ceil(n ** (1 / 3))
    lattice = np.stack(np.unravel_index(np.arange(n), (side, side, side)), axis=1)
    return {"x": 1.1 * lattice + 0.05 * draw.normal(size=(n, 3))}


# LSTM.


def lstm(main: Array, extra: Array, state: Array, sequence: Array) -> Array:
    """The mean negative log-likelihood of sequence[t, b] as predicted step by step: ADBench's LSTM.

    `main[2*layers, 4*b]` has weights and biases of each layer, `extra[3, b]` the scale of the
    input and scale and offset of the output, `state[2*layers, b]` the first hidden state and cell
    of each layer.
    """
    layers, width = len(main) // 2, sequence.shape[1]

    def step(carry: tuple[Array, Array], pair: tuple[Array, Array]) -> Any:
        state, total = carry
        given, wanted = pair
        hidden = given * extra[0]
        after: list[Array] = []
        for layer in range(layers):
            weight, bias = main[2 * layer], main[2 * layer + 1]
            before, cell = state[2 * layer], state[2 * layer + 1]
            forget = sigmoid(hidden * weight[:width] + bias[:width])
            let_in = sigmoid(before * weight[width : 2 * width] + bias[width : 2 * width])
            let_out = sigmoid(hidden * weight[2 * width : 3 * width] + bias[2 * width : 3 * width])
            change = np.tanh(before * weight[3 * width :] + bias[3 * width :])
            cell = cell * forget + let_in * change
            hidden = let_out * np.tanh(cell)
            after += [hidden, cell]
        predicted = hidden * extra[1] + extra[2]
        normalised = predicted - np.log(np.sum(np.exp(predicted)) + 2)
        return (np.stack(after), total + np.sum(wanted * normalised)), None

    (_, total), _ = sd.scan(step, (state, 0.0), (sequence[:-1], sequence[1:]))
    return -total / ((len(sequence) - 1) * width)


def lstm_inputs(steps: int = 256, width: int = 14, layers: int = 2) -> Inputs:
    """Characters at random, one hot, one more than there are steps."""
    draw = np.random.default_rng(6)
    return {
        "main": draw.uniform(-1, 1, size=(2 * layers, 4 * width)),
        "extra": draw.uniform(-1, 1, size=(3, width)),
        "state": draw.uniform(-1, 1, size=(2 * layers, width)),
        "sequence": np.eye(width)[draw.integers(width, size=steps + 1)],
    }


# Kalman filter.


def kalman(log_variances: Array, start: Array, log_spread: Array, observed: Array) -> Array:
    """The negative log-likelihood of observed[t, 2], positions and velocities of one body.

    Its velocity does a random walk. `log_variances[3]` are the logarithms of the spectral density
    of that walk and of the variances of both observations, `start[2]` is the state expected at
    first, `log_spread[2]` the logarithms of its variances.
    """
    move = np.array([[1, STEP], [0, 1]])
    walk = np.array([[STEP**3 / 3, STEP**2 / 2], [STEP**2 / 2, STEP]])
    variances = np.exp(log_variances)
    process = variances[0] * walk
    noise = variances[1:, None] * np.eye(2)

    def step(carry: tuple[Array, Array, Array], seen: Array) -> Any:
        mean, covariance, total = carry
        surprise = seen - mean
        inverse, determinant = inverse_2x2(covariance + noise)
        total = total + 0.5 * (np.log(determinant) + surprise @ inverse @ surprise)
        gain = covariance @ inverse
        mean = move @ (mean + gain @ surprise)
        covariance = move @ (covariance - gain @ covariance) @ move.T + process
        return (mean, covariance, total), None

    first = np.exp(log_spread)[:, None] * np.eye(2)
    (_, _, total), _ = sd.scan(step, (start, first, 0.0), observed)
    return total + len(observed) * math.log(2 * math.pi)


def inverse_2x2(A: Array) -> tuple[Array, Array]:
    """The inverse and the determinant of a 2 x 2 matrix."""
    determinant = A[0, 0] * A[1, 1] - A[0, 1] * A[1, 0]
    adjugate = sd.numpy.array([[A[1, 1], -A[0, 1]], [-A[1, 0], A[0, 0]]])
    return adjugate / determinant, determinant


def kalman_inputs(steps: int = 500) -> Inputs:
    """A random walk, seen with noise, and parameters that are somewhat off."""
    draw = np.random.default_rng(7)
    velocity = 1 + np.cumsum(math.sqrt(0.5 * STEP) * draw.normal(size=steps))
    position = STEP * np.cumsum(velocity)
    noise = draw.normal(size=(steps, 2)) * [0.5, 0.3]
    return {
        "log_variances": np.log([0.4, 0.3, 0.1]),
        "start": np.array([0.1, 0.8]),
        "log_spread": np.log([1.0, 0.5]),
        "observed": np.stack([position, velocity], axis=1) + noise,
    }


# Bundle adjustment.


def bundle_adjustment(
    cameras: Array,
    points: Array,
    weights: Array,
    camera: Array,
    point: Array,
    features: Array,
) -> Array:
    """The sum of ADBench's squared residuals: weighted reprojection errors, and 1 - w**2.

    Observation i saw the point `points[point[i]]` with the camera `cameras[camera[i]]` at
    `features[i]`. A camera is a rotation vector (3), its place (3), the focal length, the
    principal point (2) and the radial distortion (2).
    """
    errors = weights[:, None] * (project(cameras[camera], points[point]) - features)
    return np.sum(errors**2) + np.sum((1 - weights**2) ** 2)


def project(cameras: Array, points: Array) -> Array:
    """Where each of the points[p, 3] is in the image of its camera, cameras[p, 11]."""
    seen = rotate(cameras[:, :3], points - cameras[:, 3:6])
    plane = seen[:, :2] / seen[:, 2:]
    squared = np.sum(plane**2, axis=1)
    distortion = 1 + cameras[:, 9] * squared + cameras[:, 10] * squared**2
    return cameras[:, 6:7] * distortion[:, None] * plane + cameras[:, 7:9]


def rotate(rotations: Array, points: Array) -> Array:
    """Each of the points[p, 3] turned by its rotation vector: Rodrigues' formula."""
    squared = np.sum(rotations**2, axis=1, keepdims=True)
    still = squared == 0
    angle = np.sqrt(np.where(still, 1.0, squared))
    axis = rotations / angle
    turned = (
        points * np.cos(angle)
        + cross(axis, points) * np.sin(angle)
        + axis * (np.sum(axis * points, axis=1, keepdims=True) * (1 - np.cos(angle)))
    )
    shifted = points + cross(rotations, points)
    return np.where(still, shifted, turned)  # pyright: ignore[reportUnknownVariableType]


def cross(a: Array, b: Array) -> Array:
    """The cross products of the rows of a and b."""
    (a0, a1, a2), (b0, b1, b2) = a.T, b.T
    return np.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], axis=1)


def bundle_adjustment_inputs(
    observations: int = 50_000, cameras: int = 49, points: int = 7776
) -> Inputs:
    """Cameras near the origin, points in front of them, features that are somewhat off."""
    draw = np.random.default_rng(8)
    rig = np.concatenate(
        [
            0.1 * draw.normal(size=(cameras, 3)),
            0.5 * draw.normal(size=(cameras, 3)),
            draw.uniform(400, 800, size=(cameras, 1)),
            5 * draw.normal(size=(cameras, 2)),
            0.01 * draw.normal(size=(cameras, 2)),
        ],
        axis=1,
    )
    scene = np.array([0, 0, 8]) + draw.normal(size=(points, 3))
    camera = draw.integers(cameras, size=observations)
    point = draw.integers(points, size=observations)
    exact = project(rig[camera], scene[point])
    return {
        "cameras": rig,
        "points": scene,
        "weights": draw.uniform(0.5, 1.5, size=observations),
        "camera": camera,
        "point": point,
        "features": exact + draw.normal(size=(observations, 2)),
    }


MODELS: Final[dict[str, Model]] = {
    "rosenbrock": Model(
        "chained Rosenbrock, n = 1,000,000", rosenbrock, ("x",), rosenbrock_inputs, {"n": 17}
    ),
    "softmax_regression": Model(
        "softmax regression with L2, 1000 x 50, 10 classes",
        softmax_regression,
        ("W", "b"),
        softmax_regression_inputs,
        {"rows": 12, "features": 5, "classes": 3},
    ),
    "network": Model(
        "network with L2, X[128,250] W[250,100] U[100,5]",
        network,
        ("W", "b", "U"),
        network_inputs,
        {"rows": 9, "features": 6, "hidden": 4, "classes": 3},
    ),
    "mixture": Model(
        "Gaussian mixture (ADBench), d = 10, K = 25, N = 1000",
        mixture,
        ("alphas", "means", "icf"),
        mixture_inputs,
        {"n": 11, "d": 4, "k": 3},
    ),
    "lennard_jones": Model(
        "Lennard-Jones, 256 atoms, all pairs of arrays",
        lennard_jones,
        ("x",),
        lennard_jones_inputs,
        {"n": 9},
    ),
    "lennard_jones_text": Model(
        "Lennard-Jones, 256 atoms, triangular sum in text",
        LENNARD_JONES_TEXT,
        ("x",),
        lennard_jones_inputs,
        {"n": 9},
    ),
    "lstm": Model(
        "LSTM (ADBench), 2 layers, 14 units, 256 steps",
        lstm,
        ("main", "extra"),
        lstm_inputs,
        {"steps": 6, "width": 3},
    ),
    "kalman": Model(
        "Kalman filter, 2 x 2, 500 steps",
        kalman,
        ("log_variances", "start", "log_spread"),
        kalman_inputs,
        {"steps": 8},
    ),
    "bundle_adjustment": Model(
        "bundle adjustment (ADBench), 50,000 observations",
        bundle_adjustment,
        ("cameras", "points", "weights"),
        bundle_adjustment_inputs,
        {"observations": 30, "cameras": 3, "points": 7},
    ),
}
