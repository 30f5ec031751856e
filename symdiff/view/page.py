"""A picture as a page: one HTML file that steps through the graph, forward and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from symdiff import ir
from symdiff.graph import Node, Place
from symdiff.view.figures import figure, heat_map, norm, number_text, shape_text
from symdiff.view.layout import Layout, Point
from symdiff.view.picture import Box, Picture, Wire
from symdiff.view.regions import regions
from symdiff.view.svg import DARK, LIGHT, asset, shapes

SCRIPTS: Final = (
    "state.js", "camera.js", "timeline.js", "panel.js", "folding.js", "search.js", "main.js",
)  # fmt: skip
LINES: Final = 60  # of the source that are shown


def page(picture: Picture, places: Layout) -> str:
    """The whole file. It asks for nothing from outside, and may be opened from a disk."""
    parts = {
        "title": escape(picture.name),
        "style": f"{_colours()}{asset('page.css')}{asset('drawing.css')}",
        "source": _source(picture),
        "width": f"{places.width:.0f}",
        "height": f"{places.height:.0f}",
        "shapes": shapes(picture, places),
        "data": _as_json(_facts(picture, places)),
        "script": "".join(map(asset, SCRIPTS)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], asset("page.html"))


def _colours() -> str:
    """The colours as variables: light, dark where the system is, and as the reader chooses."""
    light = "".join(f"--{name}:{colour};" for name, colour in LIGHT.items())
    dark = "".join(f"--{name}:{colour};" for name, colour in DARK.items())
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme: dark){{:root:not([data-theme=light])"
        f"{{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
    )


def _as_json(facts: Any) -> str:
    """JSON that may stand in a script element: nothing in it ends that, or begins a comment."""
    text = json.dumps(facts, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _facts(picture: Picture, places: Layout) -> dict[str, Any]:
    lines = {key: number for number, key in enumerate(_lines(picture))}
    folds = regions(picture)
    return {
        "name": picture.name,
        "numbers": picture.numbers,
        "boxes": [
            _box(box, place, fold, lines)
            for box, place, fold in zip(picture.boxes, places.boxes, folds, strict=True)
        ],
        "wires": [_wire(picture, places, wire) for wire in picture.wires],
    }


def _box(
    box: Box, place: Point, fold: int | None, lines: dict[tuple[str | None, int], int]
) -> dict[str, Any]:
    node = box.node
    facts: dict[str, Any] = {
        "kind": box.kind,
        "label": box.label,
        "name": box.label if box.kind in ("constant", "output") else node.name,
        "formula": node.formula,
        "at": [round(place[0], 1), round(place[1], 1)],
        "size": [round(box.width, 1), round(box.body[1], 1), round(box.below, 1)],
        "fold": fold,
    }
    if box.kind == "output":
        return facts
    found = node.place
    if found is not None and (found.file, found.line) in lines:
        facts["span"] = [lines[found.file, found.line], *_columns(found)]
        file = "" if found.file is None else f"{PurePath(found.file).name}, "
        facts["where"] = f"{file}line {found.line}"
    return facts | {
        "intuition": node.intuition,
        "type": str(node.type),
        "total": box.total,
        "value": _quantity(node.value),
        "gradient": _quantity(node.gradient),
    }


def _wire(picture: Picture, places: Layout, wire: Wire) -> dict[str, Any]:
    target = picture.boxes[wire.target]
    facts: dict[str, Any] = {
        "from": wire.source,
        "to": wire.target,
        "points": [[round(x, 1), round(y, 1)] for x, y in places.wires[wire.number]],
    }
    if wire.number in places.texts:
        facts["text"] = [round(part, 1) for part in places.texts[wire.number]]
    if target.kind == "operation" and picture.numbers:
        node: Node = target.node
        facts["local"] = _local(node, wire.operand)
        facts["downstream"] = _quantity(node.downstream[wire.operand])
    return facts


def _quantity(value: Any) -> dict[str, Any] | None:
    """What the panel shows of a number or an array; None for none."""
    if value is None:
        return None
    if isinstance(value, tuple):
        return {"text": figure(value)}
    shape = getattr(value, "shape", ())
    if not shape:
        return {"text": number_text(value), "exact": repr(value)}
    return {
        "text": f"‖{number_text(norm(value))}‖",
        "shape": shape_text(shape),
        "picture": heat_map(value),
        **_range(value),
    }


def _range(array: Any) -> dict[str, Any]:
    numbers = np.asarray(array, np.float64)
    finite = numbers[np.isfinite(numbers)]
    found: dict[str, Any] = {"odd": int(numbers.size - finite.size)}
    if finite.size:
        found["range"] = f"{number_text(finite.min())} … {number_text(finite.max())}"
    return found


def _local(node: Node, operand: int) -> dict[str, Any] | None:
    """The local gradient: a number, or the Jacobian as a matrix."""
    local = node.local_gradients[operand]
    shape = getattr(local, "shape", ())
    if local is None or not shape or isinstance(node.type, ir.TupleType):
        return _quantity(local)
    rows = int(np.prod(node.type.shape))
    matrix = np.asarray(local).reshape(max(rows, 1), -1)
    return _quantity(matrix)


# The source.


def _lines(picture: Picture) -> dict[tuple[str | None, int], str]:
    """The lines of the source that the graph comes from, in order."""
    found = {
        (place.file, place.line): place.source_line
        for place in _places(picture)
        if place.source_line
    }
    kept = sorted(found, key=lambda key: (key[0] or "", key[1]))[:LINES]
    return {key: found[key] for key in kept}


def _places(picture: Picture) -> Iterable[Place]:
    for box in picture.boxes:
        place = box.node.place
        if place is not None:
            yield place


def _columns(place: Place) -> tuple[int, int]:
    """Where the piece begins and ends in its first line, counted from 0."""
    length = len(place.source_line)
    if place.column is None:
        return length - len(place.source_line.lstrip()), length
    one_line = place.end_line == place.line and place.end_column is not None
    return place.column - 1, (place.end_column or 0) - 1 if one_line else length


def _source(picture: Picture) -> str:
    """The source as lines of HTML; for one that has no text, what is computed."""
    lines = list(_lines(picture).values())
    if not lines:
        outputs = [box.node for box in picture.boxes if box.kind == "output"]
        lines = [f"{node.name} = {node.formula}" for node in outputs]
    return "".join(f'<span class="source-line">{escape(line)}</span>' for line in lines)
