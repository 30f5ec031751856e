"""Graphs that the tests draw."""

from __future__ import annotations

from typing import Any

import numpy as np

import symdiff as sd

LECTURE = "(x + y) * max(y, z)"
POINT = {"x": 1.0, "y": 2.0, "z": 0.0}


def lecture() -> sd.Drawing:
    """The example of the lecture on backpropagation: values 3, 2, 6, gradients 2, 5, 0."""
    return sd.draw(sd.function(LECTURE), POINT)


def layer() -> sd.Drawing:
    """u @ tanh(W @ x + b), with arrays."""

    def layer(W: Any, x: Any, b: Any, u: Any) -> Any:
        return u @ np.tanh(W @ x + b)

    rng = np.random.default_rng(3)
    shapes: tuple[tuple[int, ...], ...] = ((4, 6), (6,), (4,), (4,))
    return sd.draw(sd.function(layer), [rng.normal(size=shape) for shape in shapes])


def program(count: int) -> tuple[str, dict[str, float]]:
    """A program of `count` assignments that use what came shortly before, and a point."""
    rng = np.random.default_rng(count)
    forms = ("{a}*{b}", "{a} + sin({b})", "tanh({a}) - {b}", "max({a}, {b})", "{a}/(1 + {b}**2)")
    names = [f"x{i}" for i in range(12)]
    lines: list[str] = []
    for i in range(count):
        a, b = names[-int(rng.integers(1, 6))], names[-int(rng.integers(1, 14)) % len(names)]
        lines.append(f"h{i} = {forms[rng.integers(len(forms))].format(a=a, b=b)}")
        names.append(f"h{i}")
    text = "\n".join(lines)
    unused = [name for name in names[12:] if text.count(f"{name}") == 1]
    source = f"{text}\nreturn {' + '.join(unused or names[-1:])}"
    return source, {f"x{i}": 0.1 * i + 0.05 for i in range(12)}
