"""One contender of `bench.training` in a process of its own: `python -m bench.training_worker`.

It trains the network of examples/digits.py with Adam, in float64, and answers in lines of JSON:
first with the losses of the first steps, then, each time that it is told to, with the seconds that
a step takes. symdiff is imported by its own contender only, so that the others run in any Python
that has them.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from itertools import cycle
from time import perf_counter, process_time
from typing import Any, Final

import numpy as np

FEATURES: Final = 64
CLASSES: Final = 10
RATE: Final = 0.001
DECAY: Final = 5e-4
BATCHES: Final = 45  # of an epoch of the digits
CHECKED: Final = 200  # steps whose losses are compared
SLICE: Final = 0.1  # seconds of steps in each round

Step = Callable[[int], Any]  # of the batch of a number; returns a loss that `float` can read
Finish = Callable[[], Any]  # waits until all steps are done


class Problem:
    """Data and first parameters, drawn from a fixed seed.

    Attributes:
        X, y: the batches, f64[BATCHES, batch, FEATURES] and i64[BATCHES, batch].
        params: W, b, U, c.
    """

    def __init__(self, batch: int, hidden: int) -> None:
        draw = np.random.default_rng(0)
        self.X = draw.random((BATCHES, batch, FEATURES))
        self.y = np.argmax(self.X[:, :, :CLASSES] + 0.3 * self.X[:, :, 20:30], axis=2)
        self.params: dict[str, Any] = {
            "W": draw.normal(0.0, np.sqrt(2 / FEATURES), (FEATURES, hidden)),
            "b": np.zeros(hidden),
            "U": draw.normal(0.0, np.sqrt(2 / (hidden + CLASSES)), (hidden, CLASSES)),
            "c": np.zeros(CLASSES),
        }


def symdiff(problem: Problem, threads: int) -> tuple[Step, Finish]:
    """One kernel that is bound to its memory; a batch is copied there first."""
    import symdiff as sd
    from symdiff import learn

    def loss(p: Any, X: Any, y: Any) -> Any:
        hidden = learn.activations.relu(X @ p["W"] + p["b"])
        penalty = DECAY * learn.losses.l2(p, ["W", "U"])
        return learn.losses.softmax_cross_entropy(hidden @ p["U"] + p["c"], y) + penalty

    optimizer = learn.optim.Adam(lr=RATE)
    params = {name: array.copy() for name, array in problem.params.items()}
    state = optimizer.init(params)
    X, y = problem.X[0].copy(), problem.y[0].copy()
    source = learn.training_step(loss, optimizer)
    kernel = sd.compile(source, donate=["params", "state"], threads=threads, cache=False)
    bound = kernel.bind(params, state, X, y, RATE)

    def step(i: int) -> Any:
        X[...] = problem.X[i]
        y[...] = problem.y[i]
        return bound()[2]

    return step, lambda: None


def jax(problem: Problem, threads: int) -> tuple[Step, Finish]:
    """One jitted function with donated buffers; batches are on the device already."""
    jax: Any = __import__("jax")
    optax: Any = __import__("optax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    batches = [(jnp.asarray(X), jnp.asarray(y)) for X, y in zip(problem.X, problem.y, strict=True)]
    optimizer = optax.adam(RATE)

    def loss(p: Any, X: Any, y: Any) -> Any:
        scores = jax.nn.relu(X @ p["W"] + p["b"]) @ p["U"] + p["c"]
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, y)
        return losses.mean() + DECAY * (jnp.sum(p["W"] ** 2) + jnp.sum(p["U"] ** 2))

    def update(params: Any, state: Any, X: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(params, X, y)
        changes, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, changes), state, value

    compiled = jax.jit(update, donate_argnums=(0, 1))
    params = {name: jnp.asarray(array) for name, array in problem.params.items()}
    held = [params, optimizer.init(params)]

    def step(i: int) -> Any:
        held[0], held[1], value = compiled(held[0], held[1], *batches[i])
        return value

    return step, lambda: jax.block_until_ready(held)


def torch(problem: Problem, threads: int, compiled: bool = False) -> tuple[Step, Finish]:
    """Eager modules, or compiled ones, with the fused Adam; batches are tensors already."""
    torch: Any = __import__("torch")
    torch.set_num_threads(threads)
    batches = [
        (torch.from_numpy(X), torch.from_numpy(y))
        for X, y in zip(problem.X, problem.y, strict=True)
    ]
    p = {n: torch.from_numpy(a.copy()).requires_grad_() for n, a in problem.params.items()}
    optimizer = torch.optim.Adam(p.values(), lr=RATE, fused=True)

    def loss(X: Any, y: Any) -> Any:
        hidden = torch.relu(torch.addmm(p["b"], X, p["W"]))
        scores = torch.addmm(p["c"], hidden, p["U"])
        penalty = DECAY * (p["W"].square().sum() + p["U"].square().sum())
        return torch.nn.functional.cross_entropy(scores, y) + penalty

    forward = torch.compile(loss) if compiled else loss

    def step(i: int) -> Any:
        optimizer.zero_grad(set_to_none=True)
        value = forward(*batches[i])
        value.backward()
        optimizer.step()
        return value.detach()

    return step, lambda: None


CONTENDERS: Final[dict[str, Callable[[Problem, int], tuple[Step, Finish]]]] = {
    "symdiff": symdiff,
    "JAX + optax": jax,
    "PyTorch": torch,
    "PyTorch, compiled": lambda problem, threads: torch(problem, threads, True),
}


def main() -> None:
    """Measure the contender that the arguments name."""
    label, batch, hidden, threads = sys.argv[1], *map(int, sys.argv[2:5])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what packages print goes to standard error
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    problem = Problem(batch, hidden)
    try:
        step, finish = CONTENDERS[label](problem, threads)
        losses = [float(step(i % BATCHES)) for i in range(CHECKED)]
    except ModuleNotFoundError as error:
        print(json.dumps({"reason": f"{error.name} is not installed"}), file=answers, flush=True)
        return
    print(json.dumps({"losses": losses}), file=answers, flush=True)
    clock = process_time if threads == 1 else perf_counter
    numbers = cycle(range(BATCHES))
    for _ in sys.stdin:
        begin, start, count = perf_counter(), clock(), 0
        while perf_counter() - begin < SLICE:
            for _ in range(BATCHES):
                step(next(numbers))
            finish()
            count += BATCHES
        seconds = (clock() - start) / count
        print(json.dumps({"seconds": seconds}), file=answers, flush=True)


if __name__ == "__main__":
    main()
