"""The source of a picture, as the page shows it: lines, and where in them each node stands."""

from __future__ import annotations

from html import escape
from typing import Final

from symdiff.graph import Node, Place
from symdiff.view.picture import Picture

LINES: Final = 400  # that are shown

Span = tuple[int, int, int]  # a line, counted from 0, and where in it a piece begins and ends


class Source:
    """The lines that the nodes of a picture come from.

    Where nodes have no places, as in SymPy's expressions, the graph itself is shown as a program,
    an operation a line.
    """

    def __init__(self, picture: Picture) -> None:
        nodes = list(dict.fromkeys(box.node for box in picture.boxes))
        places = [node.place for node in nodes]
        found = {_key(place): place.source_line for place in places if place is not None}
        self._lines = {key: found[key] for key in sorted(found)[:LINES]}
        self._numbers = {key: number for number, key in enumerate(self._lines)}
        self._program: dict[Node, Span] = {}
        if not found:
            operations = [node for node in nodes if node.kind == "operation"][:LINES]
            texts = [f"{node.name} = {node.formula}" for node in operations]
            self._lines = {("", number): text for number, text in enumerate(texts)}
            for number, (node, text) in enumerate(zip(operations, texts, strict=True)):
                self._program[node] = (number, 0, len(text))

    def span(self, node: Node) -> Span | None:
        """The piece that a node comes from, as far as it goes in its first line; None for none."""
        place = node.place
        if place is None or _key(place) not in self._numbers:
            return self._program.get(node)
        return (self._numbers[_key(place)], *_columns(place))

    def html(self) -> str:
        """An element for each line."""
        lines = self._lines.values()
        return "".join(f'<span class="source-line">{escape(line)}</span>' for line in lines)


def _key(place: Place) -> tuple[str, int]:
    return place.file or "", place.line


def _columns(place: Place) -> tuple[int, int]:
    """Where a piece begins and ends in its first line, counted from 0."""
    length = len(place.source_line)
    if place.column is None:
        return length - len(place.source_line.lstrip()), length
    one_line = place.end_line == place.line and place.end_column is not None
    return place.column - 1, (place.end_column or 0) - 1 if one_line else length
