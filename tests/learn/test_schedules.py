"""Schedules against their formulas."""

from __future__ import annotations

import math

import pytest

import symdiff as sd
from symdiff.learn import schedules

TIMES = [0.0, 0.25, 1.0, 1.999, 2.0, 3.5, 7.0, 9.999, 10.0, 24.0, 60.5]


@pytest.mark.parametrize("t", TIMES)
def test_every_schedule_is_its_formula(t: float) -> None:
    assert schedules.constant(0.3)(t) == 0.3
    assert schedules.halving(0.3, every=2)(t) == 0.3 / 2 ** math.floor(t / 2)
    assert schedules.exponential(0.3, k=0.1)(t) == 0.3 * math.exp(-0.1 * t)
    expected = 0.01 + 0.29 * (1 + math.cos(math.pi * t / 10)) / 2 if t < 10 else 0.01
    assert schedules.cosine(0.3, epochs=10, low=0.01)(t) == pytest.approx(expected, rel=1e-14)
    # Smith 2017, section 3.1, with step_size = period / 2.
    cycle = math.floor(1 + t / 4)
    x = abs(t / 2 - 2 * cycle + 1)
    expected = 0.1 + 0.2 * max(0.0, 1 - x)
    assert schedules.cyclic(0.1, 0.3, period=4)(t) == pytest.approx(expected, rel=1e-13)
    warm = schedules.warmup(5, schedules.exponential(0.3, k=0.1), start=0.1)
    factor = 0.1 + 0.9 * t / 5 if t < 5 else 1.0
    assert warm(t) == pytest.approx(0.3 * math.exp(-0.1 * t) * factor, rel=1e-14)
    both = schedules.chain(schedules.constant(0.3), 3, schedules.halving(0.2, every=1))
    assert both(t) == (0.3 if t < 3 else 0.2 / 2 ** math.floor(t - 3))


@pytest.mark.parametrize("batches", [1, 3, 7, 10, 30, 49, 100])
def test_halving_takes_place_at_every_border(batches: int) -> None:
    """At times as `fit` has them, with periods of some batches, also many epochs later."""
    for length in (1, 2, 3, batches):
        rate = schedules.halving(1.0, every=length / batches)
        for epoch in (0, 1, 2, 9):
            for i in range(batches):
                periods = (epoch * batches + i) // length
                assert rate(epoch + i / batches) == 0.5**periods, (length, epoch, i)
    rate = schedules.halving(1.0, every=0.1)
    assert [rate(i / 10) for i in range(1000)] == [0.5**i for i in range(1000)]
    assert rate(0.3 - 1e-14) == 0.25  # before the border, by more than rounding


def test_they_multiply_and_nest() -> None:
    rate = 2 * schedules.warmup(2, schedules.cosine(0.1, epochs=4)) * schedules.constant(0.5)
    assert rate(1.0) == pytest.approx(0.5 * 0.05 * (1 + math.cos(math.pi / 4)))
    assert repr(schedules.halving(0.1, every=3) * 2) == "halving(0.1, every=3) * 2"
    assert "cosine(0.1, epochs=4, low=0.0)" in repr(rate)
    assert schedules.warmup(1, lambda t: 0.5)(0.5) == 0.25


def test_lengths_are_checked() -> None:
    with pytest.raises(sd.ArgumentError, match="halving: every=0 is to be above 0"):
        schedules.halving(0.1, every=0)
    with pytest.raises(sd.ArgumentError, match="cosine: epochs"):
        schedules.cosine(0.1, epochs=-1)
    with pytest.raises(sd.ArgumentError, match="cyclic: period"):
        schedules.cyclic(0.1, 0.2, period=float("nan"))
