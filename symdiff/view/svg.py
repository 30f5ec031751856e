"""A picture as SVG: one file with its style in it, for light and for dark surroundings."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Any, Final

from symdiff.page import asset
from symdiff.view.figures import extent, heat_map
from symdiff.view.layout import Layout, Point
from symdiff.view.picture import FIGURE, LABEL, LINE, THUMB, Box, Picture, Wire

TIP: Final = 7.0  # length of an arrow head
# Text on paper has a contrast of at least 4.5 in both, as WCAG 2.1 asks for.
LIGHT: Final = {
    "paper": "#ffffff",
    "ink": "#1d2430",
    "muted": "#566173",
    "line": "#8792a3",
    "value": "#0b5cad",
    "gradient": "#b3261e",
    "input": "#e1eefb",
    "input-line": "#4a86c5",
    "operation": "#f7f8fa",
    "operation-line": "#566173",
    "output": "#fdecd5",
    "output-line": "#c07a22",
    "accent": "#7a4bd0",
}
DARK: Final = {
    "paper": "#14181e",
    "ink": "#e7eaef",
    "muted": "#9fabbb",
    "line": "#6c7889",
    "value": "#86bdff",
    "gradient": "#ff9b8c",
    "input": "#18324f",
    "input-line": "#5e9bdc",
    "operation": "#222933",
    "operation-line": "#9fabbb",
    "output": "#4a3413",
    "output-line": "#d79a48",
    "accent": "#b79bf5",
}


def style(colours: dict[str, str]) -> str:
    """The style sheet of a drawing with its colours written out, which every viewer understands."""
    sheet = asset("symdiff.view", "drawing.css")
    return re.sub(r"var\(--([\w-]+)\)", lambda found: colours[found[1]], sheet)


def svg(picture: Picture, places: Layout, colours: dict[str, str] | None = None) -> str:
    """The whole file. It follows the surroundings unless `colours` are given."""
    sheet = style(colours or LIGHT)
    if colours is None:
        sheet += "@media (prefers-color-scheme: dark) {\n" + style(DARK) + "}\n"
    width, height = _short(places.width), _short(places.height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="symdiff-drawing" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="computation graph of {escape(picture.name)}">\n'
        f"<style>\n{sheet}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}"/>\n'
        f"{shapes(picture, places)}</svg>\n"
    )


def shapes(picture: Picture, places: Layout) -> str:
    """All wires and boxes, without what is around them; boxes have their middle at the origin."""
    lines = [_wire(wire, places) for wire in picture.wires]
    # A dot where a value goes several ways, and the gradients that come back add up.
    lines += [
        f'<circle class="branch" data-branch="{number}" cx="{_short(x)}" cy="{_short(y)}" r="3.2"/>'
        for number, (x, y) in _branches(picture, places).items()
    ]
    lines += [
        _box(box, place, _title(box))
        for box, place in zip(picture.boxes, places.boxes, strict=True)
    ]
    return "\n".join(lines) + "\n"


def curve(points: Sequence[Point]) -> str:
    """The path through the points of a wire, see `Layout.wires`, up to the arrow head."""
    (x, y), *rest = points
    *rest, (end, last) = rest
    path = f"M{_short(x)} {_short(y)}"
    for i, ((a, b), (c, d)) in enumerate(pairwise([(x, y), *rest, (end - TIP, last)])):
        middle = _short((a + c) / 2)
        if i % 2 == 0 or b == d:
            path += f"H{_short(c)}"
        else:
            path += f"C{middle} {_short(b)} {middle} {_short(d)} {_short(c)} {_short(d)}"
    return path


def _branches(picture: Picture, places: Layout) -> dict[int, Point]:
    """Where the wires that leave a box part, for the boxes that several leave."""
    leaving = Counter(wire.source for wire in picture.wires)
    return {
        wire.source: places.wires[wire.number][1]
        for wire in picture.wires
        if leaving[wire.source] > 1
    }


def _wire(wire: Wire, places: Layout) -> str:
    points = places.wires[wire.number]
    x, y = points[-1]
    texts = ""
    if wire.has_text:
        middle, height = places.texts[wire.number]
        texts = _text("value", wire.value, middle, height - 4)
        texts += _text("gradient", wire.gradient, middle, height + FIGURE)
    return (
        f'<g class="wire" data-wire="{wire.number}"><path class="line" d="{curve(points)}"/>'
        f'<path class="tip" d="M{_short(x)} {_short(y)}l{-TIP:g} -3.5v7z"/>{texts}</g>'
    )


def _box(box: Box, place: Point, title: str) -> str:
    x, y = map(_short, place)
    return (
        f'<g class="box {box.kind}" data-box="{box.number}" transform="translate({x} {y})">'
        f"<title>{escape(title)}</title>{_body(box)}{_captions(box)}</g>"
    )


def _body(box: Box) -> str:
    width, height = box.body
    if box.round:
        shape = f'<circle class="body" r="{_short(width / 2)}"/>'
    else:
        radius = {"constant": 4.0, "input": 6.0}.get(box.kind, min(15.0, height / 2))
        shape = (
            f'<rect class="body" x="{_short(-width / 2)}" y="{_short(-height / 2)}" '
            f'width="{_short(width)}" height="{_short(height)}" rx="{radius:g}"/>'
        )
    if not box.pictured:
        return shape + _text("label", box.label, 0, 0.35 * LABEL)
    return shape + _text("label", box.label, 0, LABEL + 2 - height / 2) + _pictures(box)


def _pictures(box: Box) -> str:
    """The value, and the gradient if there is one, side by side below the label."""
    node = box.node
    width, height = extent(node.type.shape, THUMB)
    arrays: list[tuple[str, Any]] = [("value", node.value), ("gradient", node.gradient)]
    arrays = [(name, array) for name, array in arrays if array is not None]
    x = -(len(arrays) * (width + 8) - 8) / 2
    y = box.body[1] / 2 - height - 7
    found = ""
    for name, array in arrays:
        frame = f'x="{_short(x)}" y="{_short(y)}" width="{_short(width)}" height="{_short(height)}"'
        found += (
            f'<image class="{name}" {frame} preserveAspectRatio="none" href="{heat_map(array)}"/>'
            f'<rect class="frame {name}" {frame}/>'
        )
        x += width + 8
    return found


def _captions(box: Box) -> str:
    found, y = "", box.body[1] / 2 + LINE - 1
    for line in box.captions:
        found += _text("caption", line, 0, y)
        y += LINE
    return found + _text("total", box.total, 0, y)


def _title(box: Box) -> str:
    node = box.node
    if box.kind == "output":
        return f"output {box.label}"
    text = box.label if box.kind != "operation" else f"{node.name} = {node.formula}"
    return f"{text}\n{node.intuition}" if node.intuition else text


def _text(kind: str, text: str, x: float, y: float) -> str:
    if not text:
        return ""
    return f'<text class="{kind}" x="{_short(x)}" y="{_short(y)}">{escape(text)}</text>'


def _short(number: float) -> str:
    """A coordinate in tenths."""
    return f"{number:.1f}".removesuffix(".0")
