"""Where in the user's source a value comes from."""

from __future__ import annotations

import linecache
from dataclasses import dataclass

from symdiff.errors import pointed
from symdiff.ir import Call, Value


@dataclass(frozen=True, slots=True)
class Place:
    """A piece of the user's source.

    Attributes:
        line, column: where it begins, both counted from 1; `column` is None where unknown.
        end_line, end_column: where it ends; `end_column` is that after the last character.
        text: the piece itself, or the line where columns are unknown.
        file: the Python file; None for a formula given as text.
        source_line: the whole line that it begins in.
    """

    line: int
    column: int | None
    end_line: int
    end_column: int | None
    text: str
    file: str | None
    source_line: str

    def __str__(self) -> str:
        column = "" if self.column is None else f", column {self.column}"
        return f"{'' if self.file is None else f'{self.file}, '}line {self.line}{column}"

    @property
    def excerpt(self) -> str:
        """The line with a caret under the spot, as in a ParseError."""
        if self.column is None:
            return f"  {self.source_line.strip()}"
        indent = len(self.source_line) - len(self.source_line.lstrip())
        return pointed(self.source_line[indent:], self.column - indent)


def place_of(value: Value, text: str | None) -> Place | None:
    """Where `value` comes from, in the `text` of a formula; None for SymPy, which has no places."""
    location = value.location
    if isinstance(location, Call):
        return _in_program(location)
    if location is None or text is None:
        return None
    return _in_text(text, *location)


def _in_text(source: str, start: int, end: int) -> Place:
    begin = source.rfind("\n", 0, start) + 1
    stop = source.find("\n", start)
    return Place(
        line=source.count("\n", 0, start) + 1,
        column=start - begin + 1,
        end_line=source.count("\n", 0, end) + 1,
        end_column=end - source.rfind("\n", 0, end),
        text=source[start:end],
        file=None,
        source_line=source[begin : stop if stop >= 0 else len(source)],
    )


def _in_program(call: Call) -> Place:
    file = call.code.co_filename
    first, last = call.lines()
    lines = [linecache.getline(file, n).rstrip("\n") for n in range(first, last + 1)]
    columns = call.columns()
    if columns is None or not all(lines):
        text = lines[0].strip()
        return Place(first, None, last, None, text, file, lines[0])
    start, end = _characters(lines[0], columns[0]), _characters(lines[-1], columns[1])
    inside = "\n".join([*lines[:-1], lines[-1][:end]])
    return Place(first, start + 1, last, end + 1, inside[start:], file, lines[0])


def _characters(line: str, count: int) -> int:
    """How many characters the first `count` bytes of a line are."""
    return len(line.encode()[:count].decode(errors="ignore"))
