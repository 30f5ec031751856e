"""Figures of computation graphs, drawn by symdiff.view."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import symdiff as sd
from symdiff.view import draw
from symdiff.view.layout import layout
from symdiff.view.picture import Picture, picture
from symdiff.view.svg import DARK, LIGHT, svg

EXAMPLE: Final = "a = x + y\nb = max(y, z)\na * b"
POINT: Final = {"x": 1.0, "y": 2.0, "z": 0.0}
BRANCHES: Final = "3*y + y**2"
INPUTS: Final = {"x": 1.0, "y": 4.0, "u": 2.0, "v": 7.0, "a": 3.0, "b": 5.0}
INTUITIONS: Final = "2*(x + y) + 3*max(u, v) + a*b"


def forward() -> Picture:
    """The lecture's example with values alone."""
    graph = sd.ComputationGraph(EXAMPLE)
    graph.forward(POINT)
    return picture(graph)


def both(source: Any, at: Any) -> Picture:
    """Any source with values and gradients."""
    graph = sd.ComputationGraph(source)
    graph.forward(at)
    graph.backward()
    return picture(graph)


def shapes() -> Picture:
    """The network of one layer, whose nodes are arrays."""
    types = {"W": "f64[2,4]", "x": "f64[4]", "b": "f64[2]", "u": "f64[2]"}
    draw = np.random.default_rng(4)
    sizes = {"W": (2, 4), "x": 4, "b": 2, "u": 2}
    network = sd.function("z = W @ x + b\nh = tanh(z)\nu @ h", types)
    return both(network, {name: draw.normal(0, 0.5, size) for name, size in sizes.items()})


PICTURES: Final[dict[str, Callable[[], Picture]]] = {
    "example-forward": forward,
    "example-backward": lambda: both(EXAMPLE, POINT),
    "branches": lambda: both(BRANCHES, {"y": 2.0}),
    "intuitions": lambda: both(INTUITIONS, INPUTS),
    "shapes": shapes,
}


PAGES: Final[dict[str, tuple[str, dict[str, float]]]] = {"example": (EXAMPLE, POINT)}


def stepped(name: str) -> bytes:
    """The page that steps through a graph."""
    source, at = PAGES[name]
    return draw(sd.function(source), at).html().encode()


def drawn(name: str, dark: bool) -> bytes:
    """The SVG of a picture in the colours of light or of dark pages."""
    shown = PICTURES[name]()
    image = svg(shown, layout(shown), DARK if dark else LIGHT)
    # The ground is that of the page.
    return re.sub(r"(\.paper \{ fill: )#\w+", r"\1none", image).encode()
