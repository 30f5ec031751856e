"""A training step works where its arrays lie: nothing is allocated."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import symdiff as sd
from symdiff import learn
from symdiff.learn import optim
from symdiff.learn.batches import Batches
from symdiff.learn.structures import by_path
from symdiff.learn.training import Stepper

RNG = np.random.default_rng(12)
WORDS, DIMENSION, WINDOW = 5_000, 8, 5


def loss(p: Any, windows: Any, labels: Any) -> Any:
    x = np.reshape(p["words"][windows], (windows.shape[0], -1))
    return learn.losses.softmax_cross_entropy(np.tanh(x @ p["W"] + p["b"]) @ p["U"], labels)


def start() -> dict[str, Any]:
    return {
        "words": RNG.normal(size=(WORDS, DIMENSION)),
        "W": 0.1 * RNG.normal(size=(WINDOW * DIMENSION, 64)),
        "b": np.zeros(64),
        "U": 0.1 * RNG.normal(size=(64, 30)),
    }


BATCH = 256
DATA = RNG.integers(0, WORDS, (10 * BATCH, WINDOW)), RNG.integers(0, 30, 10 * BATCH)
ROWS = optim.Groups(
    groups={"words": optim.SparseAdam(lr=0.01)}, otherwise=optim.SGD(lr=0.1, momentum=0.9)
)


@pytest.mark.parametrize("optimizer", [optim.Adam(lr=0.01), ROWS], ids=["dense", "rows"])
def test_steps_allocate_nothing(optimizer: optim.Optimizer) -> None:
    """Arrays stay the same ones, and what is ever allocated is less than any of the larger ones."""
    params = start()
    state = optimizer.init(params)
    held = {id(leaf) for s in (params, state) for leaf in by_path(s)[1].values()}
    batches = Batches(DATA, BATCH, seed=0)
    source = learn.training_step(loss, optimizer, clip=5.0)
    stepper = Stepper(source, params, state, batches.memory, {})
    before = params["words"].copy()
    for size in batches.epoch(0):
        stepper.step(size, 0.01)
    order = batches.epoch(1)
    next(order)  # the permutation is made
    stepper.step(BATCH, 0.01)
    tracemalloc.start()
    start_size, _ = tracemalloc.get_traced_memory()
    for size in order:
        stepper.step(size, 0.01)
    end_size, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    smallest = min(params["U"].nbytes, params["W"].nbytes, batches.memory(BATCH)[0].nbytes)
    assert peak - start_size < 8192 < smallest
    assert end_size - start_size < 4096
    assert {id(leaf) for s in (params, state) for leaf in by_path(s)[1].values()} == held
    assert state["step"] == 20
    assert not np.array_equal(params["words"], before)


def test_the_scratch_memory_of_rows_does_not_grow_with_the_table() -> None:
    """Nor does the program, whose loops run over the rows of a batch."""
    sizes: list[int] = []
    for words in (100, 100_000):
        params = {**start(), "words": np.zeros((words, DIMENSION))}
        step = sd.function(learn.training_step(loss, ROWS))
        given = params, ROWS.init(params), DATA[0][:32] % words, DATA[1][:32], 0.1
        kernel = sd.compile(step, donate=["params", "state"]).specialize(*given)
        sizes.append(kernel._program.workspace)
    assert sizes[0] == sizes[1] < 1 << 20
