"""Training: the same bits every time, resumed ones too; early stopping; what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symdiff as sd
from symdiff import learn
from symdiff.learn import checkpoints, optim, schedules
from symdiff.learn.batches import Batches
from symdiff.learn.structures import by_path

RNG = np.random.default_rng(11)
X = RNG.normal(size=(50, 4))
Y = (X @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3 * RNG.normal(size=50) > 0).astype(np.int64)
HELD = RNG.normal(size=(20, 4)), RNG.integers(0, 2, 20)


def loss(p: Any, x: Any, y: Any) -> Any:
    hidden = np.tanh(x @ p["W"] + p["b"])
    return learn.losses.softmax_cross_entropy(hidden @ p["U"], y) + 1e-3 * learn.losses.l2(p, "?")


def start() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "W": learn.init.xavier_normal((4, 6), rng),
        "b": learn.init.zeros(6),
        "U": learn.init.xavier_normal((6, 2), rng),
    }


def train(params: Any = None, **options: Any) -> learn.Result:
    setting: dict[str, Any] = {
        "optimizer": optim.Adam(lr=0.02),
        "epochs": 6,
        "batch_size": 16,  # 50 examples: three of these and one of two
        "schedule": schedules.cosine(0.02, epochs=6),
        "seed": 3,
        **options,
    }
    return learn.fit(loss, start() if params is None else params, (X, Y), **setting)


def assert_same(a: Any, b: Any) -> None:
    """The same bits in two structures."""
    left, right = (by_path(s)[1] for s in (a, b))
    assert list(left) == list(right)
    for path in left:
        assert np.asarray(left[path]).tobytes() == np.asarray(right[path]).tobytes(), path


# What is computed.


def test_epochs_are_steps_over_shuffled_batches() -> None:
    """By a loop written out: every example once an epoch, the last batch smaller."""
    optimizer = optim.SGD(lr=0.1, momentum=0.9)
    result = train(optimizer=optimizer, schedule=schedules.halving(0.1, every=2), epochs=4)
    both = sd.value_and_grad(loss, wrt="p")
    params, state = start(), optimizer.init(start())
    for epoch in range(4):
        order = np.random.default_rng([3, epoch]).permutation(50)
        losses: list[float] = []
        for batch in (order[:16], order[16:32], order[32:48], order[48:]):
            value, gradient = both(params, X[batch], Y[batch])
            lr = 0.1 / 2 ** (epoch // 2)
            params, state = optimizer.update(params, gradient, state, lr)
            losses.append(value * len(batch))
        assert result.history[epoch]["loss"] == pytest.approx(sum(losses) / 50, rel=1e-13)
        assert result.history[epoch]["lr"] == 0.1 / 2 ** (epoch // 2)
    for path in params:
        np.testing.assert_allclose(result.params[path], params[path], rtol=1e-12, atol=1e-14)


def test_every_example_comes_once_an_epoch() -> None:
    batches = Batches((np.arange(10), np.arange(10) * 2.0), 4, seed=1)
    assert len(batches) == 3
    seen: list[int] = []
    for size in batches.epoch(0):
        index, double = batches.memory(size)
        assert np.array_equal(double, 2 * index)
        seen += index.tolist()
    assert sorted(seen) == list(range(10))
    assert seen != list(range(10))
    assert not np.array_equal(batches.order(0), batches.order(1))


def test_the_same_seed_gives_the_same_bits() -> None:
    first, second, other = train(), train(), train(seed=4)
    assert_same(first.params, second.params)
    assert_same(first.state, second.state)
    assert first.history["loss"] == second.history["loss"]
    assert first.history["loss"] != other.history["loss"]


def test_what_is_given_stays_as_it_is() -> None:
    params = start()
    result = train(params)
    assert_same(params, start())
    assert result.epochs == len(result.history) == result.best_epoch == 6
    assert result.stopped == ""


def test_frozen_parameters_keep_their_bits() -> None:
    result = train(frozen=["W", "b"])
    assert_same([result.params["W"], result.params["b"]], [start()["W"], start()["b"]])
    assert list(result.state["slots"]) == ["U"]
    assert not np.any(result.params["U"] == start()["U"])


def test_options_of_the_kernel_are_passed_on() -> None:
    plain, fast = train(epochs=2), train(epochs=2, fastmath=True, threads=2)
    for path in plain.params:
        np.testing.assert_allclose(fast.params[path], plain.params[path], rtol=1e-9, atol=1e-12)
    with pytest.raises(sd.ArgumentError, match="threads"):
        train(threads=0)


def test_clipping_takes_part() -> None:
    slow = train(optimizer=optim.SGD(lr=1.0), schedule=None, clip=1e-3, epochs=1)
    moved = math.sqrt(sum(np.sum((slow.params[k] - start()[k]) ** 2) for k in start()))
    assert 0 < moved < 4.001e-3


def test_clipping_takes_gradients_whose_squares_overflow() -> None:
    result = learn.fit(
        lambda p, x: np.mean(x) * np.sum(p["w"]),
        {"w": np.zeros(3, np.float32)},
        np.full(4, 1e20, np.float32),
        optimizer=optim.SGD(lr=1.0),
        clip=1.0,
        epochs=1,
    )
    assert result.params["w"].dtype == np.float32
    np.testing.assert_allclose(result.params["w"], -1 / math.sqrt(3), rtol=1e-6)


def test_structures_of_all_kinds_are_trained() -> None:
    def line(p: Any, x: Any) -> Any:
        return np.mean((p[0] * x + p[1]["c"] - 2.0 * x - 1.0) ** 2)

    x = np.linspace(-1, 1, 32)
    params: Any = (0.0, {"c": np.float64(0.0), "steps": 3})
    result = learn.fit(line, params, x, optimizer=optim.SGD(lr=0.5), epochs=100)
    assert isinstance(result.params, tuple)
    assert result.params[0] == pytest.approx(2.0, abs=1e-6)
    assert result.params[1]["c"] == pytest.approx(1.0, abs=1e-6)
    assert result.params[1]["steps"] == 3


def test_validation_is_the_mean_loss_or_a_function() -> None:
    result = train(validation=HELD, epochs=2)
    assert result.history["validation"][-1] == pytest.approx(
        sd.function(loss)(result.params, *HELD), rel=1e-13
    )
    result = train(validation=lambda p: float(np.sum(p["W"])), epochs=2)
    assert result.history["validation"][-1] == np.sum(result.params["W"])


def test_early_stopping_gives_back_the_best() -> None:
    curve = [3.0, 2.0, 1.0, 1.5, 0.9999, 1.2, 1.3, 0.1]
    seen: list[Any] = []

    def measure(p: Any) -> float:
        seen.append({k: v.copy() for k, v in p.items()})
        return curve[len(seen) - 1]

    result = train(validation=measure, patience=4, min_delta=0.01, epochs=8)
    assert result.stopped == "no lower validation in 4 epochs"
    assert (result.epochs, result.best_epoch) == (7, 3)
    assert_same(result.params, seen[2])


def test_callbacks_see_every_epoch_and_may_stop() -> None:
    seen: list[tuple[int, float]] = []

    def watch(training: learn.Training) -> bool:
        seen.append((training.epoch, training.history["loss"][-1]))
        return training.epoch == 3

    result = train(callbacks=[watch])
    assert [epoch for epoch, _ in seen] == [1, 2, 3]
    assert [value for _, value in seen] == result.history["loss"]
    assert result.stopped == result.history.stopped == "a callback asked for it"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (lambda p, x: np.mean((p["a"] * x) ** 4), "inf"),  # grows from step to step
        (lambda p, x: np.mean(np.sqrt(p["a"] - x)), "nan"),
    ],
)
def test_a_loss_that_is_not_finite_ends_it(source: Any, value: str, tmp_path: Path) -> None:
    """After that epoch, with one warning, also when it is asked to go on from there."""
    x = np.full(8, 5.0)
    options: dict[str, Any] = {
        "optimizer": optim.SGD(lr=10.0),
        "epochs": 9,
        "checkpoint": tmp_path / "model.npz",
    }
    seen: list[dict[str, Any]] = []

    def note(training: learn.Training) -> None:
        seen.append({"a": training.params["a"].copy()})

    def run(**more: Any) -> learn.Result:
        with pytest.warns(RuntimeWarning, match="a smaller learning rate, or clip=.*sd.debug") as w:
            result = learn.fit(source, {"a": 2.0}, x, **options, **more)
        assert len(w) == 1
        assert w[0].filename == __file__
        assert result.stopped in str(w[0].message)
        return result

    result = run(callbacks=[note])
    last = len(seen)
    assert 0 < last < 9
    assert result.epochs == len(result.history) == last
    assert result.stopped == result.history.stopped == f"the loss is {value} in epoch {last}"
    assert f"stopped: the loss is {value}" in repr(result.history)
    assert all(map(math.isfinite, result.history["loss"][:-1]))
    assert str(result.history["loss"][-1]) == value
    assert_same(result.params, seen[-1])
    again = run(resume=True)
    assert (again.epochs, again.history.stopped) == (last, result.stopped)


def test_a_loss_that_stays_finite_is_no_matter_for_a_warning() -> None:
    assert train(epochs=2).history.stopped == ""


# Checkpoints.


def test_a_resumed_training_has_the_bits_of_one_that_never_stopped(tmp_path: Path) -> None:
    """Stopped after every epoch, by early stopping's rules too."""
    whole = train(validation=HELD, patience=3, checkpoint=tmp_path / "whole.npz")
    path = tmp_path / "parts.npz"
    for epochs in range(1, 6):
        train(validation=HELD, patience=3, checkpoint=path, resume=True, epochs=epochs)
    parts = train(validation=HELD, patience=3, checkpoint=path, resume=True)
    for a, b in ((whole.params, parts.params), (whole.state, parts.state)):
        assert_same(a, b)
    assert whole.history["loss"] == parts.history["loss"]
    assert whole.history["validation"] == parts.history["validation"]
    assert (whole.epochs, whole.best_epoch) == (parts.epochs, parts.best_epoch)
    assert_same(checkpoints.load_params(path, start()), whole.params)
    again = train(validation=HELD, patience=3, checkpoint=path, resume=True)
    assert_same(again.params, whole.params)
    assert len(again.history) == len(whole.history)


