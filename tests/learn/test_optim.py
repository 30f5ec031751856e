"""Every optimiser, compiled into the step, against formulas written down once more in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symdiff as sd
from symdiff import learn
from symdiff.learn import optim

STEPS = 60
Array = np.ndarray[Any, Any]
Reference = Callable[[Array, Array, dict[str, Any], float, int], Array]


# The problem: a loss whose gradient is easily written by hand.


def loss(p: Any, target: Any) -> Any:
    return np.sum(np.sin(p["W"]) * target) + 0.5 * np.sum(p["b"] ** 2) * p["scale"] ** 2


def gradient(p: dict[str, Array], target: Array) -> dict[str, Array]:
    return {
        "W": np.cos(p["W"]) * target,
        "b": p["b"] * p["scale"] ** 2,
        "scale": p["scale"] * np.sum(p["b"] ** 2),
    }


def start() -> dict[str, Array]:
    rng = np.random.default_rng(3)
    return {"W": rng.normal(size=(4, 3)), "b": rng.normal(size=5), "scale": np.array(0.7)}


# References: PyTorch's pseudocode, step `t` counted from 1; `memory` begins empty.


def sgd(momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0) -> Reference:
    def step(p: Array, g: Array, memory: dict[str, Any], lr: float, t: int) -> Array:
        g = g + weight_decay * p
        if momentum:
            b = g.copy() if t == 1 else momentum * memory["b"] + g
            memory["b"] = b
            g = g + momentum * b if nesterov else b
        return p - lr * g

    return step


def adagrad(lr_decay: float = 0.0, weight_decay: float = 0.0, initial: float = 0.0) -> Reference:
    def step(p: Array, g: Array, memory: dict[str, Any], lr: float, t: int) -> Array:
        g = g + weight_decay * p
        memory["s"] = memory.get("s", np.full_like(p, initial)) + g**2
        return p - lr / (1 + (t - 1) * lr_decay) * g / (np.sqrt(memory["s"]) + 1e-10)

    return step


def rmsprop(
    alpha: float = 0.99, momentum: float = 0.0, centered: bool = False, weight_decay: float = 0.0
) -> Reference:
    def step(p: Array, g: Array, memory: dict[str, Any], lr: float, t: int) -> Array:
        g = g + weight_decay * p
        memory["v"] = alpha * memory.get("v", 0.0) + (1 - alpha) * g**2
        v = memory["v"]
        if centered:
            memory["a"] = alpha * memory.get("a", 0.0) + (1 - alpha) * g
            v = v - memory["a"] ** 2
        direction = g / (np.sqrt(v) + 1e-8)
        if momentum:
            memory["b"] = direction = momentum * memory.get("b", 0.0) + direction
        return p - lr * direction

    return step


def adam(
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    decoupled: float = 0.0,
) -> Reference:
    def step(p: Array, g: Array, memory: dict[str, Any], lr: float, t: int) -> Array:
        p = p - lr * decoupled * p
        g = g + weight_decay * p
        memory["m"] = betas[0] * memory.get("m", 0.0) + (1 - betas[0]) * g
        memory["v"] = betas[1] * memory.get("v", 0.0) + (1 - betas[1]) * g**2
        v = memory["v"]
        if amsgrad:
            v = memory["most"] = np.maximum(memory.get("most", 0.0), v)
        m_hat = memory["m"] / (1 - betas[0] ** t)
        return p - lr * m_hat / (np.sqrt(v / (1 - betas[1] ** t)) + eps)

    return step


CASES: dict[str, tuple[optim.Optimizer, Reference]] = {
    "sgd": (optim.SGD(lr=0.05), sgd()),
    "sgd-momentum": (optim.SGD(lr=0.05, momentum=0.9), sgd(0.9)),
    "sgd-nesterov": (optim.SGD(lr=0.05, momentum=0.9, nesterov=True), sgd(0.9, True)),
    "sgd-decay": (optim.SGD(lr=0.05, momentum=0.5, weight_decay=0.1), sgd(0.5, False, 0.1)),
    "adagrad": (optim.Adagrad(lr=0.1), adagrad()),
    "adagrad-options": (
        optim.Adagrad(lr=0.1, lr_decay=0.1, weight_decay=0.05, initial_accumulator_value=0.3),
        adagrad(0.1, 0.05, 0.3),
    ),
    "rmsprop": (optim.RMSprop(lr=0.01), rmsprop()),
    "rmsprop-centered": (optim.RMSprop(lr=0.01, alpha=0.9, centered=True), rmsprop(0.9, 0.0, True)),
    "rmsprop-options": (
        optim.RMSprop(lr=0.01, alpha=0.95, momentum=0.8, centered=True, weight_decay=0.1),
        rmsprop(0.95, 0.8, True, 0.1),
    ),
    "adam": (optim.Adam(lr=0.05), adam()),
    "adam-options": (
        optim.Adam(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1),
        adam((0.8, 0.95), 1e-3, 0.1),
    ),
    "amsgrad": (
        optim.Adam(lr=0.05, betas=(0.5, 0.6), amsgrad=True),
        adam((0.5, 0.6), amsgrad=True),
    ),
    "adamw": (optim.AdamW(lr=0.05), adam(decoupled=1e-2)),
    "adamw-options": (
        optim.AdamW(lr=0.05, weight_decay=0.2, amsgrad=True),
        adam(decoupled=0.2, amsgrad=True),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_compiled_steps_are_those_of_the_formula(name: str) -> None:
    """Also with a learning rate that changes from step to step."""
    optimizer, reference = CASES[name]
    target = np.random.default_rng(4).normal(size=(4, 3))
    step = sd.compile(learn.training_step(loss, optimizer))
    params, expected = start(), start()
    state = optimizer.init(params)
    memories: dict[str, dict[str, Any]] = {path: {} for path in params}
    for t in range(1, STEPS + 1):
        lr = optimizer.lr / (1 + 0.01 * t)
        params, state, _ = step(params, state, target, lr)
        gradients = gradient(expected, target)
        expected = {k: reference(expected[k], gradients[k], memories[k], lr, t) for k in expected}
    for path in expected:
        np.testing.assert_allclose(params[path], expected[path], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_on_plain_arrays_they_are_the_same_functions(name: str) -> None:
    optimizer, reference = CASES[name]
    p, g = start(), gradient(start(), np.ones((4, 3)))
    changed, state = optimizer.update(p, g, optimizer.init(p))
    assert state["step"] == 1.0
    for path in p:
        expected = reference(p[path], g[path], {}, optimizer.lr, 1)
        np.testing.assert_allclose(changed[path], expected, rtol=1e-14, atol=1e-15)


# Rows.


def lookup(p: Any, words: Any, target: Any) -> Any:
    return np.sum(np.tanh(p["table"][words]) * target) + np.sum(p["w"] ** 2)


def test_sparse_adam_is_adam_on_the_rows_that_were_seen() -> None:
    """Words come twice in a batch; rows that no batch has keep their bits."""
    rng = np.random.default_rng(5)
    table = rng.normal(size=(40, 3))
    sparse, dense = optim.SparseAdam(lr=0.02), optim.Adam(lr=0.05)
    optimizer = optim.Groups(groups={"table": sparse}, otherwise=dense)
    params: Any = {"table": table.copy(), "w": np.ones(2)}
    state = optimizer.init(params)
    step = sd.compile(learn.training_step(lookup, optimizer))
    expected, m, v = table.copy(), np.zeros_like(table), np.zeros_like(table)
    seen: set[int] = set()
    for t in range(1, STEPS + 1):
        words, target = rng.integers(0, 20, (4, 5)), rng.normal(size=(4, 5, 3))
        words[0] = words[1]
        params, state, _ = step(params, state, words, target, 0.05)
        g = np.zeros_like(table)
        np.add.at(g, words, (1 - np.tanh(expected[words]) ** 2) * target)
        for row in np.unique(words):
            m[row] = 0.9 * m[row] + 0.1 * g[row]
            v[row] = 0.999 * v[row] + 0.001 * g[row] ** 2
            size = 0.02 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
            expected[row] -= size * m[row] / (np.sqrt(v[row]) + 1e-8)
        seen |= set(np.unique(words).tolist())
    np.testing.assert_allclose(params["table"], expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(state["slots"]["table"]["m"], m, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(state["slots"]["table"]["v"], v, rtol=1e-14, atol=1e-14)
    unseen = [row for row in range(40) if row not in seen]
    assert len(unseen) >= 20
    assert np.array_equal(params["table"][unseen], table[unseen])


def test_the_eps_of_sparse_adam_is_not_corrected_for_bias() -> None:
    """PyTorch's form: in a first step Adam's denominator is |g| + eps, this one's share is less."""
    g, eps, bias = 1e-3, 0.1, np.sqrt(1 - 0.999)
    rows = learn.Rows(np.array([0]), np.array([[g]]))
    table = np.zeros((2, 1))
    sparse, dense = optim.SparseAdam(lr=1.0, eps=eps), optim.Adam(lr=1.0, eps=eps)
    by_rows, _ = sparse.update({"t": table}, {"t": rows}, sparse.init({"t": table}))
    by_all, _ = dense.update(
        {"t": table}, {"t": [[g], [0.0]] * np.ones(1)}, dense.init({"t": table})
    )
    assert by_rows["t"][0, 0] == pytest.approx(-bias * g / (bias * g + eps), rel=1e-12)
    assert by_all["t"][0, 0] == pytest.approx(-g / (g + eps), rel=1e-12)


