"""Where boxes and wires go: columns from left to right, after Sugiyama, Tagawa and Toda 1981.

The order within columns, which has few crossings, and the heights come from igraph (see
docs/adr/0019-drawings.md). The text of a wire is a vertex of its own there, in a column between
those of the boxes, and a wire runs straight through every column that it passes: so nothing lies
on anything else, but for wires that cross in the gaps between columns.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np

from symdiff.errors import UnsupportedError
from symdiff.view.picture import LINE, Box, Picture

MARGIN: Final = 24.0
LARGEST: Final = 3000  # boxes of a drawing; placing them takes time with the square of the number
ROUNDS: Final = 60  # of the search for an order with few crossings
BETWEEN: Final = 14.0  # free space between a box and the next one in its column
LEAST_GAP: Final = 22.0  # between columns
GREATEST_GAP: Final = 80.0

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Layout:
    """A picture with places.

    Attributes:
        width, height: of the whole.
        boxes: the middle of the body of each box.
        wires: the points that each wire goes through; between the first and the second it is a
            straight line, then a curve, and so on by turns.
        texts: the middle of the texts of each wire that has any.
    """

    width: float
    height: float
    boxes: tuple[Point, ...]
    wires: tuple[tuple[Point, ...], ...]
    texts: dict[int, Point]


def layout(picture: Picture) -> Layout:
    """The places of all boxes, wires and texts of a picture.

    Raises:
        UnsupportedError: it has more than `LARGEST` boxes.
    """
    if len(picture.boxes) > LARGEST:
        raise UnsupportedError(
            f"the graph of {picture.name} has {len(picture.boxes)} boxes, and a drawing holds "
            f"{LARGEST}: draw a part of the function, or use its DOT text, which has no limit"
        )
    plan = _Plan(picture)
    rows = plan.rows()
    return _Space(picture, plan, rows).layout()


class _Plan:
    """The columns, and in which of them boxes, texts and bends are.

    Boxes are in even columns where wires have texts. These, and constants, are in the odd one
    before the target. Vertices are numbered: first the boxes, then, wire by wire, a bend in every
    column that it passes, and its text.

    Attributes:
        columns: of the vertices.
        texts: the vertices of the texts by wire.
        wires: the vertices that each wire goes through, from its source to its target.
    """

    def __init__(self, picture: Picture) -> None:
        step = 2 if any(wire.has_text for wire in picture.wires) else 1
        self.columns = [step * depth for depth in _depths(picture)]
        self.texts: dict[int, int] = {}
        self.wires: list[list[int]] = []
        for wire in picture.wires:
            if picture.boxes[wire.source].kind == "constant":
                self.columns[wire.source] = self.columns[wire.target] - 1
        for wire in picture.wires:
            passed = range(self.columns[wire.source] + 1, self.columns[wire.target])
            first = len(self.columns)
            self.columns += passed
            through = range(first, len(self.columns))
            self.wires.append([wire.source, *through, wire.target])
            if wire.has_text:
                self.texts[wire.number] = through[-1]

    def rows(self) -> list[float]:
        """The height of every vertex, in rows."""
        try:
            import igraph
        except ImportError:
            raise UnsupportedError(
                "drawings are laid out by igraph, which is not installed: pip install igraph"
            ) from None
        edges = [edge for wire in self.wires for edge in pairwise(wire)]
        graph: Any = igraph.Graph(n=len(self.columns), edges=edges, directed=True)
        found: Any = graph.layout_sugiyama(layers=self.columns, maxiter=ROUNDS)
        return [float(row) for row, _ in found.coords[: len(self.columns)]]


def _depths(picture: Picture) -> list[int]:
    """Operations as early as their operands allow; what has no operands beside its first use."""
    depths = [0] * len(picture.boxes)
    uses: dict[int, list[int]] = defaultdict(list)
    entered: set[int] = set()
    for wire in picture.wires:
        depths[wire.target] = max(depths[wire.target], depths[wire.source] + 1)
        uses[wire.source].append(wire.target)
        entered.add(wire.target)
    last = max(depths, default=0)
    for box in picture.boxes:
        if box.kind == "output":
            depths[box.number] = last
        elif box.number not in entered and uses[box.number]:
            depths[box.number] = min(depths[target] for target in uses[box.number]) - 1
    return depths


class _Space:
    """Widths and heights: rows and columns become points."""

    def __init__(self, picture: Picture, plan: _Plan, rows: Sequence[float]) -> None:
        self.picture = picture
        self.plan = plan
        self.written = set(plan.texts.values())
        boxes = picture.boxes
        self.pitch = BETWEEN + max((b.body[1] / 2 for b in boxes), default=0.0)
        self.pitch += max((box.below for box in boxes), default=0.0)
        self.heights = self._separated([self.pitch * row for row in rows])
        self.lefts, self.rights = self._columns()

    def layout(self) -> Layout:
        """The places of everything."""
        boxes = tuple([self._middle(box.number) for box in self.picture.boxes])
        wires = self._wires()
        texts = {wire: self._middle(vertex) for wire, vertex in self.plan.texts.items()}
        lowest = [y + box.below for box, (_, y) in zip(self.picture.boxes, boxes, strict=True)]
        lowest += [y + LINE for wire in wires for _, y in wire]
        width = (self.rights[-1] if self.rights else 0.0) + MARGIN
        return Layout(width, max(lowest, default=0.0) + MARGIN, boxes, wires, texts)

    def _separated(self, heights: Sequence[float]) -> list[float]:
        """Heights with what is in a column moved apart, where it is too close.

        igraph keeps an order, but not always a distance. The heights that are nearest to its own
        in the least squares, with the distances kept, are an isotonic regression.
        """
        from scipy.optimize import isotonic_regression

        columns: dict[int, list[int]] = defaultdict(list)
        for vertex in sorted(range(len(heights)), key=lambda vertex: heights[vertex]):
            columns[self.plan.columns[vertex]].append(vertex)
        found = list(heights)
        for vertices in columns.values():
            apart = [self._below(a) + self._above(b) + BETWEEN for a, b in pairwise(vertices)]
            least = np.concatenate([[0.0], np.cumsum(apart)])
            moved: Any = isotonic_regression([heights[vertex] for vertex in vertices] - least)
            for vertex, height in zip(vertices, moved.x + least, strict=True):
                found[vertex] = float(height)
        top = min([found[v] - self._above(v) for v in range(len(found))], default=0.0)
        return [height + MARGIN - top for height in found]

    def _above(self, vertex: int) -> float:
        """How far what is in a vertex reaches up."""
        if vertex < len(self.picture.boxes):
            return self.picture.boxes[vertex].body[1] / 2
        return LINE if vertex in self.written else 0.0

    def _below(self, vertex: int) -> float:
        """How far it reaches down."""
        if vertex < len(self.picture.boxes):
            return self.picture.boxes[vertex].below
        return self._above(vertex)

    def _middle(self, vertex: int) -> Point:
        column = self.plan.columns[vertex]
        return (self.lefts[column] + self.rights[column]) / 2, self.heights[vertex]

    def _columns(self) -> tuple[list[float], list[float]]:
        """The left and the right side of each column."""
        columns = self.plan.columns
        widths = [0.0] * (max(columns, default=-1) + 1)
        for box in self.picture.boxes:
            column = columns[box.number]
            widths[column] = max(widths[column], box.width)
        for wire, text in self.plan.texts.items():
            column = columns[text]
            widths[column] = max(widths[column], self.picture.wires[wire].width + 6)
        rises = [0.0] * len(widths)  # of the steepest wire on the way to the next column
        for vertices in self.plan.wires:
            for a, b in pairwise(vertices):
                rise = abs(self.heights[a] - self.heights[b])
                rises[columns[a]] = max(rises[columns[a]], rise)
        x, lefts, rights = MARGIN, list[float](), list[float]()
        for width, rise in zip(widths, rises, strict=True):
            lefts.append(x)
            rights.append(x + width)
            x += width + min(GREATEST_GAP, LEAST_GAP + 0.12 * rise)
        return lefts, rights

    def _wires(self) -> tuple[tuple[Point, ...], ...]:
        through = [self._through(wire) for wire in range(len(self.picture.wires))]
        ports = self._ports(through)
        wires: list[tuple[Point, ...]] = []
        for wire, points in zip(self.picture.wires, through, strict=True):
            start, end = self.picture.boxes[wire.source], self.picture.boxes[wire.target]
            x, y = self._middle(start.number)
            first = [(x + start.body[0] / 2, y), (self.rights[self.plan.columns[wire.source]], y)]
            x, y = self._middle(end.number)
            offset = ports[wire.number]
            last = [
                (self.lefts[self.plan.columns[wire.target]], y + offset),
                (x - _reach(end, offset), y + offset),
            ]
            wires.append(_straightened([*first, *points, *last]))
        return tuple(wires)

    def _through(self, wire: int) -> list[Point]:
        """Both sides of every column between the ends of a wire."""
        points: list[Point] = []
        for vertex in self.plan.wires[wire][1:-1]:
            column, y = self.plan.columns[vertex], self.heights[vertex]
            points += [(self.lefts[column], y), (self.rights[column], y)]
        return points

    def _ports(self, through: Sequence[Sequence[Point]]) -> list[float]:
        """How far above or below the middle of its target each wire arrives."""
        arriving: dict[int, list[tuple[float, int]]] = defaultdict(list)
        for wire in self.picture.wires:
            points = through[wire.number]
            height = points[-1][1] if points else self.heights[wire.source]
            arriving[wire.target].append((height, wire.number))
        offsets = [0.0] * len(self.picture.wires)
        for target, wires in arriving.items():
            height = self.picture.boxes[target].body[1]
            apart = min(12.0, 0.75 * height / len(wires))
            for place, (_, wire) in enumerate(sorted(wires)):
                offsets[wire] = apart * (place - (len(wires) - 1) / 2)
        return offsets


def _straightened(points: Sequence[Point]) -> tuple[Point, ...]:
    """The points of a wire without curves that are none: those between two of the same height."""
    kept = list(points[:1])
    for before, after in zip(points[1:-1:2], points[2::2], strict=True):
        if before[1] != after[1]:
            kept += [before, after]
    return (*kept, points[-1])


def _reach(box: Box, offset: float) -> float:
    """From the middle line of a box to its left side, `offset` above or below its middle."""
    if box.round:
        radius = box.body[0] / 2
        return (radius**2 - offset**2) ** 0.5
    return box.body[0] / 2
