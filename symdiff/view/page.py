"""A picture as a page: one HTML file that steps through the graph, forward and back."""

from __future__ import annotations

import re
from html import escape
from pathlib import PurePath
from typing import Any, Final

import numpy as np

from symdiff import ir
from symdiff.graph import Node
from symdiff.graph.norm import norm
from symdiff.page import Colours, asset, document
from symdiff.view.figures import figure, heat_map, number_text, shape_text
from symdiff.view.layout import Layout, Point
from symdiff.view.picture import Box, Picture, Wire
from symdiff.view.regions import regions
from symdiff.view.source import Source
from symdiff.view.svg import DARK, LIGHT, shapes

SCRIPTS: Final = (
    "state.js", "camera.js", "timeline.js", "panel.js", "folding.js", "search.js", "main.js",
)  # fmt: skip


def page(picture: Picture, places: Layout) -> str:
    """The whole file. It asks for nothing from outside, and may be opened from a disk."""
    source = Source(picture)
    parts = {
        "title": escape(picture.name),
        "source": source.html(),
        "width": f"{places.width:.0f}",
        "height": f"{places.height:.0f}",
        "shapes": shapes(picture, places),
    }
    body = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))
    return document(
        f"{picture.name}: computation graph",
        body,
        colours=Colours(LIGHT, DARK),
        styles=[_asset("page.css"), _asset("drawing.css")],
        scripts=[f"const symdiffGraph = (() => {{\n{''.join(map(_asset, SCRIPTS))}}})();"],
        data=_facts(picture, places, source),
    )


def _asset(name: str) -> str:
    return asset("symdiff.view", name)


def _facts(picture: Picture, places: Layout, source: Source) -> dict[str, Any]:
    folds = regions(picture)
    return {
        "name": picture.name,
        "numbers": picture.numbers,
        "boxes": [
            _box(box, place, fold, source)
            for box, place, fold in zip(picture.boxes, places.boxes, folds, strict=True)
        ],
        "wires": [_wire(picture, places, wire) for wire in picture.wires],
    }


def _box(box: Box, place: Point, fold: int | None, source: Source) -> dict[str, Any]:
    node = box.node
    facts: dict[str, Any] = {
        "kind": box.kind,
        "label": box.label,
        "name": box.label if box.kind in ("constant", "output") else node.name,
        "formula": node.formula,
        "at": [round(place[0], 1), round(place[1], 1)],
        "size": [round(box.width, 1), round(box.body[1], 1), round(box.below, 1)],
        "body": round(box.body[0], 1),
        "fold": fold,
    }
    if box.kind == "output":
        return facts
    span = source.span(node)
    if span is not None:
        facts["span"] = span
    if node.place is not None:
        file = "" if node.place.file is None else f"{PurePath(node.place.file).name}, "
        facts["where"] = f"{file}line {node.place.line}"
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