def test_a_table_used_in_several_places_has_one_sum_a_row() -> None:
    def both(p: Any, left: Any, right: Any) -> Any:
        return np.sum(p[left] * p[right])

    table = np.random.default_rng(6).normal(size=(6, 2))
    left, right = np.array([0, 1, 1]), np.array([1, 1, -6])
    optimizer = optim.SparseAdam(lr=0.1)
    step = sd.compile(learn.training_step(both, optimizer))
    changed, state, _ = step(table, optimizer.init(table), left, right, 0.1)
    g = sd.grad(both, wrt="p")(table, left, right)
    np.testing.assert_allclose(state["slots"][""]["m"], 0.1 * g, rtol=1e-14, atol=1e-16)
    assert np.array_equal(changed[2:], table[2:])
    touched = 0.1 * np.sqrt(0.001) / 0.1 * 0.1 * g[:2] / (np.sqrt(0.001 * g[:2] ** 2) + 1e-8)
    np.testing.assert_allclose(changed[:2], table[:2] - touched, rtol=1e-13)


def test_a_dense_gradient_is_refused_for_rows() -> None:
    def penalised(p: Any, words: Any) -> Any:
        return np.sum(p["table"][words] ** 2) + learn.losses.l2(p)

    optimizer = optim.SparseAdam()
    params = {"table": np.ones((3, 2))}
    step = sd.compile(learn.training_step(penalised, optimizer))
    with pytest.raises(sd.UnsupportedError, match="table: SparseAdam is for tables"):
        step(params, optimizer.init(params), np.array([0]), 0.1)
    with pytest.raises(sd.ArgumentError, match="takes Rows"):
        optimizer.update(params, params, optimizer.init(params))
    rows = learn.Rows(np.array([0]), np.ones((1, 2)))
    with pytest.raises(sd.ArgumentError, match="Adam takes dense gradients"):
        optim.Adam().update(params, {"table": rows}, optim.Adam().init(params))


