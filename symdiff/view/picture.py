"""A computation graph as a picture: boxes and the wires between them, with their texts and sizes.

Where things are is not said here; see `symdiff.view.layout`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from symdiff import ir
from symdiff.graph import ComputationGraph, Node
from symdiff.view.figures import extent, figure, number_text, shape_text
from symdiff.view.metrics import shortened, text_width

LABEL: Final = 15.0  # font sizes
CAPTION: Final = 10.5
FIGURE: Final = 12.0
LINE: Final = 14.0  # from one caption to the next
RADIUS: Final = 19.0  # of an operation
THUMB: Final = 34.0  # the longer side of a picture of an array
LONGEST: Final = 20  # characters of a caption
TERMS: Final = 4  # of a sum that are written out


@dataclass(frozen=True, slots=True)
class Box:
    """A node of the graph, or an output.

    Attributes:
        number: its place in `Picture.boxes`; boxes come after those whose wires run into them.
        node: what it shows; for an output the node that is returned.
        kind: "input", "constant", "operation" or "output".
        label: what stands in it.
        captions: lines below it.
        total: the sum of the gradients on several wires that leave it, written out; "" for none.
        pictured: whether the value, and the gradient if there is one, are pictures in it.
        body: width and height of the box without captions.
    """

    number: int
    node: Node
    kind: str
    label: str
    captions: tuple[str, ...]
    total: str
    pictured: bool
    body: tuple[float, float]

    @property
    def round(self) -> bool:
        """Whether it is drawn as a circle."""
        return self.kind == "operation" and self.body == (2 * RADIUS, 2 * RADIUS)

    @property
    def lines(self) -> tuple[str, ...]:
        """All that is written below it."""
        return (*self.captions, self.total) if self.total else self.captions

    @property
    def width(self) -> float:
        """With what is written below."""
        return max(self.body[0], *(text_width(line, CAPTION) for line in self.lines), 0.0)

    @property
    def below(self) -> float:
        """From the middle of the body to the last line."""
        return self.body[1] / 2 + (LINE * len(self.lines) + 2 if self.lines else 0)


@dataclass(frozen=True, slots=True)
class Wire:
    """A value on its way to an operation, and the gradient on its way back.

    Attributes:
        number: its place in `Picture.wires`.
        source, target: numbers of boxes.
        operand: which operand of the target it is.
        value, gradient: the texts beside it; "" for none, as for constants.
    """

    number: int
    source: int
    target: int
    operand: int
    value: str
    gradient: str

    @property
    def has_text(self) -> bool:
        """Whether anything is written beside it."""
        return bool(self.value or self.gradient)

    @property
    def width(self) -> float:
        """Of the longer text."""
        return max(text_width(self.value, FIGURE), text_width(self.gradient, FIGURE))


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn of a graph.

    An output is called as the function is, and where there are several, as each of them is.

    Attributes:
        name: of the function.
        boxes, wires: operands come before the operations on them.
        numbers: whether there are values and gradients.
    """

    name: str
    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    numbers: bool


def picture(graph: ComputationGraph) -> Picture:
    """The boxes and wires of a graph; with numbers where `forward` and `backward` have been.

    A constant has a box beside each operation on it, since it is nothing that gradients would meet
    in; every other node has one box, however many operations it goes into.
    """
    nodes, outputs = graph.nodes_topologically_sorted(), graph.outputs
    seeds = Counter(node.index for node in outputs)
    boxes: list[Box] = []
    wires: list[Wire] = []
    home: dict[int, int] = {}  # the box of a node

    def add(node: Node, kind: str, label: str) -> int:
        boxes.append(_box(len(boxes), node, kind, label, seeds[node.index]))
        return len(boxes) - 1

    def start_of(node: Node) -> int:
        return add(node, "constant", node.label) if node.kind == "constant" else home[node.index]

    def connect(source: Node, start: int, target: int, operand: int, gradient: Any) -> None:
        texts = (_figure(source.value), _figure(gradient))
        if source.kind == "constant":
            texts = ("", "")  # its box says it, and nothing flows back
        wires.append(Wire(len(wires), start, target, operand, *texts))

    for node in nodes:
        if node.kind == "constant":
            continue
        starts = [start_of(operand) for operand in node.inputs]
        home[node.index] = add(node, node.kind, node.label)
        operands = zip(node.inputs, starts, node.downstream, strict=True)
        for i, (source, start, gradient) in enumerate(operands):
            connect(source, start, home[node.index], i, gradient)
    name = graph.function.name
    labels = [leaf.name for leaf in ir.leaves(graph.function.ir.result)]
    for label, node in zip(labels if len(labels) > 1 else [name], outputs, strict=True):
        start = start_of(node)
        connect(node, start, add(node, "output", label), 0, upstream(node))
    return Picture(name, tuple(boxes), tuple(wires), any(node.value is not None for node in nodes))


def upstream(node: Node) -> Any:
    """The gradient that an output begins with: 1, for every element of an array."""
    if node.gradient is None:
        return None
    return np.ones(node.type.shape) if node.type.shape else 1.0


def shares(node: Node, seeds: int) -> list[Any]:
    """The gradients that come back to a node, one a wire; `seeds` says how often it is an output.

    Their sum is the node's own gradient.
    """
    users = {user.index: user for user in node.users}
    found = [
        user.downstream[i]
        for user in users.values()
        for i, operand in enumerate(user.inputs)
        if operand is node
    ]
    found += [upstream(node) for _ in range(seeds)]
    return [share for share in found if share is not None]


def _figure(value: Any) -> str:
    return "" if value is None else figure(value)


def _box(number: int, node: Node, kind: str, label: str, seeds: int) -> Box:
    label = shortened(label, LONGEST)
    shape = () if isinstance(node.type, ir.TupleType) else node.type.shape
    captions: list[str] = []
    if kind == "operation":
        captions.append(shortened(f"{node.name} = {node.formula}", LONGEST))
    elif kind == "input" and not node.users and not node.is_output:
        captions.append("unused")
    if shape and kind != "output":
        captions.append(f"[{shape_text(shape)}]")
    total = "" if kind in ("constant", "output") else _total(node, shares(node, seeds))
    pictured = bool(shape) and kind in ("input", "operation") and node.value is not None
    body = _body(kind, label, shape if pictured else (), node.gradient is not None)
    return Box(number, node, kind, label, tuple(captions), total, pictured, body)


def _body(kind: str, label: str, shape: tuple[int, ...], two: bool) -> tuple[float, float]:
    """Width and height of a box with a label and, for a shape, one picture or two of it."""
    letters = text_width(label, LABEL)
    if shape:
        width, height = extent(shape, THUMB)
        pictures = 2 * width + 8 if two else width
        return max(letters, pictures) + 16, height + LABEL + 18
    if kind == "constant":
        return letters + 12, 24.0
    if kind == "operation" and letters <= 1.5 * RADIUS:
        return 2 * RADIUS, 2 * RADIUS
    return max(letters + 20, 34.0), 30.0


def _total(node: Node, terms: list[Any]) -> str:
    """The sum of what comes back along several wires; "" for a single one."""
    if len(terms) < 2 or node.gradient is None or isinstance(node.gradient, tuple):
        return ""
    result = figure(node.gradient)
    if len(terms) > TERMS or any(getattr(term, "shape", ()) for term in terms):
        return f"Σ of {len(terms)} = {result}"
    text = figure(terms[0])
    for term in map(number_text, terms[1:]):
        text += f" − {term[1:]}" if term.startswith("−") else f" + {term}"
    return f"{text} = {result}"