def test_checkpoints_may_be_rarer(tmp_path: Path) -> None:
    """After every second epoch, and after the last one."""
    path = tmp_path / "model.npz"
    written: list[int] = []

    def look(training: learn.Training) -> None:
        written.append(checkpoints.load(path)[1]["epoch"] if path.exists() else 0)

    whole = train(checkpoint=path, checkpoint_every=2, epochs=5, callbacks=[look])
    assert written == [0, 2, 2, 4, 5]
    assert_same(checkpoints.load_params(path, start()), whole.params)


def test_a_stopped_training_stays_stopped(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    rising = iter(range(100))
    options: dict[str, Any] = {
        "validation": lambda p: float(next(rising)),
        "patience": 2,
        "checkpoint": path,
    }
    first = train(**options)
    again = train(**options, resume=True)
    assert first.epochs == again.epochs == 3
    assert first.stopped == again.stopped == "no lower validation in 2 epochs"
    assert_same(first.params, again.params)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    train(checkpoint=path, epochs=1)
    with pytest.raises(sd.ArgumentError, match="another training: seed=3 instead of 5"):
        train(checkpoint=path, resume=True, seed=5)
    with pytest.raises(sd.ArgumentError, match=r"params\.W is float64\[4, 6\]"):
        train({**start(), "W": np.zeros((4, 5))}, checkpoint=path, resume=True)
    with pytest.raises(sd.ArgumentError, match=r"has a state\.slots\.b\.m"):
        train(checkpoint=path, resume=True, frozen="b")
    with pytest.raises(sd.ArgumentError, match="has no parameter 'V'"):
        checkpoints.load_params(path, {"V": np.ones(2)})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(learn.CheckpointError, match="not a checkpoint that can be read"):
        train(checkpoint=path, resume=True)
    # Without `resume` it starts again, and writes over it.
    assert train(checkpoint=path, epochs=1).epochs == 1
    assert checkpoints.load(path)[1]["epoch"] == 1


# What is refused, and what is shown.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs=0"),
        ({"checkpoint_every": True}, "checkpoint_every=True"),
        ({"batch_size": 1.5}, r"batch_size=1\.5"),
        ({"patience": 2}, "patience= needs validation="),
        ({"resume": True}, "resume=True needs checkpoint="),
        ({"validation": (X,)}, r"validation: the loss takes 2 arrays of a batch \(x, y\), got 1"),
        ({"frozen": "*"}, "nothing to train"),
        ({"clip": -1.0}, r"clip: limit=-1\.0: expected a finite number above 0"),
        ({"clip": "a"}, "clip: limit='a'"),
        ({"optimizer": optim.Adam}, "optimizer=<class .*Adam'>: expected an optimiser"),
        ({"min_delta": None}, "min_delta=None"),
        ({"schedule": "a"}, "schedule='a': expected a function of the epochs"),
        ({"schedule": 0.1}, r"schedule=0\.1: expected a function"),
        ({"schedule": lambda t: None}, "schedule <.*> returned None after 0 epochs: expected a"),
        ({"schedule": lambda t: "0.1"}, "returned '0.1' after 0 epochs"),
        ({"schedule": lambda t: math.nan if t else 0.1}, "returned nan after 0.25 epochs"),
        ({"schedule": lambda t: 0.1 - t}, "returned -0.15 after 0.25 epochs"),
        ({"validation": lambda p: None}, "validation: the function <.*> returned None: expected"),
        (
            {"validation": lambda p: np.ones(2)},
            r"returned array\(\[1., 1.\]\): expected one number",
        ),
    ],
)
def test_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        train(**options)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("missing/model.npz", "there is no folder '.*missing'"),
        (".", "not of a folder"),
        (3, "checkpoint=3: expected the path of a file"),
    ],
)
def test_checkpoints_that_cannot_be_written_are_refused_first(
    place: Any, message: str, tmp_path: Path
) -> None:
    seen: list[Any] = []
    path = tmp_path / place if isinstance(place, str) else place
    with pytest.raises(sd.ArgumentError, match=message):
        train(checkpoint=path, callbacks=[seen.append], schedule=seen.append)
    assert not seen


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((X, Y[:-1]), "x: 50, y: 49"),
        (X, "takes 2 arrays"),
        ((X[:0], Y[:0]), "at least one"),
        ((X, 1.0), "x: 50, y: 0"),
        ((X, np.array(["a"] * 50)), "y has no real numbers"),
    ],
)
def test_data_are_checked(data: Any, message: str) -> None:
    with pytest.raises(sd.ArgumentError, match=message):
        learn.fit(loss, start(), data)