# Groups, frozen parameters, precision.


def test_groups_keep_the_proportions_of_their_rates() -> None:
    optimizer = optim.Groups(groups={"W": optim.SGD(lr=0.5)}, otherwise=optim.SGD(lr=0.1))
    p = {"W": np.ones(2), "b": np.ones(2)}
    changed, _ = optimizer.update(p, {"W": np.ones(2), "b": np.ones(2)}, optimizer.init(p), lr=0.2)
    assert changed["W"].tolist() == [0.0, 0.0]
    assert changed["b"].tolist() == [0.8, 0.8]
    with pytest.raises(sd.ArgumentError, match="groups: no parameter is called 'V'"):
        optim.Groups(groups={"V": optim.SGD()}, otherwise=optim.SGD()).init(p)


def test_frozen_parameters_have_neither_gradient_nor_state() -> None:
    params = start()
    optimizer = optim.Adam(lr=0.1)
    state = optimizer.init(params, frozen=["b", "sc*"])
    assert list(state["slots"]) == ["W"]
    step = learn.training_step(loss, optimizer, clip=0.5)
    target = np.ones((4, 3))
    changed, _, _ = sd.compile(step)(params, state, target, 0.1)
    assert np.array_equal(changed["b"], params["b"])
    assert changed["scale"] == params["scale"]
    assert not np.any(changed["W"] == params["W"])
    program = sd.function(step).specialize(params, state, target, 0.1).ir
    assert [value.op.name for value in program.outputs[1:3]] == ["param", "param"]
    with pytest.raises(sd.ArgumentError, match="frozen: no parameter is called 'B'; there are W"):
        optimizer.init(params, frozen=["W", "B"])
    with pytest.raises(sd.ArgumentError, match="nothing to train"):
        optimizer.init(params, frozen="*")


