"""The examples show what they say that they show."""

from __future__ import annotations

import numpy as np
import pytest

from examples import vectorisation, window_classifier


def test_digits_are_read() -> None:
    """97% of the test set, in under 10 seconds of processor time with compiling."""
    pytest.importorskip("sklearn")
    from examples import digits

    outcome = digits.train()
    assert outcome.accuracy >= 0.97
    assert outcome.processor_seconds < 10
    losses = outcome.result.history["loss"]
    assert losses[-1] < 0.1 * losses[0]


def test_the_gradient_of_a_window_is_that_of_its_words() -> None:
    split = window_classifier.split_gradient()
    assert split.words == ["museums", "in", "Paris", "are", "amazing"]
    assert [part.shape for part in split.parts] == [(window_classifier.DIMENSION,)] * 5
    assert all(np.linalg.norm(part) > 0 for part in split.parts)
    assert split.difference < 1e-15


def test_a_step_changes_the_rows_of_its_words_at_any_size_of_vocabulary() -> None:
    """A table 100 times as large costs some misses of the cache, and not 100 times as much."""
    small, large = (window_classifier.step_cost(n, steps=50) for n in (1_000, 100_000))
    assert small.changed == small.seen
    assert large.changed == large.seen
    assert large.seconds < 10 * small.seconds


@pytest.mark.slow
def test_fine_tuning_helps_with_much_data_and_forgets_words_without_any() -> None:
    little = window_classifier.compare(30, 0.3)
    assert little.frozen_new > little.tuned_new
    much = window_classifier.compare(400, 1.0)
    assert much.tuned > much.frozen


def test_television_stays_behind() -> None:
    frozen, tuned = (window_classifier.television(way) for way in (False, True))
    unseen = window_classifier.UNSEEN
    assert max(frozen.chances[word] for word in ("TV", "telly", unseen)) < 0.25
    assert max(tuned.chances[word] for word in ("TV", "telly")) < 0.05
    assert tuned.chances[unseen] > 0.5
    start = np.array(window_classifier.REVIEWS[unseen][0])
    assert np.array_equal(tuned.vectors[unseen], start)
    assert np.linalg.norm(tuned.vectors["TV"] - window_classifier.REVIEWS["TV"][0]) > 1.0


def test_all_ways_of_vectorisation_agree() -> None:
    ways = {way.name: way for way in vectorisation.measure(repeats=20, rounds=7)}
    expected = ways["one matrix, NumPy"].scores
    for way in ways.values():
        np.testing.assert_allclose(way.scores, expected, rtol=1e-12, err_msg=way.name)
    mapped, whole = ways["vmap, symdiff"].seconds, ways["one matrix, symdiff"].seconds
    assert 0.4 < mapped / whole < 2.5  # the same kernel but for the order of axes


@pytest.mark.slow
def test_it_prints_all_of_that(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["window_classifier.py", "--quick"])
    window_classifier.main()
    shown = capsys.readouterr().out
    assert [f"{i}. " in shown for i in range(1, 5)] == [True] * 4