def test_losses_have_fixed_parameters() -> None:
    with pytest.raises(sd.ArgumentError, match="fixed number of parameters"):
        learn.fit(lambda p, *rest: 0.0, start(), (X, Y))
    with pytest.raises(sd.ArgumentError, match="no parameters"):
        learn.training_step(lambda: 0.0, optim.SGD())

    def named(p: Any, lr: Any, lr_: Any) -> Any:  # as the step's own parameters are
        return np.sum((p * lr - lr_) ** 2)

    data = np.ones((5, 3)), np.zeros((5, 3))
    result = learn.fit(named, np.ones(3), data, optimizer=optim.SGD(lr=0.1), epochs=2)
    assert result.params.tolist() == pytest.approx([0.0] * 3, abs=1e-3)
    whole = sd.function(lambda w, x: np.sum((w - x) ** 2))
    result = learn.fit(whole, np.zeros(3), np.ones((5, 3)), optimizer=optim.SGD(lr=0.1))
    assert result.params.tolist() == pytest.approx([1.0] * 3, abs=1e-3)


def test_history_is_a_table(tmp_path: Path) -> None:
    history = train(validation=HELD, epochs=2).history
    assert history.columns == ["epoch", "loss", "lr", "validation", "seconds"]
    assert history[1]["epoch"] == 2
    assert len(list(history)) == 2
    assert repr(history).startswith("<History of 2 epochs: epoch=2, loss=")
    assert history._repr_html_().count("<tr>") == 3
    with pytest.raises(sd.ArgumentError, match="no column 'accuracy' but epoch, loss"):
        history["accuracy"]


def test_history_plots_itself() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    axes = train(validation=HELD, epochs=3).history.plot()
    loss_line, held_line = axes.get_lines()
    assert list(loss_line.get_xdata()) == [1, 2, 3]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["loss", "validation"]
    assert len(held_line.get_ydata()) == 3
    matplotlib.pyplot.close(axes.figure)


def test_the_bar_is_drawn_on_terminals_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    train(epochs=1)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    train(epochs=2)
    shown = capsys.readouterr()
    assert "2/2" in shown.err
    assert shown.out == ""
    train(epochs=1, progress=False)
    assert capsys.readouterr() == ("", "")
