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
    """The columns, and in which of them boxes and texts are.

    Boxes are in even columns where wires have texts. These, and constants, are in the odd one
    before the target. Vertices are numbered: boxes first, then texts.

    Attributes:
        columns: of the vertices.
        texts: the vertices of the texts by wire.
        edges, wires: pairs of vertices, and the edges that each wire is made of.
        bends: the row of each edge in every column that it passes; empty before `rows`.
    """

    def __init__(self, picture: Picture) -> None:
        step = 2 if any(wire.has_text for wire in picture.wires) else 1
        self.columns = [step * depth for depth in _depths(picture)]
        self.texts: dict[int, int] = {}
        self.edges: list[tuple[int, int]] = []
        self.wires: list[tuple[int, ...]] = []
        self.bends: list[list[float]] = []
        for wire in picture.wires:
            if picture.boxes[wire.source].kind == "constant":
                self.columns[wire.source] = self.columns[wire.target] - 1
        for wire in picture.wires:
            path = [wire.source, wire.target]
            if wire.has_text:
                self.texts[wire.number] = text = len(self.columns)
                self.columns.append(self.columns[wire.target] - 1)
                path.insert(1, text)
            first = len(self.edges)
            self.edges += pairwise(path)
            self.wires.append(tuple(range(first, len(self.edges))))

    def rows(self) -> list[float]:
        """The height of every vertex, in rows; finds the bends of the edges too."""
        import igraph

        graph: Any = igraph.Graph(n=len(self.columns), edges=self.edges, directed=True)
        found: Any = graph.layout_sugiyama(layers=self.columns, maxiter=ROUNDS)
        self.bends = [[float(row) for row, _ in bends] for bends in found.edge_routing]
        return [float(row) for row, _ in found.coords]


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


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands in a column: the height at `place` of the list `heights`, and how far it goes."""

    heights: list[float]
    place: int
    above: float
    below: float

    @property
    def height(self) -> float:
        return self.heights[self.place]


class _Space:
    """Widths and heights: rows and columns become points."""

    def __init__(self, picture: Picture, plan: _Plan, rows: Sequence[float]) -> None:
        self.picture = picture
        self.plan = plan
        boxes = picture.boxes
        self.pitch = BETWEEN + max((b.body[1] / 2 for b in boxes), default=0.0)
        self.pitch += max((box.below for box in boxes), default=0.0)
        self.heights = [self.pitch * row for row in rows]
        self.bends = [[self.pitch * row for row in bends] for bends in plan.bends]
        self._separate()
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

    def _separate(self) -> None:
        """Move what is in a column apart where it is too close, and nothing more than it takes.

        igraph keeps the order, but not always its distance. The heights that are nearest to its
        own in the least squares are an isotonic regression.
        """
        from scipy.optimize import isotonic_regression

        columns: dict[int, list[_Entry]] = defaultdict(list)
        boxes = self.picture.boxes
        for vertex, column in enumerate(self.plan.columns):
            size = (LINE, LINE)
            if vertex < len(boxes):
                size = (boxes[vertex].body[1] / 2, boxes[vertex].below)
            columns[column].append(_Entry(self.heights, vertex, *size))
        for edge, bends in enumerate(self.bends):
            first = self.plan.columns[self.plan.edges[edge][0]] + 1
            for place in range(len(bends)):
                columns[first + place].append(_Entry(bends, place, 0.0, 0.0))
        for entries in columns.values():
            entries.sort(key=lambda entry: entry.height)
            apart = [a.below + b.above + BETWEEN for a, b in pairwise(entries)]
            least = np.concatenate([[0.0], np.cumsum(apart)])
            found: Any = isotonic_regression([e.height for e in entries] - least)
            for entry, height in zip(entries, found.x + least, strict=True):
                entry.heights[entry.place] = round(float(height), 2)
        self._shift(MARGIN - min([e.height - e.above for c in columns.values() for e in c] or [0]))

    def _shift(self, down: float) -> None:
        self.heights = [height + down for height in self.heights]
        self.bends = [[height + down for height in bends] for bends in self.bends]

    def _middle(self, vertex: int) -> Point:
        column = self.plan.columns[vertex]
        return (self.lefts[column] + self.rights[column]) / 2, self.heights[vertex]

    def _columns(self) -> tuple[list[float], list[float]]:
        """The left and the right side of each column."""
        columns = self.plan.columns
        widths = [0.0] * (max(columns, default=-1) + 1)
        sizes = [box.width for box in self.picture.boxes]
        sizes += [self.picture.wires[wire].width + 6 for wire in self.plan.texts]
        for column, size in zip(columns, sizes, strict=True):
            widths[column] = max(widths[column], size)
        rises = [0.0] * len(widths)  # of the steepest wire on the way to the next column
        for edge, (start, end) in enumerate(self.plan.edges):
            heights = [self.heights[start], *self.bends[edge], self.heights[end]]
            for column, (a, b) in enumerate(pairwise(heights), columns[start]):
                rises[column] = max(rises[column], abs(a - b))
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
        for edge in self.plan.wires[wire]:
            start, end = self.plan.edges[edge]
            heights = list(self.bends[edge])
            if end >= len(self.picture.boxes):  # the text
                heights.append(self.heights[end])
            for column, y in enumerate(heights, self.plan.columns[start] + 1):
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
