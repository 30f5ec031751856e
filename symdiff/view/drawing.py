"""Drawings of functions: one picture, as text, image or page."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

from symdiff.errors import ArgumentError
from symdiff.functions import Function, collector_paused
from symdiff.graph import ComputationGraph
from symdiff.page import frame
from symdiff.view.dot import dot
from symdiff.view.layout import Layout, layout
from symdiff.view.page import page
from symdiff.view.picture import Picture, picture
from symdiff.view.png import png
from symdiff.view.svg import DARK, LIGHT, svg


class Drawing(str):
    """The computation graph of a function, to look at; as a string, Graphviz's DOT text.

    Source nodes are on the left, outputs on the right. Drawn at a point, every wire has the value
    that runs along it and, below, the gradient that comes back; see docs/graphs.md. In a notebook
    it shows itself, as a page that steps forward and back through the nodes.

        >>> import symdiff as sd
        >>> drawing = sd.function("(x + y) * max(y, z)").graph(at={"x": 1, "y": 2, "z": 0})
        >>> drawing.startswith("digraph")
        True
        >>> "2 + 3 = 5" in drawing.svg()  # the gradients of both ways that y takes
        True
    """

    picture: Picture

    def __new__(cls, picture: Picture) -> Drawing:
        """The drawing of a picture."""
        made = super().__new__(cls, dot(picture))
        made.picture = picture
        return made

    @property
    def dot(self) -> str:
        """The graph in Graphviz's language, as a plain string."""
        return str(self)

    @cached_property
    def layout(self) -> Layout:
        """Where everything is.

        Raises:
            UnsupportedError: the graph is too large to be drawn.
        """
        return layout(self.picture)

    def svg(self) -> str:
        """An SVG image that needs nothing else, and is dark where its surroundings are."""
        return svg(self.picture, self.layout)

    def html(self) -> str:
        """A page that needs nothing else, and steps through the graph forward and backward."""
        return page(self.picture, self.layout)

    def png(self, scale: float = 2.0, dark: bool = False) -> bytes:
        """A PNG image, `scale` pixels to a point.

        Raises:
            UnsupportedError: the libraries of the extra `plot` are not installed.
        """
        image = svg(self.picture, self.layout, DARK if dark else LIGHT)
        return png(image, self.layout.width, self.layout.height, scale)

    def save(self, path: str | Path) -> None:
        """Write the file `path`, whose name says the format: .svg, .html, .png or .dot.

        Raises:
            ArgumentError: it ends in something else.
        """
        path = Path(path)
        makers: dict[str, Callable[[], str | bytes]] = {
            ".svg": self.svg,
            ".html": self.html,
            ".png": self.png,
            ".dot": lambda: self.dot,
        }
        make = makers.get(path.suffix.lower())
        if make is None:
            raise ArgumentError(f"{path}: expected a name that ends in {', '.join(makers)}")
        content = make()
        data = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(data)

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return frame(f"computation graph of {self.picture.name}", self.html(), "560px")

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


@collector_paused()
def draw(function: Function, at: Any = None) -> Drawing:
    """The drawing of a function: with values and gradients at the point `at`, or without numbers.

    A function without parameters needs no point for them.

    Args:
        function: what is drawn, as it is written.
        at: the arguments by name or in order, as in `ComputationGraph.forward`.

    Raises:
        NeedsShapes: the operations depend on shapes, and `at` does not give them.
        ArgumentError, ShapeError: `at` does not fit the parameters.
        DifferentiationError: an operation has no derivative rule.

        >>> import symdiff as sd
        >>> [wire.gradient for wire in draw(sd.function("x*y"), [2, 3]).picture.wires]
        ['3', '2', '1']
    """
    if at is None:
        _ = function.ir  # which says what to do where shapes are missing
    graph = ComputationGraph(function)
    if at is None and not graph.parameters:
        at = ()
    if at is not None:
        graph.forward(at)
        if any(output.type.dtype.kind == "f" for output in graph.function.ir.outputs):
            graph.backward()
    return Drawing(picture(graph))
