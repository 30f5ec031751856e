"""The text that a function was read from, and the parts of it that values come from."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from symdiff.graph.place import place_of
from symdiff.ir import Call, Function, Value

_CALLED: Final = re.compile(r"[^\W\d]\w*\(")
_LONG: Final = 20_000  # characters of a formula in which nobody looks for what is written twice


@dataclass(frozen=True, slots=True)
class Source:
    """A source text.

    Attributes:
        kind: "text" for a formula, "python" for a function, or "" for what has no text of its
            own, such as a SymPy expression.
        text: what the user wrote, a function without the indentation of all its lines.
        file: of a function, its file.
        first: and the number of its first line there.
        indent: and the characters of that indentation.
    """

    kind: str
    text: str
    file: str = ""
    first: int = 1
    indent: int = 0

    def span(self, value: Value) -> tuple[int, int] | None:
        """The offsets in `text` between which a value comes from; None where that is not known."""
        location = value.location
        if location is None or not self.kind:
            return None
        if not isinstance(location, Call):
            start, end = location
            known = self.kind == "text" and 0 <= start < end <= len(self.text)
            return (start, end) if known else None
        place = place_of(value, None)
        if place is None or place.file != self.file:
            return None
        if place.column is None or place.end_column is None:
            whole = self._offset(place.line, self.indent), self._offset(place.end_line, None)
        else:
            whole = (
                self._offset(place.line, place.column - 1),
                self._offset(place.end_line, place.end_column - 1),
            )
        start, end = whole
        return None if start is None or end is None or end <= start else (start, end)

    def _offset(self, line: int, column: int | None) -> int | None:
        """The place in `text` of a column in a line of the file, from 0; without one, its end."""
        lines = self.text.split("\n")
        row = line - self.first
        if not 0 <= row < len(lines):
            return None  # in another function
        before = sum(len(text) + 1 for text in lines[:row])
        width = len(lines[row])
        return before + (width if column is None else min(width, max(0, column - self.indent)))

    def repeated(self, start: int, end: int) -> list[tuple[int, int]]:
        """Where else in a formula stands what is between two offsets, if that is a call.

        A value that is written twice is there once, and comes from where it was read first. Calls
        mean the same wherever they stand, as long as no name is given a new meaning: a part that
        does mean something else became a value of its own.
        """
        call = self.text[start:end]
        plain = self.kind == "text" and len(self.text) <= _LONG and "=" not in self.text
        if not plain or not _is_call(call):
            return []
        pattern = rf"(?<![\w.]){re.escape(call)}"
        places = (match.start() for match in re.finditer(pattern, self.text))
        return [(place, place + len(call)) for place in places if place != start]

    def parameters(self, fn: Function) -> list[tuple[int, int, int]]:
        """Where in the text the names of parameters stand: start, end and position among them.

        Names that a function gives another meaning are left out.
        """
        places = {name: i for i, name in enumerate(fn.param_names)}
        return [
            (start, end, places[name])
            for start, end, name in (self._names() if self.kind else ())
            if name in places
        ]

    def _names(self) -> Iterator[tuple[int, int, str]]:
        """The names in the text, with their offsets."""
        if self.kind == "text":
            for match in re.finditer(r"[^\W\d]\w*", self.text):
                yield match.start(), match.end(), match[0]
            return
        try:
            nodes = [node for node in ast.walk(ast.parse(self.text)) if isinstance(node, ast.Name)]
        except SyntaxError:  # a lambda within something else
            return
        lines = self.text.split("\n")
        given = {node.id for node in nodes if not isinstance(node.ctx, ast.Load)}
        for node in nodes:
            row = node.lineno - 1
            column = len(lines[row].encode()[: node.col_offset].decode())
            start = self._offset(self.first + row, self.indent + column)
            if node.id not in given and start is not None:
                yield start, start + len(node.id), node.id


def _is_call(text: str) -> bool:
    """Whether `text` is a name and what is in its parentheses, and no more."""
    if _CALLED.match(text) is None:
        return False
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and not depth:
            return place == len(text) - 1
    return False


def source_of(given: Any) -> Source:
    """The text behind what a user gives as a source."""
    if isinstance(given, str):
        return Source("text", given)
    function = inspect.unwrap(given) if callable(given) else None
    if inspect.isfunction(function):
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError):  # typed at a prompt
            return Source("", "")
        whole = "".join(lines).rstrip("\n")
        text = textwrap.dedent(whole)
        indent = len(whole.split("\n")[0]) - len(text.split("\n")[0])
        return Source("python", text, function.__code__.co_filename, max(1, first), indent)
    return Source("", str(given))
