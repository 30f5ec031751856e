"""The text that a function was read from, and the parts of it that values come from."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass
from typing import Any, Final

from symdiff.ir import Function, Location

_CALLED: Final = re.compile(r"[^\W\d]\w*\(")
_LONG: Final = 20_000  # characters of a formula in which nobody looks for what is written twice


@dataclass(frozen=True, slots=True)
class Source:
    """A source text.

    Attributes:
        kind: "text", whose locations are offsets; "python", whose locations are lines of a file;
            or "" for what has no text of its own, such as a SymPy expression.
        text: what the user wrote.
        first: the number of the first line of `text` in its file.
        file: the file, for Python.
    """

    kind: str
    text: str
    first: int = 1
    file: str = ""

    def span(self, location: Location | None) -> tuple[int, int] | None:
        """The offsets in `text` between which a value comes from; None where that is not known."""
        if location is None or not self.kind:
            return None
        start, end = location
        if self.kind == "text":
            return (start, end) if 0 <= start < end <= len(self.text) else None
        lines = self.text.splitlines(keepends=True)
        row = start - self.first
        if end or not 0 <= row < len(lines):  # in another function
            return None
        before = sum(map(len, lines[:row]))
        line = lines[row].rstrip("\n")
        return before + len(line) - len(line.lstrip()), before + len(line)

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
        """Where in a text the names of parameters stand: start, end and position among them."""
        if self.kind != "text":
            return []
        places = {name: i for i, name in enumerate(fn.param_names)}
        return [
            (match.start(), match.end(), places[match[0]])
            for match in re.finditer(r"[^\W\d]\w*", self.text)
            if match[0] in places
        ]


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
        text = textwrap.dedent("".join(lines)).rstrip("\n")
        return Source("python", text, max(1, first), inspect.getsourcefile(function) or "")
    return Source("", str(given))