def test_single_precision_stays_single() -> None:
    def line(p: Any, x: Any) -> Any:
        return np.sum((p["a"] * x - 1) ** 2)

    optimizer = optim.Adam(lr=0.1)
    params = {"a": np.ones(3, np.float32)}
    step = sd.compile(learn.training_step(line, optimizer, clip=1.0))
    changed, state, _ = step(params, optimizer.init(params), np.ones(3, np.float32) * 2, 0.1)
    assert changed["a"].dtype == np.float32
    assert state["slots"]["a"]["v"].dtype == np.float32
    np.testing.assert_allclose(changed["a"], 0.9, rtol=1e-6)


def wrong(value: Any) -> Any:
    """`value`, which type checkers would refuse."""
    return value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD(lr=-1.0), "SGD: lr=-1.0: expected a finite number from 0 on"),
        (lambda: optim.SGD(nesterov=True), "needs a momentum"),
        (lambda: optim.Adam(betas=(0.9, 1.0)), r"betas=\(0.9, 1.0\)"),
        (lambda: optim.SparseAdam(betas=(-0.1, 0.5)), "betas"),
        (lambda: optim.RMSprop(eps=float("nan")), "eps=nan"),
        (lambda: optim.Adam(betas=wrong((0.9,))), r"Adam: betas=\(0\.9,\): expected two numbers"),
        (lambda: optim.AdamW(betas=wrong(0.9)), r"AdamW: betas=0\.9: expected two numbers"),
        (lambda: optim.Adam(betas=wrong(("a", 0.9))), "expected two numbers"),
        (lambda: optim.Adam(amsgrad=wrong("no")), "amsgrad='no': expected True or False"),
        (lambda: optim.SGD(lr=wrong("0.1")), "lr='0.1': expected a finite number"),
        (lambda: optim.SGD(lr=wrong(None)), "lr=None: expected a finite number"),
        (lambda: optim.SGD(momentum=True), "momentum=True: expected a finite number"),
        (lambda: optim.SGD(nesterov=wrong(1), momentum=0.9), "nesterov=1: expected True or False"),
        (lambda: optim.Adagrad(lr_decay=float("inf")), "lr_decay=inf: expected a finite number"),
        (lambda: optim.RMSprop(alpha=1.5), "alpha=1.5: expected a number from 0 to below 1"),
        (lambda: optim.RMSprop(centered=wrong(None)), "centered=None: expected True or False"),
        (lambda: optim.Groups(groups={}, otherwise=optim.SGD(lr=0.0)), "above 0"),
        (lambda: optim.Groups(groups={}, otherwise=wrong("sgd")), "otherwise='sgd': expected an"),
        (
            lambda: optim.Groups(groups=wrong({"W": 1}), otherwise=optim.SGD()),
            "Groups: W=1: expected an optimiser",
        ),
    ],
)
def test_hyperparameters_are_checked(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        make()


def test_a_missing_gradient_is_named() -> None:
    optimizer = optim.SGD()
    p = {"layers": [{"W": np.ones(1)}]}
    with pytest.raises(sd.ArgumentError, match=r"the gradient of layers\.0\.W is missing"):
        optimizer.update(p, {}, optimizer.init(p))
