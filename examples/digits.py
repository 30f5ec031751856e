"""A two-layer network reads scikit-learn's handwritten digits: 97% of those it has never seen.

Run it: python examples/digits.py [--plot digits.png]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from sklearn.datasets import load_digits  # type: ignore[import-untyped]

from symdiff import learn

Array = np.ndarray[Any, Any]

HIDDEN, CLASSES, EPOCHS, BATCH = 128, 10, 40, 32


def data(seed: int = 0) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Training and test sets: 1,437 and 360 images of 8 x 8 pixels as rows, and their digits."""
    images, labels = cast("tuple[Any, Any]", load_digits(return_X_y=True))
    order = np.random.default_rng(seed).permutation(len(labels))
    images, labels = images[order] / 16.0, labels[order]
    return (images[360:], labels[360:]), (images[:360], labels[:360])


def start(labels: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Small random weights, and output biases that know how frequent the digits are."""
    return {
        "W": learn.init.he_normal((64, HIDDEN), rng),
        "b": learn.init.zeros(HIDDEN),
        "U": learn.init.xavier_normal((HIDDEN, CLASSES), rng),
        "c": learn.init.output_bias(labels, "softmax"),
    }


def scores(p: Any, x: Any) -> Any:
    return learn.activations.relu(x @ p["W"] + p["b"]) @ p["U"] + p["c"]


def loss(p: Any, x: Any, y: Any) -> Any:
    penalty = 5e-4 * learn.losses.l2(p, ["W", "U"])
    return learn.losses.softmax_cross_entropy(scores(p, x), y) + penalty


def accuracy(p: Any, x: Array, y: Array) -> float:
    found = np.argmax(np.asarray(scores(p, x)), axis=1)
    return float(np.mean(np.equal(found, y)))


@dataclass
class Outcome:
    """What training came to. Times include compiling: on the clock, and of the processor."""

    result: learn.Result
    accuracy: float
    seconds: float
    processor_seconds: float


def train(seed: int = 0) -> Outcome:
    training, test = data(seed)
    params = start(training[1], np.random.default_rng(seed))
    begin, work = time.perf_counter(), time.process_time()
    result = learn.fit(
        loss,
        params,
        training,
        optimizer=learn.optim.Adam(),
        schedule=learn.schedules.warmup(1, learn.schedules.cosine(0.015, epochs=EPOCHS)),
        epochs=EPOCHS,
        batch_size=BATCH,
        seed=seed,
    )
    seconds, work = time.perf_counter() - begin, time.process_time() - work
    return Outcome(result, accuracy(result.params, *test), seconds, work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", help="a file for the plot of the history")
    options = parser.parse_args()
    outcome = train()
    steps = int(outcome.result.state["step"])
    print(outcome.result)
    print(
        f"test accuracy {outcome.accuracy:.1%} after {steps} steps in {outcome.seconds:.2f} s, "
        f"{outcome.processor_seconds:.2f} s of processor time"
    )
    if options.plot:
        outcome.result.history.plot().figure.savefig(options.plot)


if __name__ == "__main__":
    main()
